// Package exporttest has what the tests of all exports share: inputs that say
// everything, and the search for settings that an export forgets.
package exporttest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
)

// Export is what every target's package has.
type Export func(export.Input) (export.Result, error)

// whole is a profile in which every field is set.
const whole = `apiVersion: safe-run.dev/v1
kind: Profile
metadata: {name: whole}
extends: default
process:
  runAsUser: 1001
  runAsGroup: 1002
  userFrom: image
  root: {allow: false, why: r}
  socketActivation: {allow: true, outbound: false, why: r}
  capabilities: [{name: NET_BIND_SERVICE, why: r}, {name: CHOWN, why: r}]
  rlimits: [{name: nproc, soft: 10, hard: 20}]
  init: true
  stopSignal: SIGQUIT
  stopTimeout: 1500ms
  oomScoreAdj: 100
rootfs: {readOnly: true, size: 10MiB, why: r}
mounts:
  tmpfs: [{path: /work, size: 8MiB, inodes: 100, mode: "0700", exec: true, why: r}]
  hostPaths: [{path: /etc/hosts, write: false, why: r}]
  volumes: true
paths: {masked: [/proc/cpuinfo], readOnly: [/opt]}
resources: {memory: 100MiB, swap: 10MiB, cpus: 0.5, pids: 50}
seccomp:
  allow: [{name: "@fsync", why: r}]
  addressFamilies: [{name: AF_INET, why: r}]
  onViolation: {high: kill, medium: freeze, low: log}
network:
  mode: bridge
  why: r
  egress: [{to: 10.0.3.7, ports: [5432/tcp], why: r}]
  unprivilegedPortStart: 80
image:
  registries: [ghcr.io/acme]
  requireDigest: true
  signatures: [{name: release, keys: [/etc/safe-run/keys/acme.pub]}]
  vulnerabilities: {block: high, fixableOnly: true, maxAge: 48h, sources: [report], report: /var/lib/r.json, vex: [/var/lib/v.json], why: r}
health: {test: [/bin/check, --fast], interval: 5s, timeout: 6s, startPeriod: 7s, startInterval: 8s, retries: 4}
accept: [{name: oom-group, why: r}]
`

// Profile resolves a built-in profile.
func Profile(name string) profiles.Profile {
	p, err := profiles.Resolve(name, builtin.Finder{})
	if err != nil {
		panic(err)
	}
	return p
}

// document finds one text by any name that is not built in.
type document string

// Find implements profiles.Finder.
func (d document) Find(string) (string, []byte, error) { return "whole.yaml", []byte(d), nil }

// Names implements profiles.Finder.
func (d document) Names() []string { return nil }

// Resolve resolves one document with what it extends.
func Resolve(text []byte) (profiles.Profile, error) {
	return profiles.Resolve("document.yaml", profiles.Finders{builtin.Finder{}, document(text)})
}

// Whole is a profile in which every field is set.
func Whole() profiles.Profile {
	p, err := Resolve([]byte(whole))
	if err != nil {
		panic(err)
	}
	return p
}

// Input is a plain application under a profile.
func Input(p profiles.Profile) export.Input {
	return export.Input{
		Profile: p, Name: "app",
		Image: export.Image{Reference: "ghcr.io/acme/app:1", Config: true, User: "1234:5678", Entrypoint: []string{"/bin/app"}},
	}
}

// inputs are what a change must show in, in one of them at least.
func inputs(p profiles.Profile) []export.Input {
	asRoot, writable, own := Input(p), Input(p), Input(p)
	asRoot.Image.User = "0"
	writable.Profile.Rootfs.ReadOnly = new(false)
	own.Profile.Health.Disabled = nil
	return []export.Input{Input(p), asRoot, writable, own}
}

