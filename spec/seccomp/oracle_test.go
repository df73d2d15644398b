//go:build cgo

package seccomp_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// policies are what the filter is tested on: one like the built-in web
// profile, one with every group, one with every exception, the smallest one.
func policies() map[string]seccomp.Policy {
	web := []string{
		"@base", "@files", "@process", "@threads", "@time", "@signals", "@memory", "@sched", "@io-event",
		"@sockets", "@net-client", "@net-server", "@watch", "@fsync",
	}
	out := map[string]seccomp.Policy{}
	for _, arch := range []string{"amd64", "arm64"} {
		out["web "+arch] = seccomp.Policy{Arch: arch, Allow: web, Families: []string{"AF_UNIX", "AF_INET", "AF_INET6"}}
		out["all "+arch] = seccomp.Policy{
			Arch: arch, Allow: seccomp.GroupNames(), RawSockets: true,
			Families: []string{"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"},
		}
		out["exceptions "+arch] = seccomp.Policy{
			Arch: arch, Allow: []string{"@base", "mknod", "mknodat", "personality", "ptrace", "socket"},
			Families: []string{"AF_NETLINK"},
		}
		out["least "+arch] = seccomp.Policy{Arch: arch}
		out["no families "+arch] = seccomp.Policy{Arch: arch, Allow: []string{"@sockets"}}
		out["inbound "+arch] = seccomp.Policy{Arch: arch, Allow: web, Families: []string{"AF_INET"}, Inbound: true}
		out["init "+arch] = seccomp.Policy{Arch: arch, Init: true}
	}
	return out
}

// TestFilterIsTheModel renders each policy, compiles it as libcontainer does,
// and runs the program over every system call number with telling arguments.
func TestFilterIsTheModel(t *testing.T) {
	for name, p := range policies() {
		t.Run(name, func(t *testing.T) {
			f := newFilter(t, p)
			all := vectors()
			for nr := range uint32(1024) {
				few := all[:12] // nothing looks at the arguments of these
				if seccomp.HasRule(f.names[nr]) {
					few = all
				}
				for _, args := range few {
					f.check(t, call{arch: f.native, nr: nr, name: f.names[nr], args: args})
				}
			}
			f.checkForeign(t)
			for _, missed := range f.own.unreached() {
				t.Errorf("never reached: %s", missed)
			}
			for _, missed := range f.foreign.unreached() {
				t.Errorf("never reached: %s", missed)
			}
		})
	}
}

// TestFilterIsTheModelAtRandom looks between the telling arguments.
func TestFilterIsTheModelAtRandom(t *testing.T) {
	for name, p := range policies() {
		f := newFilter(t, p)
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			c := call{arch: f.native, nr: rapid.Uint32Range(0, 500).Draw(t, "nr")}
			c.name = f.names[c.nr]
			for i := range c.args {
				c.args[i] = rapid.OneOf(
					rapid.Uint64(), rapid.Uint64Range(0, 64), rapid.SampledFrom(telling),
				).Draw(t, "arg")
			}
			f.check(t, c)
		}))
	}
}

// checkForeign: every other way into the kernel kills, and the number that
// tracers write to skip a call does not.
func (f *filter) checkForeign(t *testing.T) {
	for _, arch := range []uint32{auditI386, auditX8664, auditArm, auditAarch64, 0} {
		for nr := range uint32(1024) {
			for _, bit := range []uint32{0, 0x40000000} {
				if arch == f.native && (bit == 0 || f.policy.Arch != "amd64") {
					continue
				}
				f.check(t, call{arch: arch, nr: nr | bit, name: f.names[nr|bit]})
			}
		}
	}
	f.check(t, call{arch: f.native, nr: 0xffffffff})
}

