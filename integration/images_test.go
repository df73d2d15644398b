package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestImageForms: the same image runs from each form, as the user that its
// config names and its own account file knows.
func TestImageForms(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	dir := t.TempDir()
	oci := filepath.Join(dir, "layout")
	safeRunImage(t, "pack", "--from", built(t).root, "--to", "oci:"+oci+":app", "--user", "app:extra", "--workdir", "/data",
		"--env", "FROM=image", "--entrypoint", "/peek", "--cmd", "id")
	archive := filepath.Join(dir, "layout.tar")
	if out, err := exec.Command("tar", "-C", oci, "-cf", archive, ".").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	forms := []string{"oci:" + oci + ":app", "oci:" + oci, "oci-archive:" + archive, "docker-archive:" + dockerArchive(t, oci, dir)}
	for _, form := range forms {
		for _, look := range []struct{ words, want string }{
			{"", `1000:1001`}, {"cwd", `/data`}, {"env", `.*FROM=image.*`}, {"stat /text", `0:0 644`},
		} {
			got := safeRun(t, append([]string{form}, strings.Fields(look.words)...)...)
			if !whole(look.want, got.line()) || got.code != 0 {
				t.Errorf("%s %s: %q (exit code %d), want %s\n%s", form, look.words, got.line(), got.code, look.want, got.err)
			}
		}
	}
	if got := safeRun(t, "-u", "77", "--entrypoint", "/peek", forms[0], "id"); got.line() != "77:0" && got.line() != "77:77" && got.line() != "77:65532" {
		t.Errorf("--user 77 over the image's: %q\n%s", got.line(), got.err)
	}
	if got := safeRun(t, "oci:"+oci+":other"); got.code != 125 || !strings.Contains(got.err, "other") || !strings.Contains(got.err, "hint:") {
		t.Errorf("a reference that is not there: exit code %d\n%s", got.code, got.err)
	}
}

func safeRunImage(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(built(t).safeRun+"-image", args...).CombinedOutput(); err != nil {
		t.Fatalf("safe-run-image %v: %v\n%s", args, err, out)
	}
}

// dockerArchive writes the only image of a layout as docker save would.
func dockerArchive(t *testing.T, oci, dir string) string {
	t.Helper()
	index, err := layout.ImageIndexFromPath(oci)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("app:latest")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "docker.tar")
	if err := tarball.WriteToFile(file, tag, image); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestProgram: a static program is an image by itself.
func TestProgram(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	program := built(t).peek
	if got := safeRun(t, program, "id"); got.line() != "65532:65532" {
		t.Errorf("%q (exit code %d)\n%s", got.line(), got.code, got.err)
	}
	if got := safeRun(t, program, "write", "/file"); got.line() != "EROFS" && got.line() != "EACCES" {
		t.Errorf("its root can be written: %q", got.line())
	}
	if got := safeRun(t, program, "open", "/proc/self/exe", "wo"); got.line() == "ok" {
		t.Error("the program can be written from inside")
	}
	dynamic, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	if got := safeRun(t, dynamic, "1"); got.code != 125 || !strings.Contains(got.err, "hint:") {
		t.Errorf("a program that needs a dynamic loader: exit code %d, want 125 and a hint\n%s", got.code, got.err)
	}
}

// TestImageIsNotChanged: nothing that is made for a container, such as mount
// points and /etc/hosts, is made in the image's own tree.
func TestImageIsNotChanged(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	list := func() string {
		out, err := exec.Command("find", built(t).root, "-printf", "%p %m %U:%G %s %T@\n").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	before := list()
	source := t.TempDir()
	loose := profile(t, "rootfs: {readOnly: false, size: 16MiB, why: test}")
	for _, flags := range [][]string{{"-v", source + ":/new/deep/place"}, {"--profile", "web", "--tmpfs", "/another"}, loose} {
		if got := peek(t, flags, "keep", "/open/file", "text"); got.code != 0 {
			t.Errorf("%v: exit code %d\n%s", flags, got.code, got.err)
		}
	}
	if after := list(); after != before {
		t.Errorf("the image's tree was\n%s\nand is\n%s", before, after)
	}
}

// TestSpecIsTrue: what safe-run spec prints is what runc can run, and the same
// look from inside says the same under both.
func TestSpecIsTrue(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("runc is not installed: that it can run what safe-run spec prints was not checked")
	}
	bundle := filepath.Join(scratch, "bundle")
	if err := os.MkdirAll(bundle, 0o755); err != nil {
		t.Fatal(err)
	}
	// The root of the container is nobody on the host, and has to get there.
	if err := os.Chmod(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	// runc wants its mount points in the tree, where safe-run has a layer for them.
	root := filepath.Join(bundle, "root")
	if err := os.CopyFS(root, os.DirFS(built(t).root)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"proc", "sys", "dev", "run"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	spec := safeRun(t, "spec", "dir:"+root, "/peek", "status", "CapBnd")
	if spec.code != 0 {
		t.Fatalf("safe-run spec: %s", spec.err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), []byte(spec.out), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(runc, "run", "--bundle", bundle, "integration-spec").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "0000000000000000" {
		t.Errorf("runc run: %v, %q", err, out)
	}
}
