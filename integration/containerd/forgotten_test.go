package containerd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// hooked writes the spec of a container that is being made for as long as a file
// is there: its hook waits. The files are those that the hook makes when it
// begins and that it waits for.
func (e *engine) hooked(id, kind string) (spec, begun, waits string) {
	e.t.Helper()
	var oci map[string]any
	must(e.t, json.Unmarshal([]byte(e.must("oci", "spec")), &oci))
	begun, waits = filepath.Join(e.dir, id+".begun"), filepath.Join(e.dir, id+".waits")
	must(e.t, os.WriteFile(waits, nil, 0o600))
	oci["root"] = map[string]any{"path": e.rootfs()}
	oci["process"].(map[string]any)["args"] = []string{"/bin/sleep", "1000"}
	oci["process"].(map[string]any)["terminal"] = false
	oci["linux"].(map[string]any)["cgroupsPath"] = "/" + e.namespace + "/" + id
	oci["hooks"] = map[string]any{kind: []any{map[string]any{
		"path": "/bin/sh", "args": []string{"sh", "-c", fmt.Sprintf("echo > %s; while [ -e %s ]; do sleep 0.05; done", begun, waits)},
	}}}
	text, err := json.Marshal(oci)
	must(e.t, err)
	return e.write(id+".json", string(text)), begun, waits
}

func there(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// TestKilledWhileMade: containerd is killed while a container is being made, and
// removes what it finds of it when it comes back. What is made then, or never
// is, does not stay.
func TestKilledWhileMade(t *testing.T) {
	for _, c := range []struct {
		name, hook      string
		removed, finish bool
	}{
		{name: "made after containerd is back", hook: "createRuntime", finish: true},
		{name: "never made", hook: "createRuntime"},
		// As when the state is written between a clean-up's look at it and its end.
		{name: "made while its bundle is removed", hook: "poststart", removed: true, finish: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, "")
			spec, begun, waits := e.hooked("c", c.hook)
			done := make(chan struct{})
			go func() {
				defer close(done)
				e.ctr(e.plain("-d", "--config", spec, "c")...)
			}()
			e.eventually("the hook runs", func() bool { return there(begun) })
			e.kill()
			<-done
			if c.removed {
				must(t, os.RemoveAll(e.bundles()[0]))
			}
			e.start()
			e.eventually("containerd has forgotten it", func() bool {
				bundles, _ := filepath.Glob(e.dir + "/state/io.containerd.runtime.v2.task/*/c/config.json")
				return len(bundles) == 0
			})
			if c.finish {
				must(t, os.Remove(waits))
			}
			e.gone("c", c.name)
			_ = os.Remove(waits) // where nothing but the hook is left
		})
	}
}

// TestForgotten: containerd comes back and cannot find the shim any more. It
// kills the container; the shim does not stay.
func TestForgotten(t *testing.T) {
	t.Parallel()
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sleep", "1000")...)
	bundle := e.bundles()[0]
	e.kill()
	must(t, os.Remove(bundle+"/bootstrap.json"))
	e.start()
	e.gone("c", "not written down")
}
