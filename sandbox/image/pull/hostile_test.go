package pull

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// Tars that no honest image has. Those with an error are refused with these
// words; the others are unpacked to exactly this tree, whose root is left out.
func TestHostileLayers(t *testing.T) {
	long := strings.Repeat("d/", bounds.Path/2) + "end"
	deep := strings.Repeat(strings.Repeat("d", 200)+"/", 9) + strings.Repeat("d", 200)
	for name, c := range map[string]struct {
		tar   []byte
		below imagetest.Files // a layer below it
		words []string
		tree  map[string]string
	}{
		"dotdot":        {tar: rawTar(tar.Header{Name: "../../escaped"}, ""), words: []string{`"../../escaped"`, "leads out of the image"}},
		"dotdot inside": {tar: rawTar(tar.Header{Name: "a/../../../escaped"}, ""), words: []string{"leads out of the image"}},
		"dotdot harmless": {tar: rawTar(tar.Header{Name: "a/../b"}, ""), tree: map[string]string{
			"b": `-rw-r--r-- 0:0 links=1 ""`}},
		"absolute": {tar: rawTar(tar.Header{Name: "/etc/x"}, ""), tree: map[string]string{
			"etc": "drwxr-xr-x 0:0", "etc/x": `-rw-r--r-- 0:0 links=1 ""`}},
		"the root itself": {tar: rawTar(tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o4700, Uid: 5}, "", tar.Header{Name: "/", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, ""),
			tree: map[string]string{}},
		"symlink then write": {tar: rawTar(
			tar.Header{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/../../../../../../tmp"}, "",
			tar.Header{Name: "out/escaped"}, ""),
			tree:  map[string]string{"out": "Lrwxrwxrwx 0:0 -> /../../../../../../tmp"},
			words: nil},
		"symlink below then write": {below: imagetest.Files{"out": {Mode: fs.ModeSymlink | 0o777, Content: "../../../../../../../../tmp"}, "tmp": {Mode: fs.ModeDir | 0o755}},
			tar:  rawTar(tar.Header{Name: "out/escaped"}, ""),
			tree: map[string]string{"out": "drwxr-xr-x 0:0", "out/escaped": `-rw-r--r-- 0:0 links=1 ""`, "tmp": "drwxr-xr-x 0:0"}},
		"symlink replaced by a file": {below: imagetest.Files{"passwd": {Mode: fs.ModeSymlink | 0o777, Content: "/etc/passwd"}},
			tar:  rawTar(tar.Header{Name: "passwd"}, ""),
			tree: map[string]string{"passwd": `-rw-r--r-- 0:0 links=1 ""`}},
		"symlink loop": {tar: rawTar(
			tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}, "", tar.Header{Name: "b", Typeflag: tar.TypeSymlink, Linkname: "a"}, "",
			tar.Header{Name: "a/x"}, ""), words: []string{`"a/x"`, "too many"}},
		"hard link outside":  {tar: rawTar(tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "../../../etc/passwd"}, ""), words: []string{"leads out of the image"}},
		"hard link absolute": {tar: rawTar(tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}, ""), words: []string{`"h"`, "no such file"}},
		"hard link through a link": {tar: rawTar(
			tar.Header{Name: "e", Typeflag: tar.TypeSymlink, Linkname: "../../../../../../../../etc"}, "",
			tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "e/passwd"}, ""), words: []string{`"h"`, "no such file"}},
		"hard link to a directory": {tar: rawTar(
			tar.Header{Name: "d", Typeflag: tar.TypeDir}, "", tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "d"}, ""), words: []string{`"h"`}},
		"hard link to the root": {tar: rawTar(tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "/"}, ""), words: []string{`"h"`}},
		"whiteout through a link": {below: imagetest.Files{"out": {Mode: fs.ModeSymlink | 0o777, Content: "/../../../../../../../../" + os.TempDir()}},
			tar: rawTar(tar.Header{Name: "out/.wh.canary"}, "", tar.Header{Name: "out/.wh..wh..opq"}, ""),
			// The layer's own directory hides the link, as in any engine.
			words: nil, tree: map[string]string{"out": "drwxr-xr-x 0:0"}},
		"whiteout of dotdot":    {tar: rawTar(tar.Header{Name: "a/.wh..."}, ""), words: []string{`"a/.wh..."`, "whiteout"}},
		"whiteout of dot":       {tar: rawTar(tar.Header{Name: "a/.wh.."}, ""), words: []string{"whiteout"}},
		"whiteout of nothing":   {tar: rawTar(tar.Header{Name: "a/.wh."}, ""), words: []string{"whiteout"}},
		"below a whiteout":      {tar: rawTar(tar.Header{Name: "a/.wh.b/c"}, ""), words: []string{`"a/.wh.b/c"`, "whiteout"}},
		"devices are left out":  {tar: rawTar(tar.Header{Name: "sda", Typeflag: tar.TypeBlock, Devmajor: 8}, "", tar.Header{Name: "mem", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 1}, ""), tree: map[string]string{}},
		"write through a fifo":  {tar: rawTar(tar.Header{Name: "f", Typeflag: tar.TypeFifo}, "", tar.Header{Name: "f", Size: 1}, "x"), tree: map[string]string{"f": `-rw-r--r-- 0:0 links=1 "x"`}},
		"a file as a directory": {tar: rawTar(tar.Header{Name: "f"}, "", tar.Header{Name: "f/x"}, ""), words: []string{`"f/x"`, "not a directory"}},
		"directory of mode 0": {tar: rawTar(tar.Header{Name: "d", Typeflag: tar.TypeDir, Mode: 1 << 20}, "", tar.Header{Name: "d/x"}, ""),
			tree: map[string]string{"d": "d--------- 0:0", "d/x": `-rw-r--r-- 0:0 links=1 ""`}},
		"setuid": {tar: rawTar(tar.Header{Name: "su", Mode: 0o6755}, ""), tree: map[string]string{"su": `-rwxr-xr-x 0:0 links=1 ""`}},
		"setuid by hard link": {below: imagetest.Files{"su": {Mode: 0o755}}, tar: rawTar(tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "su", Mode: 0o6755}, ""),
			words: []string{`"h"`, "hard link", "lower layer"}},
		"uid too high":    {tar: rawTar(tar.Header{Name: "f", Uid: 65536}, ""), words: []string{`"f"`, "65536:0"}},
		"gid of 32 bits":  {tar: rawTar(tar.Header{Name: "f", Gid: math.MaxUint32}, ""), words: []string{`"f"`, "4294967295"}},
		"uid below 0":     {tar: rawTar(tar.Header{Name: "f", Uid: -1, Format: tar.FormatGNU}, ""), words: []string{`"f"`, "-1:0"}},
		"trusted xattr":   {tar: rawTar(tar.Header{Name: "d", Typeflag: tar.TypeDir, PAXRecords: map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"}}, ""), words: []string{"trusted.overlay.opaque"}},
		"user overlay":    {tar: rawTar(tar.Header{Name: "d", Typeflag: tar.TypeDir, PAXRecords: map[string]string{"SCHILY.xattr.user.overlay.redirect": "/etc"}}, ""), words: []string{"user.overlay.redirect"}},
		"large xattr":     {tar: rawTar(tar.Header{Name: "d", PAXRecords: map[string]string{"SCHILY.xattr.user.x": strings.Repeat("x", bounds.Xattrs)}}, ""), words: []string{"attributes"}},
		"posix acl":       {tar: rawTar(tar.Header{Name: "d", PAXRecords: map[string]string{"SCHILY.xattr.system.posix_acl_access": "junk"}}, ""), tree: map[string]string{"d": `-rw-r--r-- 0:0 links=1 ""`}},
		"xattr on a link": {tar: rawTar(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd", PAXRecords: map[string]string{"SCHILY.xattr.user.x": "y"}}, ""), tree: map[string]string{"l": "Lrwxrwxrwx 0:0 -> /etc/passwd"}},
		"many parts":      {tar: rawTar(tar.Header{Name: strings.Repeat("d/", bounds.Parts-1) + "f"}, ""), words: []string{"255 parts"}},
		"long through a link": {tar: rawTar(
			tar.Header{Name: deep, Typeflag: tar.TypeDir, Mode: 0o755}, "", tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: deep}, "",
			tar.Header{Name: "l/" + deep, Typeflag: tar.TypeDir, Mode: 0o755}, ""), words: []string{"4019 bytes"}},
		"mode through a link": {below: imagetest.Files{"a/b": {Mode: fs.ModeDir | 0o777}},
			tar: rawTar(tar.Header{Name: "a/b/f"}, "", tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "c"}, "",
				tar.Header{Name: "c", Typeflag: tar.TypeDir, Mode: 0o755}, "", tar.Header{Name: "c/b", Typeflag: tar.TypeDir, Mode: 0o700}, ""),
			tree: map[string]string{"a": "Lrwxrwxrwx 0:0 -> c", "c": "drwxr-xr-x 0:0", "c/b": "drwx------ 0:0"}},
		"long path":        {tar: rawTar(tar.Header{Name: long}, ""), words: []string{"3075 bytes"}},
		"long name":        {tar: rawTar(tar.Header{Name: strings.Repeat("n", 256)}, ""), words: []string{"255 bytes"}},
		"long link":        {tar: rawTar(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: strings.Repeat("n", 5000)}, ""), words: []string{"5000 bytes"}},
		"unknown type":     {tar: rawTar(tar.Header{Name: "f", Typeflag: 'Z'}, ""), words: []string{"unknown type"}},
		"terminal escapes": {tar: rawTar(tar.Header{Name: "f\x1b[31m\n", Uid: 70000}, ""), words: []string{`f\x1b[31m\n`}},
		"unending times":   {tar: rawTar(tar.Header{Name: "f", PAXRecords: map[string]string{"mtime": "9223372036854775807"}, Format: tar.FormatPAX}, ""), tree: map[string]string{"f": `-rw-r--r-- 0:0 links=1 ""`}},
		"not a tar":        {tar: []byte(strings.Repeat("junk", 1000)), words: []string{"tar"}},
		"cut off":          {tar: rawTar(tar.Header{Name: "f", Size: 2000}, strings.Repeat("x", 2000))[:1500], words: []string{"too early"}},
		"empty":            {tar: nil, tree: map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			canary := filepath.Join(os.TempDir(), "canary")
			must(t, os.WriteFile(canary, []byte("alive"), 0o644))
			defer os.Remove(canary)
			layers := [][]byte{c.tar}
			if c.below != nil {
				layers = [][]byte{c.below.Tar(), c.tar}
			}
			tree, err := unpackLayers(t, bounds.Limits{}, layers...)
			if _, gone := os.Stat(canary); gone != nil {
				t.Fatal("it removed a file of the host")
			}
			for _, escaped := range []string{"/escaped", "/tmp/escaped", filepath.Join(os.TempDir(), "escaped")} {
				if _, err := os.Lstat(escaped); err == nil {
					t.Fatalf("it wrote %s", escaped)
				}
			}
			if c.words != nil {
				assertMendable(t, err, false, c.words...)
				return
			}
			must(t, err)
			got := snapshot(t, tree)
			delete(got, ".")
			for path, line := range c.tree {
				if got[path] != line {
					t.Errorf("%s is %q, want %q", path, got[path], line)
				}
				delete(got, path)
			}
			// What a link led to is made inside the tree.
			delete(got, "tmp/escaped")
			delete(got, "tmp")
			if len(got) > 0 {
				t.Errorf("there are also %v", got)
			}
		})
	}
}

