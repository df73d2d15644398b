package source

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// sameImage checks that an engine gives the image that it was given.
func sameImage(t *testing.T, got, want *Image) {
	t.Helper()
	if got.ConfigFile.Architecture != want.ConfigFile.Architecture || !reflect.DeepEqual(got.ConfigFile.Config, want.ConfigFile.Config) {
		t.Errorf("config\n%s\nwant\n%s", got.Config, want.Config)
	}
	if !got.Made && (got.Digest != want.Digest || !bytes.Equal(got.Manifest, want.Manifest) || !bytes.Equal(got.Config, want.Config)) {
		t.Errorf("manifest %s\n%s\nwant %s\n%s", got.Digest, got.Manifest, want.Digest, want.Manifest)
	}
	if len(got.Layers) != len(want.Layers) {
		t.Fatalf("%d layers, want %d", len(got.Layers), len(want.Layers))
	}
	for i := range got.Layers {
		if got.Layers[i].DiffID != want.Layers[i].DiffID {
			t.Errorf("layer %d: diff id %s, want %s", i, got.Layers[i].DiffID, want.Layers[i].DiffID)
		}
	}
}

func TestContainerdHasTheImage(t *testing.T) {
	needs(t, "containerd", "ctr", "setpriv")
	dir, o := engineDir(t), testOptions(t)
	want, archive := written(t, o)
	socket, root := dir+"/s", dir+"/root"
	config := dir + "/config.toml"
	if err := os.WriteFile(config, []byte("version = 2\nroot = \""+root+"\"\nstate = \""+dir+"/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \""+socket+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, socket, "containerd", "--config", config)
	t.Setenv("CONTAINERD_ADDRESS", socket)
	t.Setenv("CONTAINERD_NAMESPACE", "here")
	ctr := func(args ...string) string {
		return run(t, "ctr", append([]string{"--address", socket, "-n", "here"}, args...)...)
	}
	ctr("images", "import", "--no-unpack", archive)
	settle(t, root+"/"+boltFile)
	found := find(t, "containerd:acme/app:1", o)
	sameImage(t, found, want)
	if found.Made || found.Stamps[0].Path != root+"/"+boltFile {
		t.Errorf("made %v, stamps %+v", found.Made, found.Stamps)
	}
	find(t, "containerd:acme/app:1@"+want.Digest.String(), o)
	hasNot(t, "containerd:acme/other:1", o)
	asHelper(t, "containerd:acme/app:1")
	for range 10 { // containerd may have gone on collecting garbage
		if image.Fresh(found.Stamps) {
			break
		}
		settle(t, root+"/"+boltFile)
		found = find(t, "containerd:acme/app:1", o)
	}
	changes(t, found, func() { ctr("images", "tag", "docker.io/acme/app:1", "docker.io/acme/app:2") })
	t.Setenv("DOCKER_HOST", "unix://"+dir+"/none")
	t.Setenv("CONTAINERS_STORAGE_CONF", emptyStore(t, dir))
	if named := find(t, "acme/app:2", o); named.Reference.String() != "containerd:acme/app:2" {
		t.Errorf("found as %s", named.Reference)
	}
}

func TestPodmanHasTheImage(t *testing.T) {
	needs(t, "skopeo", "setpriv")
	for _, driver := range []string{"overlay", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			dir, o := engineDir(t), testOptions(t)
			want, archive := written(t, o)
			t.Setenv("CONTAINERS_STORAGE_CONF", emptyStore(t, dir))
			t.Setenv("STORAGE_DRIVER", driver)
			if ref, err := image.Parse("containers-storage:acme/app:1"); err == nil {
				if _, err := Find(t.Context(), ref, o); problem.HintOf(err) == "" || !strings.Contains(err.Error(), "no store") {
					t.Errorf("without a store: %v", err)
				}
			}
			if _, err := os.Stat(dir + "/graph"); err == nil {
				t.Error("looking for a store made one")
			}
			into := "containers-storage:[" + driver + "@" + dir + "/graph+" + dir + "/run]"
			run(t, "skopeo", "--insecure-policy", "copy", "oci-archive:"+archive, into+"acme/app:1")
			before := treeOf(t, dir)
			found := find(t, "containers-storage:acme/app:1", o)
			sameImage(t, found, want)
			find(t, "containers-storage:acme/app@"+want.Digest.String(), o)
			hasNot(t, "containers-storage:acme/other:1", o)
			asHelper(t, "containers-storage:acme/app:1")
			if after := treeOf(t, dir); !slices.Equal(before, after) {
				t.Errorf("reading changed the store from\n%v\nto\n%v", before, after)
			}
			changes(t, found, func() {
				run(t, "skopeo", "--insecure-policy", "copy", "oci-archive:"+archive, into+"localhost/mine")
			})
			t.Setenv("DOCKER_HOST", "unix://"+dir+"/none")
			if named := find(t, "mine", o); named.Reference.String() != "containers-storage:mine:latest" {
				t.Errorf("found as %s", named.Reference)
			}
		})
	}
}

