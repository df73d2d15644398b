package lsm

import (
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/safe-run/safe-run/spec"
)

// lookUp follows a path's names through the tree, as the program does.
func lookUp(tree map[pathKey]uint64, path string) (bit uint64, found bool) {
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	node := map[string]uint64{"proc": nodeProc, "sys": nodeSys}[names[0]]
	for i, name := range names[1:] {
		if i == mostDeep {
			return 0, false
		}
		key := pathKey{Node: node}
		copy(key.Name[:nameSize-1], name)
		value, there := tree[key]
		if !there {
			return 0, false
		}
		if value < firstNode {
			return value, true
		}
		node = value
	}
	return 0, false
}

func TestPathTree(t *testing.T) {
	paths := spec.GuardPaths()
	tree, err := pathTree(paths)
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		for _, below := range []string{path, path + "/x", path + "/x/y/z"} {
			if bit, found := lookUp(tree, below); !found || bit != uint64(i) {
				t.Errorf("%s: bit %d, %t; want %d", below, bit, found, i)
			}
		}
	}
	for _, other := range []string{"/proc/cpuinfo", "/proc/self/status", "/sys/kernel", "/sys/kernel/notes", "/sys/devices/virtual/net", "/proc/sys/kernel/keys", "/proc/key"} {
		if _, found := lookUp(tree, other); found {
			t.Errorf("%s is refused", other)
		}
	}
	for _, wrong := range [][]string{{"/etc/passwd"}, {"/proc"}, {"/sys/a/b/c/d"}, {"/proc/" + strings.Repeat("x", 24)}, {"/proc/a", "/proc/a/b"}, {"/proc/a/b", "/proc/a"}} {
		if _, err := pathTree(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

// TestHooksCoverClasses: a class that nobody asks about would be predicted, and
// hold nothing.
func TestHooksCoverClasses(t *testing.T) {
	w := &world{marks: 1, paths: 2, offsets: &offsets{types: kernelTypes(t)}}
	asked := map[int64]bool{}
	for _, h := range hooks {
		if len(programName(h.name)) > 15 {
			t.Errorf("%s: the kernel cuts the name %s", h.name, programName(h.name))
		}
		for _, i := range h.program(w) {
			if i.OpCode.Class().IsJump() && i.OpCode.JumpOp() == asm.JSet {
				asked[i.Constant] = true
			}
		}
	}
	for i, class := range spec.GuardClasses() {
		if !asked[1<<i] {
			t.Errorf("no program asks for the class %s", class)
		}
	}
	if all := ours(func(string) bool { return true }); !slices.IsSorted(all) || len(all) != len(hooks) {
		t.Errorf("ours are %q", all)
	}
}

// TestOptionalHook is asked where the kernel has it, and missed nowhere else.
func TestOptionalHook(t *testing.T) {
	const compat = "file_ioctl_compat"
	if got := ours(func(string) bool { return true }); !slices.Contains(got, compat) {
		t.Errorf("of a kernel with it: %q", got)
	}
	if got := ours(func(hook string) bool { return hook != compat }); slices.Contains(got, compat) || len(got) != len(hooks)-1 {
		t.Errorf("of a kernel without it: %q", got)
	}
	if got := ours(func(string) bool { return false }); len(got) != len(hooks)-1 {
		t.Errorf("a hook that is not optional is left out: %q", got)
	}
	types := kernelTypes(t)
	if !asksAt(types, "file_open") || asksAt(types, "file_nothing") {
		t.Error("the kernel's types do not say what it asks about")
	}
}

func kernelTypes(t *testing.T) *btf.Spec {
	t.Helper()
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("NOT CHECKED: the guard's programs against a kernel's types: %v", err)
	}
	return types
}

// TestOffsets: this kernel has what the programs read, by whatever way.
func TestOffsets(t *testing.T) {
	o := &offsets{types: kernelTypes(t)}
	for _, h := range hooks {
		h.program(&world{marks: 1, paths: 2, offsets: o})
	}
	if o.wrong != nil {
		t.Error(o.wrong)
	}
	if o.of("file", "f_path.nothing"); o.wrong == nil {
		t.Error("a member that is not there was found")
	}
}

func TestHasModule(t *testing.T) {
	for list, want := range map[string]bool{"lockdown,capability,bpf\n": true, "capability,ebpf": false, "": false} {
		if got := hasModule(list); got != want {
			t.Errorf("%q: %t", list, got)
		}
	}
}