// TestBudgets checks each bound from both sides.
func TestBudgets(t *testing.T) {
	files := func(n int) []byte {
		f := imagetest.Files{}
		for i := range n {
			f["d/"+string(rune('a'+i))] = imagetest.File{Content: "0123456789"}
		}
		return f.Tar()
	}
	sparse := sparseTar(1 << 40)
	endless := bytes.Repeat(rawTar(tar.Header{Name: strings.Repeat("long/", 100), Typeflag: tar.TypeDir}, "")[:1536], 4000)
	large := bounds.Limits{Entries: 1000, Bytes: 1 << 30, Names: 1 << 20, Layers: 9}
	with := func(change func(*bounds.Limits)) bounds.Limits { l := large; change(&l); return l }
	for name, c := range map[string]struct {
		limits bounds.Limits
		layers [][]byte
		words  []string
	}{
		"entries":           {with(func(l *bounds.Limits) { l.Entries = 4 }), [][]byte{files(4)}, []string{"more than 4 files"}},
		"entries fit":       {with(func(l *bounds.Limits) { l.Entries = 5 }), [][]byte{files(4)}, nil},
		"entries of two":    {with(func(l *bounds.Limits) { l.Entries = 5 }), [][]byte{files(2), files(2)}, []string{"more than 5 files"}},
		"implied parents":   {with(func(l *bounds.Limits) { l.Entries = 9 }), [][]byte{rawTar(tar.Header{Name: "a/b/c/d/e/f/g/h/i/j"}, "")}, []string{"more than 9 files"}},
		"bytes":             {with(func(l *bounds.Limits) { l.Bytes = 39 }), [][]byte{files(4)}, []string{"more than 39 bytes"}},
		"bytes fit":         {with(func(l *bounds.Limits) { l.Bytes = 40 }), [][]byte{files(4)}, nil},
		"sparse file":       {large, [][]byte{sparse}, []string{"more than 1 GiB"}},
		"stream":            {bounds.Limits{Entries: 10, Bytes: 10, Names: 1 << 20, Layers: 9}, [][]byte{append(files(1), make([]byte, 1<<20)...)}, []string{"more than 10 bytes"}},
		"names":             {with(func(l *bounds.Limits) { l.Names = 1000 }), [][]byte{endless}, []string{"file names"}},
		"layers":            {with(func(l *bounds.Limits) { l.Layers = 2 }), [][]byte{files(1), files(2), files(3)}, []string{"more than 2 layers"}},
		"layers fit":        {with(func(l *bounds.Limits) { l.Layers = 3 }), [][]byte{files(1), files(2), files(3)}, nil},
		"opaque many times": {with(func(l *bounds.Limits) { l.Entries = 160 }), [][]byte{opaqueBomb(25, false), opaqueBomb(25, true)}, []string{"whiteouts"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := unpackLayers(t, c.limits, c.layers...)
			if c.words == nil {
				must(t, err)
				return
			}
			assertMendable(t, err, true, c.words...)
		})
	}
}

