package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/copy"
)

// tarOf makes an archive; a plain file holds its own name.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = h.Name
		}
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var errFull = errors.New("there is no more room")

// short has room for some frames.
type short struct{ b *bytes.Buffer }

func (s *short) Write(p []byte) (int, error) {
	if s.b.Len()+len(p) > 16<<20 {
		return 0, errFull
	}
	return s.b.Write(p)
}

// framed is what an archive becomes: "kind name" or "kind name > target".
func framed(t testing.TB, archive []byte) (list []string, err error) {
	t.Helper()
	var frames bytes.Buffer
	if err := readArchive(bytes.NewReader(archive), &short{&frames}); errors.Is(err, errFull) {
		return nil, err // a file of zeros may be described in a few bytes
	} else if err != nil {
		t.Fatalf("the frames could not be written: %v", err)
	}
	err = copy.ReadFrames(&frames, func(e copy.Entry, content io.Reader) error {
		line := string(e.Kind) + " " + e.Name
		if e.Target != "" {
			line += " > " + e.Target
		}
		list = append(list, line)
		return nil
	})
	return list, err
}

func TestArchiveNames(t *testing.T) {
	got, err := framed(t, tarOf(t,
		tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}},
		tar.Header{Typeflag: tar.TypeDir, Name: "./"},
		tar.Header{Typeflag: tar.TypeDir, Name: "./d/"},
		tar.Header{Typeflag: tar.TypeReg, Name: "/abs//file"},
		tar.Header{Typeflag: tar.TypeReg, Name: "a/../../b"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "/etc/../x"},
		tar.Header{Typeflag: tar.TypeLink, Name: "h", Linkname: "./abs/file"},
		tar.Header{Typeflag: tar.TypeFifo, Name: "p"},
		tar.Header{Typeflag: tar.TypeChar, Name: "c", Devmajor: 1, Devminor: 3},
		tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("long/", 60) + "é\xff"},
	))
	want := []string{
		"directory .", "directory d", "file abs/file", "file a/../../b", "link l > /etc/../x", "hard link h > abs/file",
		"FIFO p", "character device c", "file " + strings.Repeat("long/", 60) + "é\xff",
	}
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%v\n%s", err, strings.Join(got, "\n"))
	}
}

// extended is the head of records of an entry to come, of so many bytes.
func extended(size int64) []byte {
	h := make([]byte, 512)
	for at, text := range map[int]string{0: "x", 100: "0000644", 108: "0000000", 116: "0000000", 124: fmt.Sprintf("%011o", size), 136: "00000000000", 148: "        ", 156: "x", 257: "ustar\x0000"} {
		_ = append(h[:at], text...)
	}
	var sum int
	for _, c := range h {
		sum += int(c)
	}
	_ = append(h[:148], fmt.Sprintf("%06o\x00 ", sum)...)
	return h
}

func TestArchiveForms(t *testing.T) {
	plain := tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "file"})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, archive := range map[string][]byte{"plain": plain, "gzip": packed.Bytes(), "without its end": plain[:1024]} {
		if got, err := framed(t, archive); err != nil || len(got) != 1 || got[0] != "file file" {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	for name, archive := range map[string][]byte{
		"text": []byte(strings.Repeat("no archive ", 100)), "cut": plain[:514], "cut gzip": packed.Bytes()[:packed.Len()/2],
		"a bomb of records": append(extended(8<<30), make([]byte, 2<<20)...),
	} {
		if got, err := framed(t, archive); err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "the archive on standard input: ") {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

// TestArchiveRoundTrip: what is written is read again as it was.
func TestArchiveRoundTrip(t *testing.T) {
	entries := []copy.Entry{
		{Name: "d", Kind: copy.Dir, Mode: 0o1755, UID: 5, GID: 6, Sec: 1e9},
		{Name: "d/" + strings.Repeat("n", 250), Kind: copy.File, Mode: 0o4711, UID: 4e9, GID: 1, Size: 3, Sec: -7},
		{Name: "d/\xffé\n", Kind: copy.Symlink, Mode: 0o777, Target: strings.Repeat("../", 90)},
		{Name: "d/h", Kind: copy.Hard, Target: "d/" + strings.Repeat("n", 250)},
		{Name: "d/c", Kind: copy.Char, Major: 1, Minor: 5},
		{Name: "p", Kind: copy.FIFO, Mode: 0o600},
	}
	var frames, archive, again bytes.Buffer
	w := copy.NewWriter(&frames)
	for _, e := range entries {
		if err := w.Put(e, strings.NewReader("abc")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := writeArchive(&frames, &archive); err != nil {
		t.Fatal(err)
	}
	if err := readArchive(&archive, &again); err != nil {
		t.Fatal(err)
	}
	var got []copy.Entry
	err := copy.ReadFrames(&again, func(e copy.Entry, content io.Reader) error {
		if e.Kind == copy.File {
			if data, err := io.ReadAll(content); err != nil || string(data) != "abc" {
				t.Errorf("%s holds %q, %v", e.Name, data, err)
			}
		}
		got = append(got, e)
		return nil
	})
	if err != nil || len(got) != len(entries) {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for i, want := range entries {
		want.Major, want.Minor = 0, 0 // a device is made of no archive
		if want.Sec == 0 {
			want.Sec = time.Unix(0, 0).Unix()
		}
		if got[i] != want {
			t.Errorf("%+v\nwant %+v", got[i], want)
		}
	}
}

// FuzzArchive: any bytes become frames that can be read, to an end or an error.
func FuzzArchive(f *testing.F) {
	f.Add(tarOf(f, tar.Header{Typeflag: tar.TypeReg, Name: "file"}, tar.Header{Typeflag: tar.TypeLink, Name: "h", Linkname: "file"}))
	f.Add(tarOf(f, tar.Header{Typeflag: tar.TypeSymlink, Name: strings.Repeat("l", 200), Linkname: "../../x"}, tar.Header{Typeflag: tar.TypeFifo, Name: "p"}))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		_, err := framed(t, data)
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q has more than one line", err)
		}
	})
}
