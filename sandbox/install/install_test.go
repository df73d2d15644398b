package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec/install"
)

// look is every name below a directory, with mode and content.
func look(t interface{ Fatal(...any) }, dir string) map[string]string {
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		data := []byte(nil)
		if info.Mode().IsRegular() {
			data, err = os.ReadFile(path)
		}
		all[strings.TrimPrefix(path, dir)] = fmt.Sprintf("%v %q", info.Mode(), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

type failing interface {
	Helper()
	Fatal(...any)
}

func must(t failing, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree is a directory with what an administrator has.
func tree(t failing, dir string, files map[string]string) *Tree {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, []byte(text), 0o640))
	}
	opened, err := Open(dir)
	must(t, err)
	return opened
}

// changes are those of an installation.
func changes(t failing, at *Tree, engine string) []Change {
	t.Helper()
	existing := []byte(nil)
	if name := install.Existing(engine); name != "" {
		var err error
		existing, err = at.Base(engine, name)
		must(t, err)
	}
	in := install.Input{Engine: engine, Bin: "/usr/bin", Existing: existing}
	if engine == "containerd" && existing == nil {
		in.ConfigVersion = 3
	}
	plan, err := install.Make(in)
	must(t, err)
	all, err := at.Changes(engine, plan.Files)
	must(t, err)
	return all
}

func in(t failing, at *Tree, engine string) {
	t.Helper()
	must(t, at.Install(engine, changes(t, at, engine)))
}

func out(t failing, at *Tree, engine string) []Change {
	t.Helper()
	all, err := at.Undoing(engine)
	must(t, err)
	must(t, at.Undo(engine, all))
	return all
}

// daemonJSONs are objects with whatever dockerd's users have in them.
func daemonJSONs() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		members := rapid.MapOf(rapid.SampledFrom([]string{"debug", "hosts", "runtimes", "log-opts", "a b", "é"}),
			rapid.SampledFrom([]string{"true", "12", `"x}\""`, `["fd://"]`, `{"kata": {"path": "/k"}}`, "{}", "null"})).Draw(t, "members")
		if v := members["runtimes"]; v != "" && v[0] != '{' && v != "null" {
			delete(members, "runtimes")
		}
		space := rapid.SampledFrom([]string{"", " ", "\n", "\n\t", "\r\n  "}).Draw(t, "space")
		var all []string
		for key, value := range members {
			all = append(all, fmt.Sprintf("%s%q:%s%s", space, key, space, value))
		}
		return "{" + strings.Join(all, ",") + space + "}" + space
	})
}

// TestThereAndBack: whatever was there before, and in whatever order engines come
// and go, the last undo leaves the tree byte for byte as it was.
func TestThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "install")
		must(t, err)
		defer os.RemoveAll(dir)
		files := map[string]string{"usr/bin/x": ""}
		if rapid.Bool().Draw(t, "daemon.json") {
			files["etc/docker/daemon.json"] = daemonJSONs().Draw(t, "text")
		}
		if rapid.Bool().Draw(t, "config.toml") {
			files["etc/containerd/config.toml"] = rapid.SampledFrom([]string{
				"version = 3", "version = 2\n", "version = 3\nimports = [\"conf.d/*.toml\"]\n", "version = 2\n[debug]\nlevel = 'x'",
			}).Draw(t, "main")
		}
		if rapid.Bool().Draw(t, "policy") {
			files["etc/safe-run/oci.yaml"] = "mine"
		}
		at := tree(t, dir, files)
		defer at.Close()
		before := look(t, dir)
		engines := rapid.Permutation(install.Engines()).Draw(t, "in")
		engines = engines[:rapid.IntRange(1, len(engines)).Draw(t, "n")]
		for _, engine := range engines {
			in(t, at, engine)
			if rapid.Bool().Draw(t, "again") {
				in(t, at, engine)
			}
		}
		for _, engine := range rapid.Permutation(engines).Draw(t, "out") {
			for _, c := range out(t, at, engine) {
				if c.Left() {
					t.Fatalf("%s stays", c.Path)
				}
			}
		}
		if after := look(t, dir); !reflect.DeepEqual(after, before) {
			t.Fatalf("before %q\nafter %q", before, after)
		}
	})
}

// TestKilled: an installation that was killed anywhere is undone, and is
// finished by the next one. It writes in the order of its changes.
func TestKilled(t *testing.T) {
	for _, engine := range install.Engines() {
		whole := len(changes(t, tree(t, t.TempDir(), nil), engine))
		for done := range whole + 1 {
			t.Run(fmt.Sprint(engine, " after ", done), func(t *testing.T) {
				dir := t.TempDir()
				at := tree(t, dir, map[string]string{"etc/docker/daemon.json": "{}", "etc/containerd/config.toml": "version = 3\n"})
				before := look(t, dir)
				all := changes(t, at, engine)
				in(t, at, engine)
				finished := look(t, dir)
				for _, c := range all[done:] {
					must(t, at.write(c.Path, staging(engine), c.Before))
				}
				must(t, os.WriteFile(filepath.Join(dir, staging(engine)), []byte("half"), 0o600))
				in(t, at, engine)
				if got := look(t, dir); !reflect.DeepEqual(got, finished) {
					t.Errorf("finished, it is %q\nnot %q", got, finished)
				}
				for _, c := range all[done:] {
					must(t, at.write(c.Path, staging(engine), c.Before))
				}
				out(t, at, engine)
				if got := look(t, dir); !reflect.DeepEqual(got, before) {
					t.Errorf("undone, it is %q\nnot %q", got, before)
				}
			})
		}
	}
}

