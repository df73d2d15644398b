package profiles

import (
	"reflect"
	"slices"
	"testing"

	"github.com/safe-run/safe-run/spec/seccomp"
	"pgregory.net/rapid"
)

// anyProfile draws a profile that Decode would accept: each setting present or
// not, with values from small sets, so that two profiles often meet.
func anyProfile(t *rapid.T, name string) Profile {
	p := Profile{APIVersion: APIVersion, Kind: Kind, Metadata: Metadata{Name: name}}
	for _, section := range []any{&p.Process, &p.Rootfs, &p.Mounts, &p.Paths, &p.Resources, &p.Seccomp, &p.Network, &p.Image, &p.Health} {
		fill(t, reflect.ValueOf(section).Elem())
	}
	for _, f := range fieldsOf(reflect.TypeFor[Profile]()) {
		if f.name == "accept" {
			setting(t, f, reflect.ValueOf(&p).Elem().Field(f.index))
		}
	}
	if p.Health.Disabled != nil && *p.Health.Disabled {
		p.Health = Health{Disabled: p.Health.Disabled}
	}
	return p
}

// fill draws every setting of a struct.
func fill(t *rapid.T, v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		setting(t, f, v.Field(f.index))
	}
}

var (
	somePaths      = []string{"/tmp", "/run", "/cache", "/a b", "/x#y", "/[z]"}
	someWhys       = []string{"because", "yes", "1: 2 # 3", "zwei\nZeilen", "null", " \"x\" "}
	somePorts      = []string{"443/tcp", "80/tcp", "53/udp", "1-65535/tcp", "8000-8100/tcp", "8050-8200/tcp", "80-81/udp"}
	someRegistries = []string{"ghcr.io", "ghcr.io/acme", "ghcr.io/acme/app", "ghcr.io/acmes", "docker.io", "docker.io/library", "localhost:5000", "[::1]:5000/a_b"}
	someTo         = []string{
		Internet, Internet, Internet4, Internet6, "0.0.0.0/0", "::/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3",
		"8.8.8.0/24", "128.0.0.0/1", "2000::/4", "2001:db8::/32", "fd00::/8", "192.168.0.0/15", "1.0.0.0/8",
	}
)

func setting(t *rapid.T, f field, v reflect.Value) {
	pick := func(values ...string) string { return rapid.SampledFrom(values).Draw(t, f.name) }
	if !f.must && v.Kind() != reflect.Struct && rapid.IntRange(0, 9).Draw(t, "set") < 4 {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch value := v.Addr().Interface().(type) {
	case *bool:
		*value = rapid.Bool().Draw(t, f.name)
	case *int64:
		*value = rapid.Int64Range(0, 5).Draw(t, f.name)
		if f.name == "pids" || f.name == "inodes" || f.name == "runAsUser" || f.name == "retries" {
			*value++
		}
	case *Bytes:
		*value = leastMemory + Bytes(rapid.Int64Range(0, 5).Draw(t, f.name))<<rapid.IntRange(0, 30).Draw(t, "shift")
	case *MilliCPU:
		*value = leastCPU + MilliCPU(rapid.Int64Range(0, 4000).Draw(t, f.name))
	case *Duration:
		*value = LeastHealthTime + Duration(rapid.Int64Range(1, 1<<40).Draw(t, f.name))
	case *Command:
		*value = Command(pick(`"a b"`, `"[\"a\"]"`, `["a"]`, `["a","","a"]`, `"5"`, `["null","- x: 1"]`))
	case *Mode:
		*value = Mode(rapid.Uint32Range(0, 0o7777).Draw(t, f.name))
	case *Signal:
		*value = Signal(pick("SIGTERM", "SIGQUIT", "SIGRTMIN+3"))
	case *UserFrom:
		*value = UserFrom(pick(userFroms...))
	case *Reaction:
		*value = Reaction(pick(reactions...))
	case *NetworkMode:
		*value = NetworkMode(pick(networkModes...))
	case *Severity:
		*value = Severity(pick(severities...))
	case *string:
		*value = pick(wordsFor(f)...)
	case *Egress:
		fill(t, v)
	default:
		composite(t, f, v)
	}
}

// wordsFor gives text that is valid for a setting.
func wordsFor(f field) []string {
	switch {
	case f.values == "syscall":
		return []string{"@base", "@files", "@process", "@threads", "@sockets", "read", "clone", "ptrace"}
	case f.values != "":
		names := namesOf(f.values)
		return names[:min(6, len(names))]
	case f.name == "path":
		return somePaths
	case f.name == "report":
		return append([]string{NoReport}, somePaths...)
	case f.name == "registries":
		return someRegistries
	case f.name == "to":
		return someTo
	}
	return someWhys
}

func composite(t *rapid.T, f field, v reflect.Value) {
	if v.Kind() == reflect.Struct {
		fill(t, v)
		return
	}
	most := 4
	if f.name == "ports" {
		most = 3
	}
	out := reflect.MakeSlice(v.Type(), 0, most)
	for range rapid.IntRange(min(1, 4-most), most).Draw(t, f.name) {
		item := reflect.New(v.Type().Elem()).Elem()
		switch {
		case item.Type() == reflect.TypeFor[Signature]():
			item.Set(reflect.ValueOf(anySignature(t)))
		case item.Kind() == reflect.Struct:
			fill(t, item)
		case f.values != "" || f.name == "registries":
			item.SetString(rapid.SampledFrom(wordsFor(f)).Draw(t, f.name))
		case f.name == "ports":
			item.SetString(rapid.SampledFrom(somePorts).Draw(t, "port"))
		default:
			item.SetString(rapid.SampledFrom(somePaths).Draw(t, "path"))
		}
		if _, double := indexed(out)[keyOf(item)]; !double {
			out = reflect.Append(out, item)
		}
	}
	v.Set(out)
}

// anySignature draws a signature that somebody could make.
func anySignature(t *rapid.T) Signature {
	s := Signature{
		Name: rapid.SampledFrom([]string{"release", "build"}).Draw(t, "name"),
		Keys: rapid.SampledFrom([][]string{nil, {"/a.pub"}, {"/a.pub", "/b.pub"}, {"/b.pub", "/a.pub"}, {"/a.pub,/b.pub"}}).Draw(t, "keys"),
		Why:  rapid.SampledFrom(append(someWhys, "")).Draw(t, "why"),
	}
	if s.Keys == nil || rapid.Bool().Draw(t, "both") {
		s.TrustRoot = "/root.json"
		s.Keyless = append(s.Keyless, Identity{Issuer: "https://a.example", Subject: rapid.SampledFrom([]string{"x", "x y", `"x"`}).Draw(t, "subject")})
		if rapid.Bool().Draw(t, "second") {
			s.Keyless = append(s.Keyless, Identity{Issuer: "https://a.example", SubjectRegExp: "x[a-z].*"})
		}
	}
	return s
}

// TestGeneratorIsValid keeps the property tests honest: what they run on must
// be what users can write.
func TestGeneratorIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if errs := checkValues(anyProfile(t, "p")); len(errs) > 0 {
			t.Fatal(errs)
		}
	})
	if !slices.Contains(seccomp.GroupNames(), "@threads") {
		t.Fatal("the groups that the generator draws are gone")
	}
}
