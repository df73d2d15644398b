package source

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

func TestShortNames(t *testing.T) {
	const two = `unqualified-search-registries = ["one.example", "two.example:5000"]` + "\n"
	tests := []struct {
		conf, name string
		want       string // separated by spaces; an error when it starts with !
	}{
		{"", "busybox", "docker.io/library/busybox:latest"},
		{"", "acme/app:1", "docker.io/acme/app:1"},
		{"", "docker.io/busybox", "docker.io/library/busybox:latest"},
		{"", "ghcr.io/acme/app", "ghcr.io/acme/app:latest"},
		{"", "host:5000/app", "host:5000/app:latest"},
		{"", "[::1]:5000/app", "!IPv6"},
		{"", "app@" + someDigest, "docker.io/library/app@" + someDigest},
		{two, "app:1", "one.example/app:1 two.example:5000/app:1"},
		{two, "ghcr.io/acme/app", "ghcr.io/acme/app:latest"},
		{two + `short-name-mode = "permissive"`, "app", "one.example/app:latest two.example:5000/app:latest"},
		{two + `short-name-mode = "enforcing"`, "app", "!short-name-mode"},
		{`unqualified-search-registries = ["one.example"]` + "\n" + `short-name-mode = "enforcing"`, "app", "one.example/app:latest"},
		{two + "[aliases]\n\"app\" = \"quay.io/acme/app\"", "app:2", "quay.io/acme/app:2"},
		{two + "[aliases]\n\"app\" = \"quay.io/acme/app\"", "app", "quay.io/acme/app:latest"},
		{two + "[aliases]\n\"app\" = \"quay.io/acme/app\"", "app:2@" + someDigest, "quay.io/acme/app:2@" + someDigest},
		{two + "[aliases]\n\"app\" = \"quay.io/acme/app\"", "other", "one.example/other:latest two.example:5000/other:latest"},
		{"not toml", "app", "!registries.conf"},
	}
	for _, test := range tests {
		n := newNetwork(t)
		n.write("registries.conf", test.conf)
		all, err := n.r.resolve(test.name)
		if want, isError := strings.CutPrefix(test.want, "!"); isError {
			refuses(t, err, want)
			continue
		}
		var got []string
		for _, c := range all {
			got = append(got, c.String())
		}
		if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("%s with %q: %v, %v", test.name, test.conf, got, err)
		}
	}
}

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// TestNamesLeaveNothing: looking a name up makes no files of podman's, and none
// of ours stay.
func TestNamesLeaveNothing(t *testing.T) {
	n := newNetwork(t)
	n.r.sys.UserShortNameAliasConfPath = ""
	t.Setenv("TMPDIR", t.TempDir())
	if hasRecordedNames() {
		t.Skip("NOT CHECKED that a lookup leaves nothing behind: podman recorded names on this machine")
	}
	if _, err := n.r.resolve("app"); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestSearchedRegistries(t *testing.T) {
	i := testImage(t, testArch, "content")
	full := testRegistry()
	put(t, full, "app:1", i)
	broken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	tests := []struct {
		name  string
		first http.Handler
		image string
		want  string
	}{
		{"the first does not have it", testRegistry(), "app:1", ""},
		{"the first does not let us see it", basic(full), "app:1", ""},
		{"none has it", testRegistry(), "nothing:1", "there is no image nothing:1 at "},
		{"the first is broken", broken, "app:1", "it is broken"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t)
			one := n.serve("one.example.com", someAddress, test.first)
			two := n.serve("two.example.com", someAddress, full)
			n.write("registries.conf", fmt.Sprintf("unqualified-search-registries = [%q, %q]", one, two))
			found, err := n.r.byName(t.Context(), test.image, n.options())
			if test.want != "" {
				refuses(t, err, test.want)
				if problem.HintOf(err) == "" {
					t.Error("no hint")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer found.Close()
			if found.Repository != two+"/app" || len(n.notes) != 1 {
				t.Errorf("found in %s, notes %q", found.Repository, n.notes)
			}
		})
	}
}