// asHelper finds the image in a process that has given up what safe-run-image
// gives up: all capabilities but three, and the ways to get one back.
func asHelper(t *testing.T, ref string) {
	t.Helper()
	t.Setenv(helperEnv, ref)
	said := run(t, "setpriv", "--no-new-privs", "--inh-caps", "-all", "--bounding-set", "-all,+chown,+dac_override,+fowner",
		os.Args[0], "-test.run", "^TestAsHelper$", "-test.v")
	if !strings.Contains(said, "--- PASS: TestAsHelper") {
		t.Errorf("with few capabilities:\n%s", said)
	}
	os.Unsetenv(helperEnv) // t.Setenv puts back what was there before
}

// helperEnv names the image that TestAsHelper finds.
const helperEnv = "SAFE_RUN_TEST_IMAGE"

// TestAsHelper is the other process of asHelper.
func TestAsHelper(t *testing.T) {
	ref := os.Getenv(helperEnv)
	if ref == "" {
		t.Skip("NOT CHECKED on its own: it is the other process of the tests of engines")
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || !strings.Contains(string(status), "CapEff:\t000000000000000b\n") {
		t.Fatalf("it has other capabilities: %v\n%s", err, status)
	}
	find(t, ref, testOptions(t))
}

func TestDockerHasTheImage(t *testing.T) {
	needs(t, "dockerd", "containerd", "skopeo", "setpriv")
	dir, o := engineDir(t), testOptions(t)
	want, archive := written(t, o)
	socket, config := dir+"/s", dir+"/daemon.json"
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	// dockerd makes this one, and leaves it.
	if _, err := os.Stat("/run/docker"); errors.Is(err, fs.ErrNotExist) {
		t.Cleanup(func() { os.Remove("/run/docker/plugins"); os.Remove("/run/docker") })
	}
	start(t, socket, "dockerd", "--data-root", dir+"/root", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"-H", "unix://"+socket, "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none", "--storage-driver", "vfs", "--config-file", config)
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	into := func(name string) {
		run(t, "skopeo", "--insecure-policy", "copy", "--dest-daemon-host", "unix://"+socket, "oci-archive:"+archive, "docker-daemon:"+name)
	}
	into("acme/app:1")
	found := find(t, "docker-daemon:acme/app:1", o)
	sameImage(t, found, want)
	if !found.Made || !strings.HasSuffix(found.Stamps[0].Path, "/root/image/vfs/repositories.json") {
		t.Errorf("made %v, stamps %+v", found.Made, found.Stamps)
	}
	hasNot(t, "docker-daemon:acme/other:1", o)
	asHelper(t, "docker-daemon:acme/app:1")
	changes(t, found, func() { into("mine:latest") })
	again := find(t, "mine", o)
	if again.Reference.String() != "docker-daemon:mine:latest" {
		t.Errorf("found as %s", again.Reference)
	}
	if again.Digest != found.Digest {
		t.Errorf("the same image has the digests %s and %s", found.Digest, again.Digest)
	}
}
