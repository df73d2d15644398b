package source

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// answers is a place that answers every question in the same way.
func answers(transport string, asked *[]string, err error) place {
	return place{transport, func(_ context.Context, ref image.Reference, _ Options) (*Image, error) {
		*asked = append(*asked, ref.String())
		if err != nil {
			return nil, err
		}
		return &Image{}, nil
	}}
}

func TestBareNames(t *testing.T) {
	none := notThere("not running", "start it", "it does not run")
	broken := problem.New("look at it", "it hangs")
	unknown := problem.New("", "it is not published")
	for name, c := range map[string]struct {
		ref                        string
		docker, podman, containerd error
		registry                   error
		local                      bool
		asked                      string
		from, message, hint        string
	}{
		"the first engine has it":        {ref: "app:1", asked: "docker-daemon:app:1", from: "docker-daemon:app:1"},
		"the second engine has it":       {ref: "app:1", docker: none, asked: "docker-daemon:app:1 containers-storage:app:1", from: "containers-storage:app:1"},
		"the registry has it":            {ref: "app:1", docker: none, podman: none, containerd: none, asked: "docker-daemon:app:1 containers-storage:app:1 containerd:app:1 docker://app:1", from: "docker://app:1"},
		"a broken engine may have it":    {ref: "app:1", docker: none, podman: broken, asked: "docker-daemon:app:1 containers-storage:app:1", message: "whether app:1 is in containers-storage cannot be told: it hangs", hint: "look at it; or say where it is, for example docker://app:1"},
		"an error is not an absence":     {ref: "app:1", docker: errors.New("EOF"), asked: "docker-daemon:app:1", message: "whether app:1 is in docker-daemon cannot be told: EOF", hint: "docker://app:1"},
		"not without the network":        {ref: "app:1", docker: none, podman: none, containerd: none, local: true, asked: "docker-daemon:app:1 containers-storage:app:1 containerd:app:1", message: "there is no image app:1 on this host: looked in the store, docker-daemon (not running), containers-storage (not running), containerd (not running)", hint: "docker build -t app:1 ."},
		"nowhere":                        {ref: "app:1", docker: none, podman: none, containerd: none, registry: unknown, asked: "docker-daemon:app:1 containers-storage:app:1 containerd:app:1 docker://app:1", message: "it is not in docker-daemon (not running), containers-storage (not running), containerd (not running); it is not published", hint: "safe-run image pull REGISTRY/app:1"},
		"a prefix that was mistyped":     {ref: "docker-deamon:app", docker: none, podman: none, containerd: none, local: true, asked: "docker-daemon:docker-deamon:app containers-storage:docker-deamon:app containerd:docker-deamon:app", hint: "did you mean docker-daemon:app ?"},
		"the registry's own hint counts": {ref: "ghcr.io/a/b:1", docker: none, podman: none, containerd: none, registry: broken, asked: "docker-daemon:ghcr.io/a/b:1 containers-storage:ghcr.io/a/b:1 containerd:ghcr.io/a/b:1 docker://ghcr.io/a/b:1", message: "it hangs", hint: "look at it"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			local := []place{answers(image.DockerDaemon, &asked, c.docker), answers(image.ContainersStorage, &asked, c.podman), answers(image.Containerd, &asked, c.containerd)}
			found, err := findInPlaces(t.Context(), image.Reference{Path: c.ref}, Options{LocalOnly: c.local}, local, answers(image.Docker, &asked, c.registry))
			if got := strings.Join(asked, " "); got != c.asked {
				t.Errorf("asked %q, want %q", got, c.asked)
			}
			if c.from != "" && (err != nil || found.Reference.String() != c.from) {
				t.Errorf("found %+v, %v, want %s", found, err, c.from)
			}
			if c.from == "" && (err == nil || !strings.Contains(err.Error(), c.message) || !strings.Contains(problem.HintOf(err), c.hint)) {
				t.Errorf("error %q with hint %q, want %q with %q", err, problem.HintOf(err), c.message, c.hint)
			}
		})
	}
}

// TestFilesFirst: a name that is a file here is asked of engines and of no
// registry.
func TestFilesFirst(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("app", 0o755); err != nil {
		t.Fatal(err)
	}
	none := notThere("not running", "start it", "it does not run")
	for _, c := range []struct {
		engine error
		first  bool
		asked  string
		fails  bool
	}{
		{nil, true, "docker-daemon:app:latest", false},
		{none, true, "docker-daemon:app:latest", true},
		{none, false, "docker-daemon:app:latest docker://app:latest", false},
	} {
		var asked []string
		_, err := findInPlaces(t.Context(), image.Reference{Path: "app:latest"}, Options{FilesFirst: c.first},
			[]place{answers(image.DockerDaemon, &asked, c.engine)}, answers(image.Docker, &asked, nil))
		if got := strings.Join(asked, " "); got != c.asked || (err != nil) != c.fails {
			t.Errorf("asked %q, %v; want %q", got, err, c.asked)
		}
	}
}

func TestFullRepository(t *testing.T) {
	for name, want := range map[string]string{
		"nginx": "docker.io/library/nginx", "acme/app": "docker.io/acme/app", "docker.io/nginx": "docker.io/library/nginx",
		"localhost/app": "localhost/app", "ghcr.io/acme/app": "ghcr.io/acme/app", "localhost:5000/app": "localhost:5000/app",
	} {
		if got := fullRepository(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestNamesOfContainerd(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for name, want := range map[string][]string{
		"app":                  {"docker.io/library/app:latest", "app:latest"},
		"ghcr.io/a/b:1":        {"ghcr.io/a/b:1"},
		"ghcr.io/a/b":          {"ghcr.io/a/b:latest"},
		"ghcr.io/a/b" + digest: {"ghcr.io/a/b" + digest},
		"a/b:1" + digest: {"docker.io/a/b" + digest, "docker.io/a/b:1" + digest, "docker.io/a/b:1",
			"a/b" + digest, "a/b:1" + digest, "a/b:1"},
	} {
		if got := namesFor(image.Reference{Transport: image.Containerd, Path: name}); !slices.Equal(got, want) {
			t.Errorf("%s is looked for as %q, want %q", name, got, want)
		}
	}
}
