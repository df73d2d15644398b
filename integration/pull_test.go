package integration

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestWarmLaunch: what is in the store runs without safe-run-image being
// executed; a policy that it was not checked against, or a source that has
// changed, has it looked at again.
func TestWarmLaunch(t *testing.T) {
	m := newMachine(t)
	layout := filepath.Join(t.TempDir(), "layout")
	intoLayout(t, layout, "app", withPeek(t, "first"))
	h := newHub(t)
	h.push("app:1", withPeek(t, "first"))
	local, remote := "oci:"+layout+":app", h.name("app:1")
	for _, name := range []string{local, remote} {
		if r := m.alone(name); r.code != 125 || !strings.Contains(r.err, "safe-run-image") {
			t.Errorf("%s ran before it was pulled: %q (exit code %d)\n%s", name, r.line(), r.code, r.err)
		}
		says(t, m.run(name), "first", "the first launch of "+name)
		says(t, m.alone(name), "first", "the warm launch of "+name)
	}

	policy := profile(t, "image: {registries: ["+h.host+"]}")
	words := append(policy, remote)
	if r := m.alone(words...); r.code != 125 {
		t.Errorf("under another policy it ran unchecked: %q (exit code %d)", r.line(), r.code)
	}
	says(t, m.run(words...), "first", "the first launch under a policy")
	says(t, m.alone(words...), "first", "the warm launch under a policy")

	if err := os.RemoveAll(layout); err != nil {
		t.Fatal(err)
	}
	intoLayout(t, layout, "app", withPeek(t, "second"))
	if r := m.alone(local); r.code != 125 {
		t.Errorf("after its source has changed it ran as it was: %q (exit code %d)", r.line(), r.code)
	}
	says(t, m.run(local), "second", "the first launch of what has changed")
	says(t, m.alone(local), "second", "the warm launch of what has changed")
}

// TestPulledWhen: --pull always asks the registry each time, missing only for
// what the store has not, and never not at all.
func TestPulledWhen(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	h.push("app:1", withPeek(t, "first"))
	name := h.name("app:1")
	h.does(nil)
	refused(t, m.run("--pull", "never", name), "never, and not in the store")
	if n := len(h.gets("")); n > 0 {
		t.Errorf("with --pull never the registry was asked %d times", n)
	}
	says(t, m.run("--pull", "missing", name), "first", "missing")
	h.push("app:1", withPeek(t, "second"))
	h.does(nil)
	says(t, m.run("--pull", "missing", name), "first", "missing, and there is one")
	says(t, m.run("--pull", "never", name), "first", "never, and there is one")
	says(t, m.run(name), "first", "nothing said")
	if asked := h.gets(""); len(asked) > 0 {
		t.Errorf("for what is in the store the registry was asked %v", asked)
	}
	says(t, m.run("--pull", "always", name), "second", "always")
	says(t, m.alone(name), "second", "after always")
	h.does(nil)
	says(t, m.run("--pull", "always", name), "second", "always, and nothing has changed")
	if blobs := h.gets("/blobs/"); len(blobs) > 1 || len(h.gets("/manifests/")) == 0 {
		t.Errorf("to see that nothing has changed it was asked %v", h.gets(""))
	}
	if r := m.run("--pull", "sometimes", name); r.code != 125 || !strings.Contains(r.err, "missing") {
		t.Errorf("--pull sometimes: exit code %d\n%s", r.code, r.err)
	}
}

// TestPulledTogether: of ten that pull the same image, one fetches a blob and
// the others wait for it.
func TestPulledTogether(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	digest := h.push("app:1", withPeek(t, "together"))
	h.does(only("/blobs/", slow(128<<10, 2*time.Millisecond)))
	var all sync.WaitGroup
	results := make([]result, 10)
	for i := range results {
		cmd := m.images("pull", "-q", h.name("app:1"))
		all.Go(func() { results[i] = finish(t, cmd) })
	}
	all.Wait()
	for i, r := range results {
		says(t, r, digest.String(), "pull "+string(rune('0'+i)))
	}
	times := map[string]int{}
	for _, r := range h.gets("/blobs/") {
		times[r.path]++
	}
	config := 0
	for path, n := range times {
		// The config is part of finding an image, and is read by each.
		if n == len(results) {
			config++
		} else if n != 1 {
			t.Errorf("%s was fetched %d times", path, n)
		}
	}
	if len(times) != 3 || config > 1 {
		t.Errorf("fetched %v, want two layers once and a config", times)
	}
	m.tidy("after ten pulls")
	says(t, m.alone(h.name("app:1")), "together", "what ten have pulled")
}
