package cli

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestImageFor(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		image string
		want  []string
		wrong string
	}{
		{"", nil, ""},
		{"oci:" + dir, []string{"oci:/image"}, ""},
		{"dir:" + dir, []string{"dir:/image"}, ""},
		{dir, []string{"/image"}, ""},
		{"nginx:1.27", nil, "no network"},
		{"docker://nginx", nil, "no network"},
		{"oci:" + filepath.Join(dir, "gone"), nil, "no such file"},
	} {
		files := map[string]string{}
		got, err := imageFor(test.image, files)
		if !reflect.DeepEqual(got, test.want) || (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("imageFor(%q) = %q, %v; want %q, %q", test.image, got, err, test.want, test.wrong)
		}
		if (len(files) > 0) != (len(test.want) > 0) || len(files) > 0 && files["/image"] != dir {
			t.Errorf("imageFor(%q) puts %v into the machine", test.image, files)
		}
	}
}