// failer is a test, of whatever kind.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// telling are the values near which rules change their mind.
var telling = []uint64{
	0, 1, 2, 3, 5, 6, 10, 16, 17, 22, 35, 40, 58, 132, 0x40, 0x41, 0x80, 0x241, 0x410000, 0x400040,
	0o600, 0o2755, 0o4755, 0o6000, 0o100644, 0o104755, 0o010600, 0o014600, 0o020600, 0o060600, 0o140600, 0x801, 0x80802, 0x80003,
	0x5411, 0x5412, 0x5413, 0x541c, 0x5423, 0x5401, 0x53564d41, 0x59616d61,
	0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x1200011, 0x3d0f00,
	0xffffffff, 0xfffffffe, 1 << 31, 1 << 62, ^uint64(0),
}

// vectors are argument lists: each telling value, plain and with bit 32 set,
// in each place, and all pairs in the places that rules look at together.
func vectors() [][6]uint64 {
	var out [][6]uint64
	for _, v := range telling {
		for i := range 4 {
			var low, high [6]uint64
			low[i], high[i] = v, v+1<<32
			out = append(out, low, high)
		}
		out = append(out, [6]uint64{v, v, v, v, v, v})
	}
	for _, family := range []uint64{1, 2, 10, 16, 17, 38, 40} {
		for _, kind := range []uint64{1, 2, 3, 4, 5, 6, 10, 0x80801, 0x80003} {
			for _, protocol := range []uint64{0, 1, 6, 16, 17, 58, 132, 256, 262, 1 << 32, 6 + 1<<32} {
				out = append(out, [6]uint64{family, kind, protocol})
			}
		}
	}
	for _, flags := range []uint64{0, 0x40, 0x400000, 0x410000, 0x241, 1 << 32} {
		for _, mode := range []uint64{0, 0o644, 0o2644, 0o4644, 0o6000, 0o4000 + 1<<32} {
			out = append(out, [6]uint64{0, flags, mode}, [6]uint64{0, 0, flags, mode})
		}
	}
	return out
}

// filter is a compiled policy in an interpreter.
type filter struct {
	policy  meaning
	native  uint32
	names   map[uint32]string
	newer   map[string]bool // calls that this libseccomp does not know
	own     *program
	foreign *program
}

func newFilter(t failer, p seccomp.Policy) *filter {
	t.Helper()
	oci, err := seccomp.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	return compiled(t, p, oci)
}

// compiled puts the filter of a policy, as it is or as it reports, into an
// interpreter.
func compiled(t failer, p seccomp.Policy, oci *specs.LinuxSeccomp) *filter {
	t.Helper()
	arch := map[string]libseccomp.ScmpArch{"amd64": libseccomp.ArchAMD64, "arm64": libseccomp.ArchARM64}[p.Arch]
	f := &filter{
		policy: meaningOf(p), names: map[uint32]string{},
		native: map[string]uint32{"amd64": auditX8664, "arm64": auditAarch64}[p.Arch],
	}
	for _, name := range seccomp.Names() {
		if nr, ok := seccomp.Number(p.Arch, name); ok {
			f.names[uint32(nr)] = name
		}
	}
	raw, newer := compile(t, oci, arch)
	f.newer = newer
	var err error
	f.own, err = newProgram(raw)
	must(t, err)
	f.foreign, err = newProgram(seccomp.KillForeign(p.Arch))
	must(t, err)
	return f
}

