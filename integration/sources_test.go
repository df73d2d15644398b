package integration

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// manifold is an image that has what formats and engines handle in ways of their
// own.
func manifold(t *testing.T) imagetest.Image {
	t.Helper()
	needPrograms(t, "busybox")
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	busybox, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := func(mode fs.FileMode, uid int) imagetest.File {
		return imagetest.File{Mode: fs.ModeDir | mode, UID: uid, GID: uid}
	}
	return imagetest.New(
		spec.ImageConfig{Entrypoint: []string{"/bin/busybox", "sh", "-c", look}, Env: []string{"PATH=/bin"}},
		imagetest.Files{
			"bin": dir(0o755, 0), "bin/busybox": {Mode: 0o755, Content: string(busybox)},
			"tree": dir(0o755, 0), "tree/one": {Content: "one"}, "tree/same": {Mode: 0o644, HardLink: "tree/one"},
			"tree/setuid":  {Mode: 0o755 | fs.ModeSetuid | fs.ModeSetgid, Content: "set"},
			"tree/private": {Mode: 0o640, UID: 7, GID: 8, Content: "of somebody else"},
			"tree/high":    {Mode: 0o604, UID: 60000, GID: 60001, Content: "of somebody else"},
			"tree/shared":  dir(0o777|fs.ModeSticky, 3),
			"tree/link":    {Mode: fs.ModeSymlink | 0o777, Content: "/tree/one"},
			"tree/dangles": {Mode: fs.ModeSymlink | 0o777, Content: "../../../nowhere"},
			"tree/noted":   {Content: "noted", Xattrs: map[string]string{"user.note": "kept"}},
			"tree/pipe":    {Mode: fs.ModeNamedPipe | 0o600},
			"tree/device":  {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666},
			"tree/größe":   {Content: "not ASCII"}, "tree/empty": {Mode: 0o600},
			"tree/gone": {Content: "whited out"}, "tree/gonedir": dir(0o755, 0), "tree/gonedir/below": {Content: "x"},
			"tree/opaque": dir(0o750, 5), "tree/opaque/hidden": {Content: "x"}, "tree/opaque/deep": dir(0o755, 0), "tree/opaque/deep/hidden": {Content: "x"},
			"tree/was-dir": dir(0o755, 0), "tree/was-dir/below": {Content: "x"}, "tree/was-file": {Content: "x"},
			"tree/kept": dir(0o715, 9), "tree/kept/below": {Content: "below"},
		},
		imagetest.Files{
			"tree/.wh.gone": {}, "tree/.wh.gonedir": {},
			"tree/opaque": dir(0o705, 6), "tree/opaque/.wh..wh..opq": {}, "tree/opaque/new": {Content: "new"},
			"tree/was-dir": {Content: "a file now"}, "tree/was-file": dir(0o700, 0),
			"tree/one": {Content: "one, changed"},
		},
		// Parents that are not listed are as they were.
		imagetest.Files{"tree/kept/more/and/more": {Content: "deep"}, "tree/opaque/newer": {Content: "newer"}, "tree/opaque/.wh.new": {}},
	)
}

// look is what the container says of its own tree. Of directories, neither the
// size nor the time is the image's.
const look = `cd /tree && { find . | sort | while read -r f; do
	stat -c "%n %A %u:%g" "$f"
	[ -h "$f" ] && readlink "$f"
	[ -f "$f" ] && [ ! -h "$f" ] && stat -c "%h links %s bytes %Y" "$f" && sha256sum "$f"
	true
done; } 2>&1`

// wanted are lines of what the container says.
var wanted = []string{
	"./one -rw-r--r-- 0:0", "./same -rw-r--r-- 0:0", "./setuid -rwxr-xr-x 0:0", "./private -rw-r----- 7:8", "./high -rw----r-- 60000:60001",
	"./shared drwxrwxrwt 3:3", "./link lrwxrwxrwx 0:0", "/tree/one", "../../../nowhere", "./pipe prw------- 0:0",
	"./opaque drwx---r-x 6:6", "./opaque/newer -rw-r--r-- 0:0", "./was-dir -rw-r--r-- 0:0", "./was-file drwx------ 0:0",
	"./kept drwx--xr-x 9:9", "./kept/below -rw-r--r-- 0:0", "./kept/more/and/more -rw-r--r-- 0:0",
}

