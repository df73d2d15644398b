package profiles_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/problem"
)

// files finds documents in a map, after the built-in ones. The head is added.
type files map[string]string

func (f files) Find(name string) (string, []byte, error) {
	body, ok := f[path.Clean(name)]
	if !ok {
		return "", nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return name, []byte("apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: t}\n" + body), nil
}

// resolve finds built-in names first.
func resolve(f files, name string) (profiles.Profile, error) {
	return profiles.Resolve(name, profiles.Finders{builtin.Finder{}, f})
}

func TestResolveLaysDocumentsOverEachOther(t *testing.T) {
	p, err := resolve(files{
		"top.yaml": `
extends: [default, mid.yaml]
process: {capabilities: []}
mounts: {tmpfs: [{path: /tmp, size: 1GiB}]}
paths: {masked: [/proc/x]}
resources: {pids: 7}
`,
		"mid.yaml": `
process: {capabilities: [{name: CHOWN, why: mid}]}
resources: {pids: 5, memory: 2GiB}
seccomp: {allow: [{name: ptrace, why: debug}]}
`,
	}, "top.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tmp := p.Mounts.Tmpfs[0]
	switch {
	case *p.Resources.Pids != 7:
		t.Errorf("the upper value does not win: %d", *p.Resources.Pids)
	case *p.Resources.Memory != 2<<30:
		t.Errorf("the middle value is lost: %s", p.Resources.Memory)
	case p.Process.Capabilities == nil || len(p.Process.Capabilities) != 0:
		t.Errorf("an empty list does not clear: %v", p.Process.Capabilities)
	case tmp.Path != "/tmp" || *tmp.Size != 1<<30 || *tmp.Inodes != 16384:
		t.Errorf("an entry is not merged by its key: %+v", tmp)
	case len(p.Paths.Masked) < 10 || p.Paths.Masked[len(p.Paths.Masked)-1] != "/proc/x":
		t.Errorf("paths are not added: %v", p.Paths.Masked)
	case p.Seccomp.Allow[len(p.Seccomp.Allow)-1].Name != "ptrace" || len(p.Seccomp.Allow) < 10:
		t.Errorf("system calls are not added: %v", p.Seccomp.Allow)
	}
	for at, want := range map[string]string{
		"resources.pids":              "top.yaml:9:19",
		"resources.memory":            "mid.yaml:6:30",
		"seccomp.allow[ptrace]":       "mid.yaml:7:19",
		"mounts.tmpfs[/tmp].size":     "top.yaml:7:37",
		"process.capabilities[CHOWN]": "top.yaml:6:25",
	} {
		if got := p.Origin(at).String(); got != want {
			t.Errorf("origin of %s: %s, want %s", at, got, want)
		}
	}
	if got := p.Origin("mounts.tmpfs[/tmp].inodes"); got.Source != "default" || got.Line == 0 {
		t.Errorf("what is inherited comes from %s", got)
	}
	if p.Extends != nil || p.Metadata.Name != "t" {
		t.Errorf("the result still extends %v, or is called %q", p.Extends, p.Metadata.Name)
	}
}

// Two mixins over one base: the base must not be laid over the first mixin
// again when the second one brings it along.
func TestResolveLaysASharedBaseOnce(t *testing.T) {
	p, err := resolve(files{"top.yaml": "extends: [web, db]\n"}, "top.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if *p.Network.Mode != profiles.NetworkBridge || *p.Network.UnprivilegedPortStart != 0 || *p.Resources.Memory != 1<<30 {
		t.Errorf("mode %s, ports from %d, memory %s", *p.Network.Mode, *p.Network.UnprivilegedPortStart, p.Resources.Memory)
	}
}

func TestReplaceTakesThePlaceOfAList(t *testing.T) {
	p, err := resolve(files{
		"top.yaml": "extends: default\nreplace: [paths.masked]\npaths: {masked: [/only]}\n",
	}, "top.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Paths.Masked) != 1 || len(p.Paths.ReadOnly) < 3 {
		t.Errorf("masked %v, read-only %v", p.Paths.Masked, p.Paths.ReadOnly)
	}
}

func TestReasonsDoNotOutliveWhatTheyWereFor(t *testing.T) {
	_, err := resolve(files{
		"low.yaml": "extends: default\nnetwork: {mode: none, why: nothing to talk to}\n",
		"top.yaml": "extends: ./low.yaml\nnetwork: {mode: bridge}\n",
	}, "top.yaml")
	wantProblem(t, err, "./low.yaml:5:17", "top.yaml:5:17: network.mode: a network without a reason", "add a why")

	p, err := resolve(files{
		"low.yaml": "extends: default\nprocess: {root: {allow: true, why: legacy}}\n",
		"top.yaml": "extends: ./low.yaml\nprocess: {root: {allow: true}}\n",
	}, "top.yaml")
	if err != nil || p.Process.Root.Why != "legacy" {
		t.Errorf("a reason is lost where nothing was loosened: %v", err)
	}
}

// wantProblem checks an error's first line; not is what it must not hold.
func wantProblem(t *testing.T, err error, not, want, hint string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted; want %q", want)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	if !strings.Contains(first, want) || (not != "" && strings.Contains(first, not)) {
		t.Errorf("got  %q\nwant %q", first, want)
	}
	if got := problem.HintOf(err); !strings.Contains(got, hint) {
		t.Errorf("hint %q does not hold %q", got, hint)
	}
}

func TestResolveRefuses(t *testing.T) {
	deep := files{}
	for i := range 20 {
		deep[fmt.Sprintf("d%d.yaml", i)] = fmt.Sprintf("extends: ./d%d.yaml\n", i+1)
	}
	wide := files{"top.yaml": "extends: ["}
	for i := range 70 {
		wide["top.yaml"] += fmt.Sprintf("w%d.yaml,", i)
		wide[fmt.Sprintf("w%d.yaml", i)] = ""
	}
	wide["top.yaml"] += "]\n"
	tests := []struct {
		name, top  string
		f          files
		want, hint string
	}{
		{"itself", "a.yaml", files{"a.yaml": "extends: a.yaml\n"}, "a.yaml:4:10: a profile extends itself: a.yaml (a.yaml:4:10) -> a.yaml", "remove"},
		{"a loop", "a.yaml", files{"a.yaml": "extends: b.yaml\n", "b.yaml": "extends:\n- default\n- c.yaml\n", "c.yaml": "extends: b.yaml\n"},
			"c.yaml:4:10: a profile extends itself: b.yaml (b.yaml:6:3) -> c.yaml (c.yaml:4:10) -> b.yaml", "remove"},
		{"too deep", "d0.yaml", deep, "profiles extend each other more than 16 deep", "fewer"},
		{"too many", "top.yaml", wide, "more than 64 profiles extend each other", "fewer"},
		{"unknown", "wbe", files{}, `there is no profile "wbe", did you mean "web"?`, "safe-run profile ls"},
		{"unknown file", "./x.yaml", files{}, `there is no profile "./x.yaml"`, "check the path"},
		{"unknown base", "a.yaml", files{"a.yaml": "extends: defualt\n"}, `a.yaml:4:10: there is no profile "defualt", did you mean "default"?`, "profile ls"},
		{"mistake below", "a.yaml", files{"a.yaml": "extends: b.yaml\n", "b.yaml": "x: 1\n"}, `b.yaml:4:1: unknown key "x"`, "keys"},
		{"open limits", "a.yaml", files{"a.yaml": "resources: {pids: 5}\n"}, "a.yaml:3:11: the profile leaves open process.runAsUser,", "extends: default"},
		{"no reason", "a.yaml", files{"a.yaml": "extends: default\nprocess: {capabilities: [{name: CHOWN}]}\n"}, "a.yaml:5:26: process.capabilities[CHOWN]: allowed without a reason", "add a why"},
		{"no reason for root", "a.yaml", files{"a.yaml": "extends: default\nprocess: {root: {allow: true}}\n"}, "a.yaml:5:17: process.root: root is allowed without a reason", "add a why"},
		{"no reason for writing", "a.yaml", files{"a.yaml": "extends: default\nrootfs: {readOnly: false}\n"}, "a.yaml:5:20: rootfs.readOnly: the root filesystem is writable without a reason", "add a why"},
		{"no reason for exec", "a.yaml", files{"a.yaml": "extends: default\nmounts: {tmpfs: [{path: /tmp, exec: true}]}\n"}, "mounts.tmpfs[/tmp].exec: programs may be run from a tmpfs without a reason", "add a why"},
		{"no reason for egress", "a.yaml", files{"a.yaml": "extends: web\nnetwork: {egress: [{to: internet}]}\n"}, "network.egress[internet]: allowed without a reason", "add a why"},
		{"soft above hard", "a.yaml", files{"a.yaml": "extends: default\nprocess: {rlimits: [{name: nofile, soft: 5000}]}\n"}, "a.yaml:5:42: process.rlimits[nofile].soft: 5000 is above the hard limit 4096", "lower soft"},
		{"half a limit", "a.yaml", files{"a.yaml": "extends: default\nprocess: {rlimits: [{name: cpu, soft: 5}]}\n"}, "one of soft and hard is missing", "both"},
		{"root user", "a.yaml", files{"a.yaml": "extends: default\nprocess: {runAsUser: 0}\n"}, "a.yaml:5:22: process.runAsUser: user 0 is root, which is not allowed", "root:"},
		{"egress without a network", "a.yaml", files{"a.yaml": "extends: default\nnetwork: {egress: [{to: internet, why: x}]}\n"}, "network.egress: there is no network to leave by", "bridge"},
		{"tmpfs without a size", "a.yaml", files{"a.yaml": "extends: default\nmounts: {tmpfs: [{path: /x}]}\n"}, "mounts.tmpfs[/x] has no size", "64MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := resolve(tt.f, tt.top)
			wantProblem(t, err, "", tt.want, tt.hint)
		})
	}
}

