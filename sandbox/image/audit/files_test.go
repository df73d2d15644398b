package audit

import (
	"archive/tar"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// caps makes a security.capability as the kernel stores it.
func caps(version uint32, permitted uint64, rest ...uint32) string {
	words := []uint32{version<<24 | 1, uint32(permitted), 0, uint32(permitted >> 32), 0}
	b := []byte{}
	for _, w := range append(words, rest...) {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return string(b)
}

func TestFiles(t *testing.T) {
	attribute := func(value string) map[string]string { return map[string]string{"security.capability": value} }
	tests := []struct {
		name  string
		files imagetest.Files
		want  []string
	}{
		{"plain", imagetest.Files{"app": {Mode: 0o755}, "etc/x": {Mode: 0o644}, "d": {Mode: fs.ModeDir | 0o755}}, nil},
		{"setuid", imagetest.Files{"app/su": {Mode: fs.ModeSetuid | 0o755}}, []string{"SR-IMG-010 medium /app/su (layer 1)"}},
		{"setgid", imagetest.Files{"app/wall": {Mode: fs.ModeSetgid | 0o755}}, []string{"SR-IMG-010 low /app/wall (layer 1)"}},
		{"setgid directory", imagetest.Files{"mail": {Mode: fs.ModeDir | fs.ModeSetgid | 0o755}}, nil},
		{"no program", imagetest.Files{"x": {Mode: fs.ModeSetuid | 0o644}, "y": {Mode: fs.ModeSetgid | 0o644}}, nil},
		{"setuid for all", imagetest.Files{"su": {Mode: fs.ModeSetuid | 0o777}},
			[]string{"SR-IMG-010 critical /su (layer 1)", "SR-IMG-030 medium /su (layer 1)"}},
		{"mild capability", imagetest.Files{"ping": {Mode: 0o755, Xattrs: attribute(caps(2, 1<<13))}}, []string{"SR-IMG-011 low /ping (layer 1)"}},
		{"strong capability", imagetest.Files{"x": {Mode: 0o755, Xattrs: attribute(caps(2, 1<<39))}}, []string{"SR-IMG-011 high /x (layer 1)"}},
		{"of a namespace", imagetest.Files{"x": {Mode: 0o755, Xattrs: attribute(caps(3, 1<<21, 1000))}}, []string{"SR-IMG-011 high /x (layer 1)"}},
		{"odd capability", imagetest.Files{"x": {Mode: 0o755, Xattrs: attribute("odd")}}, []string{"SR-IMG-011 low /x (layer 1)"}},
		{"other attribute", imagetest.Files{"x": {Mode: 0o755, Xattrs: map[string]string{"user.a": "b"}}}, nil},
		{"writable file", imagetest.Files{"etc/x": {Mode: 0o666}}, []string{"SR-IMG-030 medium /etc/x (layer 1)"}},
		{"writable directory", imagetest.Files{"data": {Mode: fs.ModeDir | 0o777}}, []string{"SR-IMG-030 medium /data (layer 1)"}},
		{"sticky directory", imagetest.Files{"tmp": {Mode: fs.ModeDir | fs.ModeSticky | 0o777}}, nil},
		{"links and devices", imagetest.Files{
			"l": {Mode: fs.ModeSymlink | 0o777, Content: "x"}, "dev/null": {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666},
			"dev/shm": {Mode: fs.ModeDir | 0o777}, "p": {Mode: fs.ModeNamedPipe | 0o666},
		}, nil},
		{"hard link", imagetest.Files{"a": {Mode: fs.ModeSetuid | 0o755}, "b": {Mode: 0o755, HardLink: "a"}},
			[]string{"SR-IMG-010 medium /a (layer 1)", "SR-IMG-010 medium /b (layer 1)"}},
		{"tools", imagetest.Files{
			"bin": {Mode: fs.ModeSymlink | 0o777, Content: "usr/bin"}, "usr/bin/dash": {Mode: 0o755}, "usr/bin/apt-get": {Mode: 0o755},
			"usr/bin/sh": {Mode: fs.ModeSymlink | 0o777, Content: "dash"}, "usr/sbin/sshd": {Mode: 0o755},
		}, []string{"SR-IMG-040 low /usr/bin/apt-get (layer 1)", "SR-IMG-041 info /usr/bin/dash (layer 1)", "SR-IMG-042 medium /usr/sbin/sshd (layer 1)"}},
		{"no tools", imagetest.Files{
			"bin/sh": {Mode: 0o644}, "usr/bin/bash": {Mode: fs.ModeDir | 0o755}, "etc/apt": {}, "usr/bin/shred": {Mode: 0o755},
			"usr/bin/apt": {Mode: fs.ModeSymlink | 0o777, Content: "apt"}, "usr/lib/ssh/sshd": {Mode: 0o755},
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { expect(t, image(v1.Config{}, test.files), test.want...) })
	}
}

func TestCapabilityNames(t *testing.T) {
	for value, want := range map[string]string{
		caps(2, 1<<13|1<<12):   "permitted net_admin, net_raw; effective at once",
		caps(3, 1<<40, 100000): "permitted checkpoint_restore; effective at once; for the user namespace of uid 100000",
		caps(2, 1<<63):         "permitted number 63; effective at once",
		caps(2, 0):             "capabilities: none; effective at once",
		caps(1, 1):             "no form that Linux knows",
		caps(2, 1, 7):          "no form that Linux knows",
		caps(3, 1):             "no form that Linux knows",
	} {
		if _, got := capabilityDetail(value); !strings.Contains(got, want) {
			t.Errorf("%x: %q, want %q in it", value, got, want)
		}
	}
	if len(capabilityNames) != 41 {
		t.Errorf("%d capabilities, Linux has 41", len(capabilityNames))
	}
}

func TestProgram(t *testing.T) {
	own := imagetest.File{Mode: 0o755, UID: 1000}
	root := imagetest.File{Mode: 0o755}
	found := []string{"SR-IMG-031 medium /app/run (layer 1)"}
	tests := []struct {
		name   string
		config v1.Config
		files  imagetest.Files
		want   []string
	}{
		{"of root", v1.Config{User: "1000", Entrypoint: []string{"/app/run"}}, imagetest.Files{"app/run": root}, nil},
		{"of the user", v1.Config{User: "1000", Entrypoint: []string{"/app/run"}}, imagetest.Files{"app/run": own}, found},
		{"of another user", v1.Config{User: "2000", Entrypoint: []string{"/app/run"}}, imagetest.Files{"app/run": own}, nil},
		{"of its group", v1.Config{User: "7:8", Cmd: []string{"/app/run"}}, imagetest.Files{"app/run": {Mode: 0o775, GID: 8}}, found},
		{"by PATH", v1.Config{User: "1000", Cmd: []string{"run"}, Env: []string{"PATH=/none:/app"}}, imagetest.Files{"app/run": own}, found},
		{"by WORKDIR", v1.Config{User: "1000", Cmd: []string{"./run"}, WorkingDir: "/app"}, imagetest.Files{"app/run": own}, found},
		{"through a link", v1.Config{User: "1000", Cmd: []string{"/r"}},
			imagetest.Files{"app/run": own, "r": {Mode: fs.ModeSymlink | 0o777, Content: "/app/../app/run"}}, found},
		{"in a directory of the user", v1.Config{User: "1000", Cmd: []string{"/app/run"}},
			imagetest.Files{"app": {Mode: fs.ModeDir | 0o755, UID: 1000}, "app/run": root}, found},
		{"not there", v1.Config{User: "1000", Cmd: []string{"/none"}}, imagetest.Files{"app/run": own}, nil},
		{"no command", v1.Config{User: "1000"}, imagetest.Files{"app/run": own}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { expect(t, image(test.config, test.files), test.want...) })
	}
}

func TestRelease(t *testing.T) {
	tests := []struct{ text, want string }{
		{"ID=debian\nVERSION_ID=\"13\"\n", ""},
		{"ID=debian\nVERSION_ID=\"12\"\n", "SR-IMG-004 low"},
		{"ID=debian\nVERSION_ID=\"11\"\n", "SR-IMG-004 high"},
		{"ID=debian\nVERSION_ID=\"8\"\n", "SR-IMG-004 high"},
		{"ID=debian\nPRETTY_NAME=sid\n", "SR-IMG-005 info"},
		{"ID=ubuntu\nVERSION_ID='20.04'\n", "SR-IMG-004 high"},
		{"ID=ubuntu\nVERSION_ID=\"24.04\"\n", ""},
		{"ID=ubuntu\nVERSION_ID=\"25.10\"\n", "SR-IMG-004 high"},
		{"ID=alpine\nVERSION_ID=3.2.0\n", "SR-IMG-005 info"},
		{"ID=alpine\nVERSION_ID=3.20.3\n", "SR-IMG-004 high"},
		{"ID=alpine\nVERSION_ID=3.23.0\n", ""},
		{"ID=\"rhel\"\nVERSION_ID=\"9.4\"\n", ""},
		{"ID=\"centos\"\nVERSION_ID=\"7\"\n", "SR-IMG-004 high"},
		{"ID=wolfi\nVERSION_ID=20230201\n", ""},
		{"ID=plan9\nVERSION_ID=4\n", "SR-IMG-005 info"},
		{"nothing\n", "SR-IMG-005 info"},
	}
	for _, test := range tests {
		var want []string
		if test.want != "" {
			want = []string{test.want + " /usr/lib/os-release (layer 1)"}
		}
		expect(t, image(v1.Config{}, imagetest.Files{
			"etc/os-release":     {Mode: fs.ModeSymlink | 0o777, Content: "../usr/lib/os-release"},
			"usr/lib/os-release": {Content: test.text},
		}), want...)
	}
	expect(t, image(v1.Config{}, imagetest.Files{"app": {}})) // an image without a distribution
}

// TestReleaseTable: a release is found by its own version, once.
func TestReleaseTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range releases {
		if seen[r.id+r.version] || released(r.id, r.version).version != r.version {
			t.Errorf("%s %s is there twice", r.id, r.version)
		}
		seen[r.id+r.version] = true
		if len(r.until) != 10 || r.longer != "" && r.longer <= r.until {
			t.Errorf("%s %s ends on %q and %q", r.id, r.version, r.until, r.longer)
		}
	}
}

// TestMerge: only what the merged image has is told, and of the layer that has it.
func TestMerge(t *testing.T) {
	su := imagetest.File{Mode: fs.ModeSetuid | 0o755}
	dir := imagetest.File{Mode: fs.ModeDir | 0o755}
	const lower, upper = "SR-IMG-010 medium /d/a (layer 1)", "SR-IMG-010 medium /d/a (layer 2)"
	tests := []struct {
		name         string
		lower, upper imagetest.Files
		want         []string
	}{
		{"kept", imagetest.Files{"d/a": su}, imagetest.Files{"d/b": {}}, []string{lower}},
		{"kept in a directory of both", imagetest.Files{"d": dir, "d/a": su}, imagetest.Files{"d": dir}, []string{lower}},
		{"removed", imagetest.Files{"d/a": su}, imagetest.Files{"d/.wh.a": {}}, nil},
		{"replaced", imagetest.Files{"d/a": su}, imagetest.Files{"d/a": {Mode: 0o755}}, nil},
		{"directory removed", imagetest.Files{"d/a": su}, imagetest.Files{".wh.d": {}}, nil},
		{"directory replaced", imagetest.Files{"d/a": su}, imagetest.Files{"d": {}}, nil},
		{"opaque", imagetest.Files{"d/a": su}, imagetest.Files{"d/.wh..wh..opq": {}, "d/b": {}}, nil},
		{"opaque, and new", imagetest.Files{"d/a": su}, imagetest.Files{"d/.wh..wh..opq": {}, "d/a": su}, []string{upper}},
		{"removed, and new", imagetest.Files{"d/a": su}, imagetest.Files{"d/.wh.a": {}, "d/a": su}, []string{upper}},
		{"removed above, and new", imagetest.Files{"d/x": su}, imagetest.Files{".wh.d": {}, "d/a": su}, []string{upper}},
		{"through a link", imagetest.Files{"d": dir, "l": {Mode: fs.ModeSymlink | 0o777, Content: "d"}}, imagetest.Files{"l/a": su}, []string{upper}},
		{"removed through a link", imagetest.Files{"d/a": su, "l": {Mode: fs.ModeSymlink | 0o777, Content: "/d"}}, imagetest.Files{"l/.wh.a": {}}, nil},
		{"aufs", imagetest.Files{"d/a": su}, imagetest.Files{".wh..wh.plnk/1": su}, []string{lower}},
		{"hard link to a lower file", imagetest.Files{"x": su}, imagetest.Files{"d/a": {Mode: 0o755, HardLink: "x"}},
			[]string{upper, "SR-IMG-010 medium /x (layer 1)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expect(t, image(v1.Config{}, test.lower, test.upper), test.want...)
			// The order in the tar must not matter.
			in := image(v1.Config{}, test.lower)
			in.Layers = append(in.Layers, tarLayer(backwards(test.upper)))
			expect(t, in, test.want...)
		})
	}
}

// backwards is a layer's tar with the last path first.
func backwards(files imagetest.Files) []byte {
	var out []byte
	for _, path := range slices.Backward(slices.Sorted(maps.Keys(files))) {
		one := imagetest.Files{path: files[path]}.Tar()
		out = append(out, one[:len(one)-1024]...) // without the end of the tar
	}
	return append(out, make([]byte, 1024)...)
}

// TestCapabilityOfLibarchive: bsdtar writes attributes in base64.
func TestCapabilityOfLibarchive(t *testing.T) {
	value := base64.StdEncoding.EncodeToString([]byte(caps(2, 1<<13)))
	layer := entries(
		tar.Header{Name: "ping", Mode: 0o755, PAXRecords: map[string]string{"LIBARCHIVE.xattr.security.capability": value}},
		tar.Header{Name: "none", Mode: 0o755, PAXRecords: map[string]string{"LIBARCHIVE.xattr.security.capability": "%"}})
	expect(t, layersOf(layer), "SR-IMG-011 low /ping (layer 1)")
}

func TestManyFindings(t *testing.T) {
	files := imagetest.Files{}
	for i := range maxPerRule + 20 {
		files[fmt.Sprintf("f%03d", i)] = imagetest.File{Mode: 0o666}
	}
	found := audit(t, image(v1.Config{}, files))
	if len(found) != maxPerRule+1 {
		t.Fatalf("%d findings, want %d", len(found), maxPerRule+1)
	}
	if first := found[0].Detail; !strings.HasPrefix(first, "20 more") {
		t.Errorf("the first says %q", first)
	}
}
