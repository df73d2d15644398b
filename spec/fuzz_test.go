package spec_test

import (
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec"
)

// FuzzCompileRequest feeds Compile what a command line and an image can hold.
// Compile itself runs ValidatePlan, so a plan that comes out is a safe one; the
// errors must be for people.
func FuzzCompileRequest(f *testing.F) {
	f.Add("A=1", "--flag", "app", "/work", "host", "/srv/data", "/data", "/cache", "SIGTERM", byte(0))
	f.Add("PATH=", "", "0:0", "", "a.b", "/etc/passwd", "/etc/passwd", "/proc", "9", byte(7))
	f.Add("=", "\x00", ":", "..", "-", "/", "/", "../..", "SIGRTMIN+3", byte(255))
	base := input(f, "web")
	f.Fuzz(func(t *testing.T, env, arg, user, dir, host, source, target, volume, signal string, bits byte) {
		in := base
		in.Request = spec.Request{
			Env: []string{env}, Args: []string{arg}, WorkingDir: dir, Hostname: host, User: user,
			Labels: map[string]string{env: arg}, CgroupParent: "",
			Binds: []spec.Bind{{
				Source: source, Target: target, ReadOnly: bits&1 != 0, Exec: bits&2 != 0, IsDir: bits&4 != 0,
				OwnerUID: uint32(bits), Flag: source + ":" + target,
			}},
		}
		if bits&8 != 0 {
			in.Request.Binds = nil
		}
		if bits&16 != 0 {
			in.Request.Labels = nil
		}
		in.Image.Config.User, in.Image.Config.Env = user, []string{env}
		in.Image.Config.Volumes, in.Image.Config.StopSignal = []string{volume}, signal
		plan, err := spec.Compile(in)
		if err != nil {
			if strings.Contains(err.Error(), "mistake in safe-run") || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatal(err)
			}
			return
		}
		for _, file := range plan.Rootfs.Files {
			if file.Path == "/etc/hosts" && strings.Count(file.Content, "\n") != 3 {
				t.Fatalf("hosts is %q", file.Content)
			}
		}
	})
}
