package audit

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec/problem"
)

// entries makes a tar of headers without content.
func entries(headers ...tar.Header) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		h.Format = tar.FormatPAX
		_ = w.WriteHeader(&h) // what cannot be written is left out
	}
	w.Close()
	return out.Bytes()
}

func layersOf(tars ...[]byte) Input {
	in := image(v1.Config{})
	for _, content := range tars {
		in.Layers = append(in.Layers, tarLayer(content))
	}
	return in
}

func TestRefused(t *testing.T) {
	loop := []tar.Header{
		{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}, {Name: "b", Typeflag: tar.TypeSymlink, Linkname: "a"}, {Name: "a/x"},
	}
	whole := entries(tar.Header{Name: "x"})
	tests := []struct {
		name, want string
		layer      []byte
	}{
		{"above the root", "leads out of the image", entries(tar.Header{Name: "../x"})},
		{"link above the root", "leads out of the image", entries(tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"})},
		{"link to nothing", "no file of the image", entries(tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "y"})},
		{"link to itself", "no file of the image", entries(tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "x"})},
		{"loop of links", "more than 40 links", entries(loop...)},
		{"long path", "at most 3072", entries(tar.Header{Name: strings.Repeat("a/", 2000)})},
		{"long name", "more than 255 bytes", entries(tar.Header{Name: strings.Repeat("a", 300)})},
		{"long link", "at most 3072", entries(tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: strings.Repeat("a", 4000)})},
		{"odd type", "unknown type", entries(tar.Header{Name: "x", Typeflag: 'Z'})},
		{"odd owner", "ids 0 to 65535", entries(tar.Header{Name: "x", Uid: 1 << 30})},
		{"in a whiteout", "is a whiteout", entries(tar.Header{Name: ".wh.a/x"})},
		{"cut short", "cannot be read", whole[:300]},
		{"not a tar", "cannot be read", bytes.Repeat([]byte("not a tar "), 100)},
		{"less than it says", "cannot be read", func() []byte {
			var out bytes.Buffer
			w := tar.NewWriter(&out)
			_ = w.WriteHeader(&tar.Header{Name: "x", Mode: 0o644, Size: 1 << 40, Format: tar.FormatPAX})
			return append(out.Bytes(), "short"...)
		}()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found, err := Run(context.Background(), layersOf(test.layer))
			if err == nil || !strings.Contains(err.Error(), test.want) || problem.HintOf(err) == "" {
				t.Errorf("error %v (hint %q) and findings %v, want %q", err, problem.HintOf(err), found, test.want)
			}
		})
	}
}

// endless is a tar of one file after another, without end.
type endless struct {
	n       int
	pending []byte
	size    int64
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.pending) == 0 {
		e.n++
		full := imagetest.Files{fmt.Sprintf("d%d/f", e.n): {Content: strings.Repeat("text ", int(e.size/5))}}.Tar()
		e.pending = full[:len(full)-1024] // without the end of the tar
	}
	n := copy(p, e.pending)
	e.pending = e.pending[n:]
	return n, nil
}

func (e *endless) Close() error { return nil }