// TestFails: where a file cannot be written, everything is as it was.
func TestFails(t *testing.T) {
	dir := t.TempDir()
	at := tree(t, dir, map[string]string{"etc/docker/daemon.json": "{}"})
	all := changes(t, at, "docker")
	must(t, os.Remove(filepath.Join(dir, "etc/docker/daemon.json")))
	must(t, os.MkdirAll(filepath.Join(dir, "etc/docker/daemon.json/x"), 0o755))
	before := look(t, dir)
	if err := at.Install("docker", all); err == nil {
		t.Error("a directory was written over")
	}
	if got := look(t, dir); !reflect.DeepEqual(got, before) {
		t.Errorf("it is %q, not %q", got, before)
	}
}

// TestChangedSince: what somebody has changed stays, with the policy that it
// needs, and everything else goes.
func TestChangedSince(t *testing.T) {
	dir := t.TempDir()
	at := tree(t, dir, nil)
	in(t, at, "docker")
	daemon := filepath.Join(dir, "etc/docker/daemon.json")
	must(t, os.WriteFile(daemon, []byte(`{"runtimes": {"saferun": {"path": "/usr/bin/safe-run-oci"}}, "debug": true}`), 0o644))
	in(t, at, "docker") // which does not make the change its own
	left := 0
	for _, c := range out(t, at, "docker") {
		if c.Left() {
			left++
		}
	}
	data, err := os.ReadFile(daemon)
	if left != 1 || err != nil || !strings.Contains(string(data), "debug") {
		t.Errorf("%d left, %q, %v", left, data, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "etc/safe-run/oci.yaml")); err != nil {
		t.Error("dockerd's containers would run without a policy:", err)
	}
	must(t, os.Remove(daemon)) // by hand
	out(t, at, "docker")
	if _, err := os.Stat(filepath.Join(dir, "etc")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %q", look(t, dir))
	}
}

// TestNotOurs: what somebody else has written is not written over, and no link
// is followed out of the tree.
func TestNotOurs(t *testing.T) {
	const conf = "etc/containers/containers.conf.d/50-safe-run.conf"
	at := tree(t, t.TempDir(), map[string]string{conf: "mine"})
	files := []install.File{{Path: "/" + conf, Data: []byte("x")}}
	if _, err := at.Changes("podman", files); err == nil || !strings.Contains(err.Error(), "did not install it") {
		t.Errorf("%v", err)
	}
	dir, outside := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o755))
	must(t, os.Symlink(outside, filepath.Join(dir, "etc/containers")))
	at = tree(t, dir, nil)
	if _, err := at.Changes("podman", files); err == nil {
		t.Error("a link leads out of the tree")
	}
	must(t, os.Remove(filepath.Join(dir, "etc/containers")))
	must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(conf)), 0o755))
	must(t, os.Symlink("/nowhere", filepath.Join(dir, conf)))
	if _, err := at.Changes("podman", files); err == nil || !strings.Contains(err.Error(), "no plain file") {
		t.Errorf("%v", err)
	}
}

// TestModes: an engine's own file keeps its mode, what was in it is nobody's to
// read, and what is new is everybody's.
func TestModes(t *testing.T) {
	dir := t.TempDir()
	at := tree(t, dir, map[string]string{"etc/docker/daemon.json": "{}"})
	in(t, at, "docker")
	for name, want := range map[string]fs.FileMode{
		"etc/docker/daemon.json": 0o640, "etc/safe-run/oci.yaml": 0o644, "etc/safe-run/installed/docker.json": 0o600,
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	release, err := at.lock()
	must(t, err)
	if err := at.Install("docker", changes(t, at, "docker")); err == nil || !strings.Contains(err.Error(), "another installation") {
		t.Errorf("two at a time: %v", err)
	}
	release()
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version": 1, "files": [{"path": "/etc/docker/daemon.json", "sha256": "", "existed": true, "before": "e30="}], "directories": ["/etc/docker"]}`))
	f.Add([]byte(`{"version": 1, "files": [{"path": "/etc/../root/x"}]}`))
	f.Add([]byte(`{"version": 2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, r := range m.Files {
			if !strings.HasPrefix(filepath.Clean(r.Path), "/etc") {
				t.Errorf("it may write %q", r.Path)
			}
		}
		again, err := m.encode()
		if err != nil || !json.Valid(again) {
			t.Errorf("%q: %v", again, err)
		}
	})
}