// unwanted are names that upper layers have taken away, and what no image may
// bring.
var unwanted = []string{"gone", "hidden", "opaque/new ", "opaque/deep", "was-dir/", "device", ".wh."}

// origins put an image where the machine finds it, and give its name.
var origins = map[string]func(t *testing.T, m *machine, img imagetest.Image) string{
	"oci": func(t *testing.T, m *machine, img imagetest.Image) string {
		dir := filepath.Join(t.TempDir(), "layout")
		must(t, img.Layout(dir, "app"))
		return "oci:" + dir + ":app"
	},
	"oci-archive":        func(t *testing.T, m *machine, img imagetest.Image) string { return "oci-archive:" + ociArchive(t, img) },
	"docker-archive":     inDockerArchive,
	"a registry":         inRegistry,
	"a guarded registry": inGuardedRegistry,
	"containers-storage": inPodman,
	"containerd":         inContainerd,
	"docker-daemon":      inDocker,
}

// engines are asked for what has a name alone.
var engines = []string{"docker-daemon", "containers-storage", "containerd"}

// TestSources: the same image is the same tree, wherever it comes from: each
// time in a store of its own, so that every source is unpacked itself.
func TestSources(t *testing.T) {
	needRoot(t)
	img := manifold(t)
	reference := newMachine(t)
	name := "oci-archive:" + ociArchive(t, img)
	inStore := reference.tree(reference.must("pull", "-q", name))
	inside := reference.run(name)
	if inside.code != 0 {
		t.Fatalf("exit code %d\n%s%s", inside.code, inside.out, inside.err)
	}
	for _, line := range wanted {
		if !strings.Contains("\n"+inside.out, "\n"+line+"\n") {
			t.Errorf("the container does not say %q:\n%s", line, inside.out)
		}
	}
	for _, part := range unwanted {
		if strings.Contains(inside.out, part) {
			t.Errorf("the container says %q:\n%s", part, inside.out)
		}
	}
	if line := inStore["tree/noted"]; !strings.Contains(line, `user.note="kept"`) {
		t.Errorf("the attribute is not kept: %s", line)
	}
	// Linked in one layer, changed in the next: they are two files now.
	if inStore["tree/one"] == inStore["tree/same"] {
		t.Errorf("a link to what was changed has changed with it: %s", inStore["tree/one"])
	}
	for what, put := range origins {
		t.Run(what, func(t *testing.T) {
			m := newMachine(t)
			name := put(t, m, img)
			got := m.tree(m.must("pull", "-q", name))
			if hash(got) != hash(inStore) {
				t.Errorf("the tree of %s has the hash %s, want %s", name, hash(got), hash(inStore))
				differ(t, got, inStore)
			}
			m.tidy("after the pull")
			// containerd writes to its records after an import, so that the image
			// may be looked at again.
			if r := m.run(name); r.code != 0 || r.out != inside.out {
				t.Errorf("inside the container (exit code %d):\n%s%swant\n%s", r.code, r.out, r.err, inside.out)
			}
			if transport, _, _ := strings.Cut(name, ":"); !slices.Contains(engines, transport) {
				return
			}
			if r := m.run("acme/app:1"); r.code != 0 || r.out != inside.out {
				t.Errorf("by its name alone (exit code %d):\n%s%s", r.code, r.out, r.err)
			}
		})
	}
}

// differ says in what two trees differ.
func differ(t *testing.T, got, want map[string]string) {
	t.Helper()
	for path, line := range want {
		if got[path] != line {
			t.Errorf("%s is %q, want %q", path, got[path], line)
		}
	}
	for path := range got {
		if want[path] == "" {
			t.Errorf("%s is not in the image", path)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// onceNamed is what the image is called where it has a name.
const onceNamed = "docker.io/acme/app:1"

func ociArchive(t *testing.T, img imagetest.Image) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	must(t, img.OCIArchive(file, onceNamed))
	return file
}

func inDockerArchive(t *testing.T, _ *machine, img imagetest.Image) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "docker.tar")
	must(t, img.DockerArchive(file, "acme/app:1"))
	return "docker-archive:" + file
}
