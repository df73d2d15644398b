package containerd

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// withoutShims are tests of containerd's client in which a shim has no part, that
// put a program in the place of runc's or call it, which is none of ours, or wait
// for a netcat that ends by SIGTERM as the first process, as Debian's does not.
const withoutShims = `^(Benchmark|Fuzz|TestIssue9103|TestIssue10589|TestKillContainerDeletedByRunc|TestBindLowPort|TestCheckpoint|TestCRWith|TestMigration|TestImagePull|TestTransfer|` +
	`TestImport|TestExport|TestConvert|TestContent|TestLease|TestSnapshot|TestFetch|TestManifest|TestShimOOM)`

// TestClientSuite: the tests that containerd has of its Go client, with runc's
// shim and with ours.
func TestClientSuite(t *testing.T) {
	dir := suites(t, "the tests of containerd's client with runc's shim and with ours")
	if out, err := built(); err != nil {
		t.Skipf("NOT CHECKED: the tests of containerd's client: containerd could not be built: %v\n%s", err, out)
	}
	scratch := t.TempDir()
	must(t, os.Chmod(scratch, 0o755))
	list := clientImages(t, scratch)
	// A directory of the administrator's of the run's own: what no runtime of
	// these tests can be told is that it holds containers to nothing.
	etc := filepath.Join(scratch, "etc")
	must(t, os.MkdirAll(filepath.Join(etc, "up", "safe-run"), 0o755))
	must(t, os.MkdirAll(filepath.Join(etc, "work"), 0o755))
	must(t, os.WriteFile(filepath.Join(etc, "up", "safe-run", "shim.yaml"), []byte(unconfined), 0o644))
	run := func(runtime string) verdicts {
		ctx, cancel := context.WithTimeout(context.Background(), suiteTime)
		defer cancel()
		script := `mount -t overlay -o "lowerdir=/etc,upperdir=$0/up,workdir=$0/work" none /etc && exec "$@"`
		cmd := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "sh", "-c", script, etc,
			"nice", "-n", "5", filepath.Join(dir, "containerd-client-2.4.2/client.test"), "-test.v", "-test.root", "-no-criu", "-test.skip", withoutShims, "-test.timeout", "14m")
		cmd.Dir = filepath.Join(dir, "containerd-client-2.4.2/src/integration/client")
		cmd.Env = append(os.Environ(), "TEST_RUNTIME="+runtime, "TEST_IMAGE_LIST="+list,
			"PATH="+strings.Join([]string{filepath.Dir(shimBin), tools, filepath.Join(dir, "runc-v1.5.2"), os.Getenv("PATH")}, ":"))
		log := filepath.Join(scratch, "log-"+runtime)
		f, err := os.Create(log)
		must(t, err)
		defer f.Close()
		cmd.Stdout, cmd.Stderr = f, f
		failed := cmd.Run()
		text, err := os.ReadFile(log)
		must(t, err)
		v := ended(string(text))
		if len(v.passed) == 0 || ctx.Err() != nil {
			t.Fatalf("with %s: %v, and the tests end with\n%s", runtime, failed, text[max(0, len(text)-4000):])
		}
		return v
	}
	t.Cleanup(func() {
		left, _ := filepath.Glob("/sys/fs/cgroup/*/testing*")
		for _, group := range left {
			_ = os.Remove(group)
		}
	})
	theirs := run("io.containerd.runc.v2")
	compare(t, theirs, run("io.containerd.saferun.v2"))
}

// verdict is the line that tells what came of a test, or of a part of one.
var verdict = regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (\S+) `)

func ended(text string) verdicts {
	v := verdicts{failed: map[string]string{}}
	at := verdict.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		next := len(text)
		if i+1 < len(at) {
			next = at[i+1][0]
		}
		switch id := text[m[4]:m[5]]; text[m[2]:m[3]] {
		case "PASS":
			v.passed = append(v.passed, id)
		case "SKIP":
			v.skipped = append(v.skipped, id)
		default:
			v.failed[id] = text[m[1]:min(next, m[1]+1500)]
		}
	}
	return v
}

// clientImages serves stand-ins of the images, and gives the file that lists them.
func clientImages(t *testing.T, dir string) string {
	t.Helper()
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	e := &engine{t: t, dir: dir}
	root := e.rootfs()
	e.applets(root)
	// The users that busybox's image has, by name and by number.
	must(t, os.WriteFile(root+"/etc/passwd", []byte("root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nbin:x:2:2::/:/bin/false\nsys:x:3:3::/:/bin/false\nwww-data:x:33:33::/:/bin/false\noperator:x:37:37::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n"), 0o644))
	must(t, os.WriteFile(root+"/etc/group", []byte("root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nwww-data:x:33:\noperator:x:37:\nnogroup:x:65534:\n"), 0o644))
	must(t, os.MkdirAll(root+"/run", 0o755))
	must(t, os.MkdirAll(root+"/test_dir", 0o755))
	must(t, os.WriteFile(root+"/test_dir/test_file", []byte("test_content\n"), 0o644))
	must(t, os.WriteFile(root+"/pause", []byte("#!/bin/sh\nexec sleep 1000000\n"), 0o755))
	var text strings.Builder
	for key, path := range map[string]string{
		"Alpine": "alpine:3", "BusyBox": "busybox:1.36", "Pause": "pause:3", "VolumeCopyUp": "volume-copy-up:2", "VolumeOwnership": "volume-ownership:2",
	} {
		ref, err := name.NewTag(host+"/"+path, name.Insecure)
		must(t, err)
		file := filepath.Join(dir, key+".tar")
		e.archive(file, ref.String(), root, func(c *v1.Config) {
			c.Cmd, c.Env = []string{"sh"}, []string{"PATH=/bin"}
		})
		image, err := tarball.ImageFromPath(file, &ref)
		must(t, err)
		must(t, remote.Write(ref, image))
		fmt.Fprintf(&text, "%s = %q\n", key, ref.String())
		if key == "BusyBox" {
			digest, err := image.Digest()
			must(t, err)
			fmt.Fprintf(&text, "BusyBoxByDigest = %q\n", host+"/busybox@"+digest.String())
		}
	}
	list := filepath.Join(dir, "images.toml")
	must(t, os.WriteFile(list, []byte(text.String()), 0o644))
	return list
}

// applets gives a root all programs of busybox.
func (e *engine) applets(root string) {
	e.t.Helper()
	out, err := exec.Command("/bin/busybox", "--list").Output()
	must(e.t, err)
	for _, name := range strings.Fields(string(out)) {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil && !errors.Is(err, os.ErrExist) {
			must(e.t, err)
		}
	}
}
