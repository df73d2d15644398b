package image

import (
	"strings"
	"testing"
	"unicode"

	"github.com/safe-run/safe-run/spec/problem"
)

func TestParse(t *testing.T) {
	pin := "@sha256:" + strings.Repeat("0a", 32)
	for s, want := range map[string]Reference{
		"oci:dir":                    {OCI, "dir", ""},
		"oci:/a/dir:v1":              {OCI, "/a/dir", "v1"},
		"oci:dir:docker.io/app:1":    {OCI, "dir", "docker.io/app:1"},
		"oci:dir:sha256:abc":         {OCI, "dir", "sha256:abc"},
		"oci-archive:x.tar":          {OCIArchive, "x.tar", ""},
		"docker-archive:x.tar:app:1": {DockerArchive, "x.tar", "app:1"},
		"dir:.":                      {Dir, ".", ""},
		"dir:a:b":                    {Dir, "a:b", ""},
		"./program":                  {Program, "./program", ""},
		"../a:b":                     {Program, "../a:b", ""},
		"/usr/bin/true":              {Program, "/usr/bin/true", ""},
		"dir:/füße und":              {Dir, "/füße und", ""},
		"myapp":                      {Named, "myapp", ""},
		"nginx:1.25":                 {Named, "nginx:1.25", ""},
		"ghcr.io/a/b-c__d.e:1" + pin: {Named, "ghcr.io/a/b-c__d.e:1" + pin, ""},
		"localhost:5000/b":           {Named, "localhost:5000/b", ""},
		"[::1]:5000/b":               {Named, "[::1]:5000/b", ""},
		"docker://nginx":             {Docker, "nginx", ""},
		"docker://tarball:x":         {Docker, "tarball:x", ""},
		"registry:2":                 {Named, "registry:2", ""},
		"docker://Host.example/a:T":  {Docker, "Host.example/a:T", ""},
		"docker-daemon:app:1":        {DockerDaemon, "app:1", ""},
		"containers-storage:a/b":     {ContainersStorage, "a/b", ""},
		"containerd:a/b" + pin:       {Containerd, "a/b" + pin, ""},
	} {
		got, err := Parse(s)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, got)
		}
	}
}

func TestName(t *testing.T) {
	pin := "sha256:" + strings.Repeat("0a", 32)
	for s, want := range map[string][4]string{
		"nginx":                         {"nginx", "", "", "nginx:latest"},
		"nginx:1":                       {"nginx", "1", "", "nginx:1"},
		"localhost:5000/a":              {"localhost:5000/a", "", "", "localhost:5000/a:latest"},
		"localhost:5000/a:b":            {"localhost:5000/a", "b", "", "localhost:5000/a:b"},
		"docker://h/a@" + pin:           {"h/a", "", pin, "docker://h/a@" + pin},
		"containers-storage:a:b@" + pin: {"a", "b", pin, "containers-storage:a:b@" + pin},
	} {
		ref, err := Parse(s)
		must(t, err)
		repository, tag, digest := ref.Name()
		if got := [4]string{repository, tag, digest, ref.Full().String()}; got != want {
			t.Errorf("%s is %q, want %q", s, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for s, c := range map[string]struct{ what, hint string }{
		"":                                  {"no name", "dir:ROOTFS"},
		"docker:nginx":                      {"no //", "write docker://nginx"},
		"docker://":                         {"not the name of an image", "./program"},
		"docker-daemon:":                    {"not the name of an image", "NAME"},
		"a;reboot":                          {"not the name of an image", "write the image as"},
		"sha256:" + strings.Repeat("a", 64): {"a digest without a name", "write NAME@sha256:"},
		"nginx@sha256:abc":                  {"impossible digest", "64 hexadecimal digits"},
		"nginx:":                            {"not the name of an image", "NAME[:tag]"},
		"a//b":                              {"not the name of an image", "NAME[:tag]"},
		"a/../b":                            {"not the name of an image", "NAME[:tag]"},
		"Nginx":                             {"capital letters", "did you mean nginx ?"},
		"OCI:dir":                           {"unknown source", "oci:dir ?"},
		"oci_archive:/f.tar":                {"unknown source", "oci-archive:/f.tar ?"},
		"rootfs:/srv/x":                     {"unknown source", "dir:/srv/x ?"},
		"https://ghcr.io/a":                 {"unknown source", "docker://ghcr.io/a ?"},
		"oci:":                              {"names no path", "oci:DIR"},
		"oci::v1":                           {"names no path", "oci:DIR"},
		"oci:dir:":                          {"ends with a colon", "leave out"},
		"dir:":                              {"names no path", "dir:ROOTFS"},
		"dir:a\x00b":                        {"cannot be printed", "dir:"},
		"dir:a\nb":                          {"cannot be printed", "dir:"},
		"dir:\x1b[31m":                      {"cannot be printed", "dir:"},
		"dir:\xff":                          {"cannot be printed", "dir:"},
		"dir:" + strings.Repeat("a", 5000):  {"5004 bytes", "dir:"},
		strings.Repeat("a", 600):            {"not the name of an image", "dir:"},
	} {
		_, err := Parse(s)
		if err == nil {
			t.Errorf("Parse(%q) gave no error", s)
			continue
		}
		if !strings.Contains(err.Error(), c.what) || !strings.Contains(problem.HintOf(err), c.hint) {
			t.Errorf("Parse(%q) = %q, hint %q; want %q, hint %q", s, err, problem.HintOf(err), c.what, c.hint)
		}
	}
}

// FuzzParse: what is read can be written and read again, and what is refused
// is refused in one printable line.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"oci:a:b", "dir:/x", "./p", "nginx:1", "oci:a:b:c", "Dir:x", "oci::", "\x00", "docker-archive:f:a/b:1@c", "docker://h:1/a:b", "[::1]:5/x", "containerd:a@sha256:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			for _, text := range []string{err.Error(), problem.HintOf(err)} {
				if strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) {
					t.Errorf("Parse(%q) said %q", s, text)
				}
			}
			if problem.HintOf(err) == "" {
				t.Errorf("Parse(%q) = %q without a hint", s, err)
			}
			return
		}
		again, err := Parse(r.String())
		if err != nil || again != r || r.Path == "" {
			t.Errorf("Parse(%q) = %+v; written and read again %+v, %v", s, r, again, err)
		}
	})
}
