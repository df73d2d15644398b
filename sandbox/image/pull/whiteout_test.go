package pull

import (
	"archive/tar"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

func TestWhiteouts(t *testing.T) {
	file := `-rw-r--r-- 0:0 links=1 ""`
	dir := "drwxr-xr-x 0:0"
	lower := imagetest.Files{
		"a/one": {}, "a/two": {}, "a/sub/three": {}, "b": {}, "link": {Mode: fs.ModeSymlink | 0o777, Content: "a"},
	}.Tar()
	f := func(name string) []any { return []any{tar.Header{Name: name}, ""} }
	d := func(name string) []any { return []any{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}, ""} }
	l := []any{tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/a"}, ""}
	for name, c := range map[string]struct {
		upper []any
		want  []string // paths below the root that are left or new
	}{
		"a file":            {f(".wh.b"), []string{"a", "a/one", "a/two", "a/sub", "a/sub/three", "link"}},
		"a directory":       {f(".wh.a"), []string{"b", "link"}},
		"a link":            {f(".wh.link"), []string{"a", "a/one", "a/two", "a/sub", "a/sub/three", "b"}},
		"through a link":    {f("link/.wh.one"), []string{"a", "a/one", "a/two", "a/sub", "a/sub/three", "b", "link"}},
		"nothing there":     {f("a/.wh.none"), []string{"a", "a/one", "a/two", "a/sub", "a/sub/three", "b", "link"}},
		"opaque":            {f("a/.wh..wh..opq"), []string{"a", "b", "link"}},
		"opaque first":      {slices.Concat(d("a"), f("a/.wh..wh..opq"), f("a/new")), []string{"a", "a/new", "b", "link"}},
		"opaque last":       {slices.Concat(d("a"), f("a/new"), f("a/.wh..wh..opq")), []string{"a", "a/new", "b", "link"}},
		"opaque, no parent": {slices.Concat(f("a/sub/new"), f("a/.wh..wh..opq")), []string{"a", "a/sub", "a/sub/new", "b", "link"}},
		"opaque at the top": {slices.Concat(f("a/new"), f(".wh..wh..opq")), []string{"a", "a/new"}},
		"opaque new":        {f("new/.wh..wh..opq"), []string{"a", "a/one", "a/two", "a/sub", "a/sub/three", "b", "link", "new"}},
		"replaced before":   {slices.Concat(f("b"), f(".wh.b")), []string{"a", "a/one", "a/two", "a/sub", "a/sub/three", "b", "link"}},
		"replaced after":    {slices.Concat(f(".wh.a"), f("a/new")), []string{"a", "a/new", "b", "link"}},
		"replaced around":   {slices.Concat(f("a/new"), f(".wh.a")), []string{"a", "a/new", "b", "link"}},
		"then a link":       {slices.Concat(d("link"), f("link/.wh.one"), l, d("a")), []string{"a", "a/one", "a/two", "a/sub", "a/sub/three", "b", "link"}},
		"opaque, then a link": {slices.Concat(d("link"), f("link/.wh..wh..opq"), l, d("a")),
			[]string{"a", "a/one", "a/two", "a/sub", "a/sub/three", "b", "link"}},
		"aufs": {slices.Concat(d(".wh..wh.plnk"), f(".wh..wh.plnk/x"), f(".wh..wh.aufs")), []string{"a", "a/one", "a/two", "a/sub", "a/sub/three", "b", "link"}},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := unpackLayers(t, bounds.Limits{}, lower, rawTar(c.upper...))
			must(t, err)
			got := snapshot(t, tree)
			delete(got, ".")
			if have := slices.Sorted(maps.Keys(got)); !slices.Equal(have, slices.Sorted(slices.Values(c.want))) {
				t.Errorf("left are %q, want %q", have, c.want)
			}
			for path, line := range got {
				if line != file && line != dir && path != "link" {
					t.Errorf("%s is %s", path, line)
				}
			}
		})
	}
}