// opaqueBomb is a chain of n directories with 40 files at its end; with
// markers, each of them is opaque, and all below it is walked once more.
func opaqueBomb(n int, markers bool) []byte {
	var pairs []any
	dir := strings.Repeat("d/", n)
	for i := range n {
		if markers {
			pairs = append(pairs, tar.Header{Name: dir[:2*i+2] + ".wh..wh..opq"}, "")
		}
	}
	for i := range 40 {
		if !markers {
			pairs = append(pairs, tar.Header{Name: dir + string(rune('0'+i))}, "")
		}
	}
	return rawTar(pairs...)
}

// sparseTar has one file that claims n bytes and stores one.
func sparseTar(n int64) []byte {
	data := rawTar(tar.Header{Name: "hole", Size: 512}, strings.Repeat("x", 512))
	h := data[:512]
	h[156] = 'S'                                    // GNU sparse
	copy(h[257:], "ustar  \x00")                    // GNU magic
	copy(h[386:], "00000000000\x0000000001000\x00") // one block of data: offset 0, 512 bytes
	big := []byte{0x80, 0, 0, 0, byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	copy(h[483:], big) // the real size
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], []byte{'0' + byte(sum>>15&7), '0' + byte(sum>>12&7), '0' + byte(sum>>9&7), '0' + byte(sum>>6&7), '0' + byte(sum>>3&7), '0' + byte(sum&7), 0, ' '})
	return data
}