func (f *filter) check(t failer, c call) {
	own, err := f.own.run(c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	foreign, err := f.foreign.run(c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	got := stricter(own, foreign)
	want := model(f.policy, c)
	if want != retKill && f.newer[c.name] {
		want = retENOSYS // libcontainer leaves unknown names out of the filter
	}
	if got != want {
		t.Fatalf("%s (nr %#x, arch %#x, args %#x): the filter gives %#x, the model %#x",
			c.name, c.nr, c.arch, c.args, got, want)
	}
}

// packet lays out struct seccomp_data. A filter in the kernel loads words in
// host order; the interpreter loads them in network order, so each word is
// stored that way. Both supported architectures are little-endian: the low
// half of an argument comes first.
func (c call) packet() []byte {
	b := make([]byte, 64)
	binary.BigEndian.PutUint32(b[0:], c.nr)
	binary.BigEndian.PutUint32(b[4:], c.arch)
	for i, arg := range c.args {
		binary.BigEndian.PutUint32(b[16+8*i:], uint32(arg))
		binary.BigEndian.PutUint32(b[20+8*i:], uint32(arg>>32))
	}
	return b
}

// compile does what libcontainer does with an OCI seccomp object.
func compile(t failer, oci *specs.LinuxSeccomp, arch libseccomp.ScmpArch) (raw []seccomp.Instruction, newer map[string]bool) {
	t.Helper()
	newer = map[string]bool{}
	if oci.DefaultAction != specs.ActErrno || len(oci.Architectures) != 1 {
		t.Fatalf("default %s, architectures %v", oci.DefaultAction, oci.Architectures)
	}
	def := libseccomp.ActErrno.SetReturnCode(int16(*oci.DefaultErrnoRet))
	filter, err := libseccomp.NewFilter(def)
	must(t, err)
	defer filter.Release()
	if native, err := libseccomp.GetNativeArch(); err != nil || native != arch {
		must(t, err)
		must(t, filter.AddArch(arch))
		must(t, filter.RemoveArch(native))
	}
	must(t, filter.SetOptimize(2))
	for _, call := range oci.Syscalls {
		action := libseccomp.ActAllow
		switch call.Action {
		case specs.ActErrno:
			action = libseccomp.ActErrno.SetReturnCode(int16(*call.ErrnoRet))
		case specs.ActNotify:
			action = libseccomp.ActNotify
		}
		for _, name := range call.Names {
			nr, err := libseccomp.GetSyscallFromName(name)
			if err != nil {
				newer[name] = true
				continue
			}
			if err := filter.AddRuleConditional(nr, action, scmpConditions(t, call.Args)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	var last libseccomp.ScmpSyscall
	for _, call := range oci.Syscalls {
		for _, name := range call.Names {
			if nr, err := libseccomp.GetSyscallFromNameByArch(name, arch); err == nil {
				last = max(last, nr)
			}
		}
	}
	before := map[libseccomp.ScmpArch]string{libseccomp.ArchAMD64: "amd64", libseccomp.ArchARM64: "arm64"}
	return append(seccomp.RefuseNewer(before[arch], uint32(last)), export(t, filter)...), newer
}

// compileNative is compile for a program that is no test.
func compileNative(oci *specs.LinuxSeccomp) []seccomp.Instruction {
	arch, err := libseccomp.GetNativeArch()
	must(panics{}, err)
	raw, _ := compile(panics{}, oci, arch)
	return raw
}

// panics is a failer outside of any test.
type panics struct{}

func (panics) Helper()                           {}
func (panics) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (panics) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func scmpConditions(t failer, args []specs.LinuxSeccompArg) []libseccomp.ScmpCondition {
	t.Helper()
	var out []libseccomp.ScmpCondition
	seen := map[uint]bool{}
	for _, arg := range args {
		if arg.Op != specs.OpMaskedEqual || seen[arg.Index] {
			t.Fatalf("argument %d: operator %s, or looked at twice", arg.Index, arg.Op)
		}
		seen[arg.Index] = true
		c, err := libseccomp.MakeCondition(arg.Index, libseccomp.CompareMaskedEqual, arg.Value, arg.ValueTwo)
		must(t, err)
		out = append(out, c)
	}
	return out
}

func export(t failer, filter *libseccomp.ScmpFilter) []seccomp.Instruction {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	done := make(chan []byte)
	go func() {
		raw, _ := io.ReadAll(r) // a short read shows as a bad program below
		done <- raw
	}()
	must(t, filter.ExportBPF(w))
	must(t, w.Close())
	raw := <-done
	if len(raw) == 0 || len(raw)%8 != 0 {
		t.Fatalf("a program of %d bytes", len(raw))
	}
	var out []seccomp.Instruction
	for i := 0; i < len(raw); i += 8 {
		out = append(out, seccomp.Instruction{
			Code: binary.NativeEndian.Uint16(raw[i:]), JT: raw[i+2], JF: raw[i+3], K: binary.NativeEndian.Uint32(raw[i+4:]),
		})
	}
	return out
}

func must(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
