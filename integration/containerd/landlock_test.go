package containerd

import (
	"os"
	"testing"

	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/spec"
)

// TestLandlock: the first process of a container and those that join are under
// Landlock, each of its own, so that neither looks into the other; mounts are used
// as they say. Where the administrator accepts to go without, both do look.
func TestLandlock(t *testing.T) {
	if abi := probe.Host().Landlock; abi < spec.LandlockSince {
		t.Skip("NOT CHECKED: Landlock in containers of the shim: this kernel has version ", abi)
	}
	e := newEngine(t, "")
	config := head + "kind: Shim\nprofile: " + e.write("webby.yaml", webby) + "\ndenials: " + e.notices() + "\n"
	for name, c := range map[string]struct{ config, want string }{
		"under": {e.write("under.yaml", config), "first refused\njoined refused\n"},
		"free":  {e.write("free.yaml", config+"accept: [{name: landlock, why: a test}]\n"), "first looked\njoined looked\n"},
	} {
		volume := e.dir + "/" + name
		there := e.write("../"+name+"/there", "there\n")
		must(t, os.Chmod(volume, 0o777))
		const (
			look  = ` 2>/tmp/x >&2 && echo looked || echo refused`
			first = `until [ -s /tmp/pid ]; do sleep 0.05; done; (echo -n "first "; cat /proc/$(cat /tmp/pid)/environ` + look + `) > /tmp/new; mv /tmp/new /tmp/said; sleep 1000`
			joins = `echo $$ > /tmp/pid; until [ -s /tmp/said ]; do sleep 0.05; done; cat /tmp/said; echo -n "joined "; cat /proc/1/environ` + look + `
				cp /bin/busybox /rw/echo && /rw/echo executed; echo x > /rw/new && mv /rw/new /rw/newer && cat /ro/there && echo written
				echo x > /ro/new || echo kept; echo x > /bin/x || echo kept; cp /bin/busybox /tmp/echo; /tmp/echo executed || echo kept
				echo x > /dev/null && cat /etc/hosts && rm /tmp/said && ls /rw | wc -l && echo usual`
			usual = "executed\nthere\nwritten\nkept\nkept\nkept\nthere\n3\nusual\n"
		)
		e.must(e.run("-d", "--runtime-config-path", c.config, "--user", "1000:1000", "--mount", "type=bind,src="+volume+",dst=/rw,options=rbind:rw",
			"--mount", "type=bind,src="+volume+",dst=/ro,options=rbind:ro", "--mount", "type=bind,src="+there+",dst=/etc/hosts,options=bind:rw",
			e.rootfs(), "c", "/bin/sh", "-c", first)...)
		_, out := e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/sh", "-c", "exec 2>/tmp/y; "+joins)
		if out != c.want+usual {
			t.Errorf("%s: %s\nnot %s", name, out, c.want+usual)
		}
		e.remove("c")
	}
}
