package image

import (
	"strings"
	"testing"
	"unicode"

	"github.com/safe-run/safe-run/spec/problem"
)

func TestParse(t *testing.T) {
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

func TestParseRefuses(t *testing.T) {
	for s, c := range map[string]struct{ what, hint string }{
		"":                                 {"no name", "dir:ROOTFS"},
		"myapp":                            {`"myapp" is a bare name`, "oci:DIR[:ref]"},
		"nginx:1.25":                       {`"nginx:1.25" is a bare name`, "docker-archive:FILE"},
		"docker.io/library/nginx":          {"bare name", "./program"},
		"docker://nginx":                   {"bare name", "oci-archive:"},
		"nginx":                            {"bare name", "docker save -o nginx.tar nginx, then run docker-archive:nginx.tar; or write"},
		"docker://ghcr.io/a/b:1":           {"bare name", "docker save -o b.tar ghcr.io/a/b:1, then run docker-archive:b.tar"},
		"localhost:5000/b":                 {"bare name", "docker save -o b.tar localhost:5000/b, then"},
		"a;reboot":                         {"bare name", "write the image as"},
		"dri:bb":                           {"unknown source", "dir:bb ?"},
		"OCI:dir":                          {"unknown source", "oci:dir ?"},
		"oci_archive:f.tar":                {"unknown source", "oci-archive:f.tar ?"},
		"rootfs:/srv/x":                    {"unknown source", "dir:/srv/x ?"},
		"oci:":                             {"names no path", "oci:DIR"},
		"oci::v1":                          {"names no path", "oci:DIR"},
		"oci:dir:":                         {"ends with a colon", "leave out"},
		"dir:":                             {"names no path", "dir:ROOTFS"},
		"dir:a\x00b":                       {"cannot be printed", "dir:"},
		"dir:a\nb":                         {"cannot be printed", "dir:"},
		"dir:\x1b[31m":                     {"cannot be printed", "dir:"},
		"dir:\xff":                         {"cannot be printed", "dir:"},
		"dir:" + strings.Repeat("a", 5000): {"5004 bytes", "dir:"},
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
	for _, s := range []string{"oci:a:b", "dir:/x", "./p", "nginx:1", "oci:a:b:c", "Dir:x", "oci::", "\x00", "docker-archive:f:a/b:1@c"} {
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