func TestResolveReadsPathsBesideTheDocument(t *testing.T) {
	p, err := resolve(files{
		"dir/top.yaml":  "extends: ./low.yaml\n",
		"dir/low.yaml":  "extends: ../base.yaml\n",
		"base.yaml":     "extends: default\nresources: {pids: 99}\n",
		"/etc/top.yaml": "extends: ./low.yaml\n",
		"/etc/low.yaml": "extends: default\nresources: {pids: 88}\n",
	}, "./dir/top.yaml")
	if err != nil || *p.Resources.Pids != 99 {
		t.Errorf("%v", err)
	}
}

type broken struct{}

func (broken) Find(string) (string, []byte, error) { return "", nil, errors.New("disk on fire") }

func TestResolvePassesOnWhatTheFinderSays(t *testing.T) {
	_, err := profiles.Resolve("x", profiles.Finders{builtin.Finder{}, broken{}})
	wantProblem(t, err, "there is no", `cannot read the profile "x": disk on fire`, "")
	if _, err := profiles.Resolve("x", profiles.Finders{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestResolveFloorLeavesOpenWhatItDoesNotSay(t *testing.T) {
	floor, err := profiles.ResolveFloor("floor.yaml", files{"floor.yaml": "resources: {memory: 256MiB}\n"})
	if err != nil || floor.Process.Capabilities != nil || floor.Resources.Pids != nil {
		t.Errorf("%v, %+v", err, floor)
	}
}

// An allowance that a profile never asked for is not handed out by the floor
// that would permit it.
func TestFloorGrantsNothing(t *testing.T) {
	floor, err := profiles.ResolveFloor("f", files{"f": "process: {capabilities: [{name: CHOWN, why: permitted}], root: {allow: true, why: permitted}}\n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range builtin.Names() {
		p, err := resolve(nil, name)
		if err != nil {
			t.Fatal(err)
		}
		met := profiles.Tighten(p, floor)
		if len(met.Process.Capabilities) > 0 || *met.Process.Root.Allow {
			t.Errorf("%s got what only the floor mentions: %+v", name, met.Process)
		}
		if changes := profiles.Looser(met, p); len(changes) > 0 {
			t.Errorf("%s: %+v", name, changes)
		}
	}
}

// What a profile leaves unsaid is written out as nothing, in every list of
// allowances.
func TestResolveClosesWhatNobodyGave(t *testing.T) {
	p, err := resolve(nil, "default")
	if err != nil {
		t.Fatal(err)
	}
	p.Process.Capabilities, p.Process.Root, p.Mounts.HostPaths, p.Network.Egress, p.Accept = nil, nil, nil, nil, nil
	p.Mounts.Tmpfs[0].Exec, p.Mounts.Tmpfs[0].Inodes = nil, nil
	data, err := profiles.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(data), "\nprocess:")
	closed, err := resolve(files{"own.yaml": "process:" + body}, "own.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tmp := closed.Mounts.Tmpfs[0]
	if closed.Process.Capabilities == nil || closed.Mounts.HostPaths == nil || closed.Network.Egress == nil || closed.Accept == nil ||
		closed.Process.Root == nil || *closed.Process.Root.Allow || tmp.Exec == nil || *tmp.Exec || *tmp.Inodes != 16384 {
		t.Errorf("%+v", closed)
	}
}