func TestBombs(t *testing.T) {
	limits := bounds.Limits{Entries: 5000, Bytes: 8 << 20, Names: 1 << 20, Layers: 4}
	many := make([]tar.Header, 0, 6000)
	for i := range cap(many) {
		many = append(many, tar.Header{Name: fmt.Sprint("f", i)})
	}
	var opaques, links []tar.Header
	for i := range 2000 {
		opaques = append(opaques, tar.Header{Name: fmt.Sprintf("d/f%d", i)})
		links = append(links, tar.Header{Name: fmt.Sprintf("l/x%d", i)})
	}
	for range 2000 {
		opaques = append(opaques, tar.Header{Name: "d/" + whiteoutOpaque})
	}
	deep := strings.Repeat("a/", 700)
	tests := []struct {
		name, want string
		in         Input
	}{
		{"files", "more than 5000 files", layersOf(entries(many...))},
		{"implied parents", "more than 5000 files", layersOf(entries(tar.Header{Name: strings.Repeat("a/", 1500)},
			tar.Header{Name: strings.Repeat("b/", 1500)}, tar.Header{Name: strings.Repeat("c/", 1500)}, tar.Header{Name: strings.Repeat("d/", 1500)}))},
		{"whiteouts", "too many whiteouts", layersOf(entries(opaques...))},
		{"links", "too many whiteouts and links", layersOf(entries(tar.Header{Name: deep, Typeflag: tar.TypeDir},
			tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: deep}), entries(links...))},
		{"endless small files", "more than 5000 files", Input{Layers: []func() (io.ReadCloser, error){
			func() (io.ReadCloser, error) { return &endless{size: 10}, nil }}}},
		{"endless large files", "more than 8 MiB in its layers", Input{Layers: []func() (io.ReadCloser, error){
			func() (io.ReadCloser, error) { return &endless{size: 2 << 20}, nil }}}},
		{"layers", "5 layers", layersOf(nil, nil, nil, nil, nil)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.in.Limits = limits
			start := time.Now()
			_, err := Run(context.Background(), test.in)
			if err == nil || !strings.Contains(err.Error(), test.want) || problem.HintOf(err) == "" {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestDeepThroughLinks: links must not make a tree deeper than a path can be.
func TestDeepThroughLinks(t *testing.T) {
	var layers [][]byte
	deep := strings.Repeat("a/", 1000)
	layers = append(layers, entries(tar.Header{Name: deep, Typeflag: tar.TypeDir}, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: deep}))
	layers = append(layers, entries(tar.Header{Name: "l/" + deep, Typeflag: tar.TypeDir}))
	if _, err := Run(context.Background(), layersOf(layers...)); err == nil || !strings.Contains(err.Error(), "directories deep") {
		t.Errorf("error %v, want that it is too deep", err)
	}
}

// TestMemory: a large layer is not held in memory.
func TestMemory(t *testing.T) {
	in := image(v1.Config{})
	in.Limits = bounds.Limits{Entries: 1000, Bytes: 128 << 20, Names: 1 << 20, Layers: 1}
	in.Layers = []func() (io.ReadCloser, error){func() (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(&endless{size: 16 << 20}, 100<<20)), nil
	}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found, err := Run(context.Background(), in)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Fatalf("found %v, %v; the layer ends in the middle", short(found), err)
	}
	// The fixture itself makes each file anew.
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 256<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// TestCoverage: what was not searched is said, and how much it was.
func TestCoverage(t *testing.T) {
	found := expect(t, image(v1.Config{}, imagetest.Files{
		"a.bin": {Content: "\x7fELF\x00" + strings.Repeat("x", 2043)},
		"b.log": {Content: strings.Repeat("a line of a log\n", 100_000)},
		"c.txt": {Content: "text"},
	}), "SR-IMG-090 info layers", "SR-IMG-090 info layers")
	details := found[0].Detail + "\n" + found[1].Detail
	for _, want := range []string{"1 files that are not text", "(2 KiB)", "first 1 MiB only; the rest (538 KiB)"} {
		if !strings.Contains(details, want) {
			t.Errorf("the details are %q, want %q in them", details, want)
		}
	}
}

// TestSpentBudget: a flood of text does not keep known files from being read.
func TestSpentBudget(t *testing.T) {
	c := newContents()
	c.left = 10
	for _, name := range []string{"a", "b", "root/.netrc"} {
		n := &node{layer: 1}
		text := "machine a login b password hunter2"
		if err := c.read(name, n, int64(len(text)), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.hits) != 1 || c.hits[0].path != "root/.netrc" || c.cut.files != 1 || c.unread.files != 1 {
		t.Errorf("found %v, cut %v, unread %v", c.hits, c.cut, c.unread)
	}
}

// TestLargeConfig: a config as large as one may be is looked at in little time.
func TestLargeConfig(t *testing.T) {
	const size = bounds.Metadata / 2
	in := image(v1.Config{User: "7", Cmd: []string{strings.Repeat("a/", size/2)}, WorkingDir: strings.Repeat("/w", size/2)})
	in.Config.Config.Volumes = map[string]struct{}{strings.Repeat("/a", size/2): {}}
	for n := range size / 16 {
		in.Config.Config.Env = append(in.Config.Config.Env, fmt.Sprintf("A%d_TOKEN=abcd", n), "PATH=l")
		in.Config.Config.ExposedPorts = map[string]struct{}{fmt.Sprint(n): {}}
	}
	for range size / 4096 {
		in.Config.History = append(in.Config.History, v1.History{CreatedBy: strings.Repeat("A_TOKEN=bcde ", 300), EmptyLayer: true})
	}
	start := time.Now()
	found := audit(t, in)
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, rule := range Rules {
		if n := strings.Count(strings.Join(short(found), "\n"), rule.ID); n > maxPerRule+1 {
			t.Errorf("%d findings of %s", n, rule.ID)
		}
	}
	if len(found) < maxPerRule {
		t.Errorf("%d findings, too few", len(found))
	}
}

// TestLinksInTheConfig: paths of the config cannot make the checks walk for ever.
func TestLinksInTheConfig(t *testing.T) {
	deep := strings.Repeat("a/", 900)
	in := layersOf(entries(tar.Header{Name: deep, Typeflag: tar.TypeDir}, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: deep}))
	in.Limits = bounds.Limits{Entries: 2000, Bytes: 1 << 20, Names: 1 << 20, Layers: 1}
	in.Config.Config.Env = []string{"PATH=" + strings.Repeat("/l:", 1000) + "/l"}
	if found, err := Run(context.Background(), in); err == nil || !strings.Contains(err.Error(), "links") {
		t.Errorf("found %v, %v; want that there are too many links", short(found), err)
	}
}
