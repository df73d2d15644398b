package source

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestDockerStored: an image that the store has by docker's id is not exported
// again, as long as there is a file that tells when docker's names change.
func TestDockerStored(t *testing.T) {
	root := t.TempDir()
	names := filepath.Join(root, "image", "overlay2", "repositories.json")
	if err := os.MkdirAll(filepath.Dir(names), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, watched := range []bool{true, false} {
		if watched {
			if err := os.WriteFile(names, []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Remove(names); err != nil {
			t.Fatal(err)
		}
		socket := says(t, map[string]http.HandlerFunc{
			"/info": gives(fmt.Sprintf(`{"DockerRootDir":%q,"Driver":"overlay2"}`, root)),
			"/images/app:1/get": func(w http.ResponseWriter, r *http.Request) {
				if watched {
					t.Error("it was exported")
				}
				fails(500, `{"message":"exported"}`)(w, r)
			},
		})
		o := testOptions(t)
		var asked string
		o.Stored = func(id string) *Image { asked = id; return new(Image) }
		found, err := findImpatiently(t.Context(), socket, "app:1", o)
		if watched && (err != nil || len(found.Stamps) != 1 || found.Stamps[0].Path != names) {
			t.Errorf("found %+v, %v", found, err)
		}
		if !watched && err == nil {
			t.Error("without a file to watch it was not exported")
		}
		if len(asked) != len("sha256:")+64 {
			t.Errorf("it asked for %q", asked)
		}
	}
}