// Forgotten lists the fields of a profile whose value makes no difference to an
// export, neither to its files nor to its losses.
func Forgotten(exported Export) ([]string, error) {
	var forgotten []string
	base := Whole()
	for _, c := range changes(reflect.ValueOf(&base).Elem(), "") {
		if strings.HasPrefix(c.path, "verify.") {
			continue // what safe-run verify is to find; nothing of it is enforced
		}
		seen := false
		for i, before := range inputs(base) {
			changed := Whole()
			c.apply(find(reflect.ValueOf(&changed).Elem(), c.index))
			a, err := exported(before)
			if err != nil {
				return nil, fmt.Errorf("%s, input %d: %w", c.path, i, err)
			}
			// What the target must refuse it has not forgotten.
			b, err := exported(inputs(changed)[i])
			if seen = err != nil || !same(a, b); seen {
				break
			}
		}
		if !seen {
			forgotten = append(forgotten, c.path)
		}
	}
	return forgotten, nil
}

func same(a, b export.Result) bool {
	return slices.EqualFunc(a.Files, b.Files, func(x, y export.File) bool { return x.Path == y.Path && bytes.Equal(x.Data, y.Data) }) &&
		slices.EqualFunc(a.Losses, b.Losses, func(x, y export.Loss) bool {
			x.Origin, y.Origin = "", ""
			return x == y
		})
}

// change is one field with another value. index leads to the field.
type change struct {
	path  string
	index []int
	apply func(reflect.Value)
}

func find(v reflect.Value, index []int) reflect.Value {
	for _, i := range index {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() == reflect.Slice {
			v = v.Index(i)
		} else {
			v = v.Field(i)
		}
	}
	return v
}

// notPolicy are names and reasons, and what a battery of attacks is to find,
// which enforce nothing.
var notPolicy = []string{"apiVersion", "kind", "metadata", "extends", "replace", "verify", "-"}

// changes lists a change of every field below v.
func changes(v reflect.Value, path string) (out []change) {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	deeper := func(i int, field reflect.Value, at string) {
		for _, c := range changes(field, at) {
			c.index = append([]int{i}, c.index...)
			out = append(out, c)
		}
	}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if slices.Contains(notPolicy, name) || name == "why" {
			continue
		}
		field, at := v.Field(i), strings.TrimPrefix(path+"."+name, ".")
		switch t := field.Type(); {
		case t.Kind() == reflect.Struct, t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
			deeper(i, field, at)
		case t.Kind() == reflect.Slice && field.Len() == 0:
			// One entry is written as one text (Signature.String), whole.
		case t.Kind() == reflect.Slice:
			out = append(out, change{at + " without its last entry", []int{i}, func(v reflect.Value) { v.Set(v.Slice(0, v.Len()-1)) }})
			if last := field.Len() - 1; t.Elem().Kind() == reflect.Struct {
				for _, c := range changes(field.Index(last), at+"[]") {
					c.index = append([]int{i, last}, c.index...)
					out = append(out, c)
				}
			}
		default:
			out = append(out, change{at, []int{i}, other})
		}
	}
	return out
}

// others are values of types that are texts.
var others = map[string]string{
	"": "/etc/other", "image": "profile", "bridge": "none", "kill": "log", "freeze": "log", "log": "kill", "high": "critical", "SIGQUIT": "SIGINT",
	`["/bin/check","--fast"]`: `["/bin/check","--slow"]`, "/var/lib/r.json": "/var/lib/q.json", "/work": "/other", "/etc/hosts": "/etc/group",
	"10.0.3.7": "10.0.3.8", "oom-group": "rlimits", "nproc": "nofile", "@fsync": "@watch", "AF_INET": "AF_INET6", "CHOWN": "FOWNER", "release": "nightly",
	"NET_BIND_SERVICE": "FOWNER", "nofile": "fsize", "AF_UNIX": "AF_INET6", "core": "stack",
}

// other gives a field another value that is possible.
func other(v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		} else {
			fresh := reflect.New(v.Type().Elem())
			fresh.Elem().Set(v.Elem())
			v.Set(fresh)
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(others[v.String()])
	case reflect.Int64:
		n := v.Int() + 1
		if v.Type() == reflect.TypeFor[profiles.Bytes]() || v.Type() == reflect.TypeFor[profiles.MilliCPU]() || v.Type() == reflect.TypeFor[profiles.Duration]() {
			n = v.Int() * 2
		}
		v.SetInt(n)
	case reflect.Uint32:
		v.SetUint(v.Uint() ^ 0o70)
	default:
		panic(fmt.Sprintf("no other value for %s", v.Type()))
	}
}
