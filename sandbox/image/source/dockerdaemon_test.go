package source

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// fakeDocker listens like dockerd and gives what answer gives.
func fakeDocker(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	socket := filepath.Join(engineDir(t), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer, ReadHeaderTimeout: time.Second}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return socket
}

// says is a dockerd that has one image, except where an answer is replaced.
func says(t *testing.T, answers map[string]http.HandlerFunc) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := aRealImage().DockerArchive(file, "app:1"); err != nil {
		t.Fatal(err)
	}
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return saysAll(t, saved, hashBytes(find(t, "docker-archive:"+file, testOptions(t)).Config), answers)
}

// saysAll is a dockerd that exports saved as the image of that id.
func saysAll(t *testing.T, saved []byte, id v1.Hash, answers map[string]http.HandlerFunc) string {
	t.Helper()
	return fakeDocker(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		path := strings.TrimPrefix(r.URL.Path, "/v1.41")
		switch replaced := answers[path]; {
		case replaced != nil:
			replaced(w, r)
		case path == "/_ping":
			fmt.Fprint(w, "OK")
		case path == "/info":
			fmt.Fprint(w, `{"DockerRootDir":"/nonexistent","Driver":"overlay2"}`)
		case path == "/images/app:1/json":
			fmt.Fprintf(w, `{"Id":%q}`, id)
		case path == "/images/app:1/get":
			w.Write(saved)
		default:
			http.Error(w, `{"message":"No such image"}`, http.StatusNotFound)
		}
	})
}

// gives answers with a text.
func gives(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func fails(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) }
}

// endless writes until nobody reads.
func endless(w http.ResponseWriter, r *http.Request) {
	for chunk := make([]byte, 1<<16); r.Context().Err() == nil; {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// hangs writes a little and then nothing.
func hangs(w http.ResponseWriter, r *http.Request) {
	w.Write(make([]byte, 100))
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func TestHostileDocker(t *testing.T) {
	const named, got = "/images/app:1/json", "/images/app:1/get"
	for name, c := range map[string]struct {
		answers map[string]http.HandlerFunc
		want    string
	}{
		"no version":     {map[string]http.HandlerFunc{"/_ping": func(w http.ResponseWriter, _ *http.Request) { w.Header().Del("Api-Version") }}, "is no dockerd"},
		"an odd version": {map[string]http.HandlerFunc{"/_ping": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41/../x") }}, "is no dockerd"},
		"too old":        {map[string]http.HandlerFunc{"/_ping": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.12") }}, "is no dockerd"},
		"a redirection": {map[string]http.HandlerFunc{named: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}}, "status 302"},
		"no JSON":                {map[string]http.HandlerFunc{named: gives("<html>")}, "answer of dockerd is malformed"},
		"JSON of another kind":   {map[string]http.HandlerFunc{named: gives(`["a"]`)}, "answer of dockerd is malformed"},
		"endless JSON":           {map[string]http.HandlerFunc{named: endless}, "at most 4 MiB are read"},
		"half an answer":         {map[string]http.HandlerFunc{named: hangs}, "does not finish its answer"},
		"an impossible id":       {map[string]http.HandlerFunc{named: gives(`{"Id":"sha256:../../x"}`)}, "impossible id"},
		"a rude message":         {map[string]http.HandlerFunc{named: fails(500, `{"message":"\u001b[31mno\nway"}`)}, "dockerd says:  [31mno way"},
		"a message without JSON": {map[string]http.HandlerFunc{named: fails(500, `no`)}, "status 500"},
		"no information":         {map[string]http.HandlerFunc{"/info": fails(500, "")}, "status 500"},
		"another image":          {map[string]http.HandlerFunc{named: gives(`{"Id":"sha256:` + strings.Repeat("a", 64) + `"}`)}, "exported another image"},
		"no archive":             {map[string]http.HandlerFunc{got: gives(strings.Repeat("x", 2000))}, "not a tar archive"},
		"an empty archive":       {map[string]http.HandlerFunc{got: gives(strings.Repeat("\x00", 1024))}, "no manifest.json"},
		"an endless archive":     {map[string]http.HandlerFunc{got: endless}, "more than 1 MiB in its archive"},
		"half an archive":        {map[string]http.HandlerFunc{got: hangs}, "stopped in the middle"},
		"no export":              {map[string]http.HandlerFunc{got: fails(500, `{"message":"disk full"}`)}, "dockerd says: disk full"},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t)
			o.Limits.Bytes = 1 << 20
			_, err := findImpatiently(t.Context(), says(t, c.answers), "app:1", o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// findImpatiently is findInDockerDaemon with shorter times.
func findImpatiently(ctx context.Context, socket, name string, o Options) (*Image, error) {
	d, err := dialDocker(ctx, socket)
	if err != nil {
		return nil, err
	}
	defer d.close()
	d.answers, d.pauses = time.Second, time.Second/4
	return d.find(ctx, image.Reference{Transport: image.DockerDaemon, Path: name}, o)
}

func TestDockerThatCannotBeWatched(t *testing.T) {
	found, err := findImpatiently(t.Context(), says(t, nil), "app:1", testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if !found.Made || len(found.Layers) != 2 || len(found.Stamps) != 1 || !image.Fresh(found.Stamps) {
		t.Errorf("%+v", found)
	}
	// The stamp must not hold for a later run: nothing says what has changed.
	if err := found.Close(); err != nil {
		t.Fatal(err)
	}
	if image.Fresh(found.Stamps) {
		t.Error("the stamp holds although the file is gone")
	}
}

func TestDockerCannotProveDigests(t *testing.T) {
	name := "app@sha256:" + strings.Repeat("a", 64)
	socket := says(t, map[string]http.HandlerFunc{"/images/" + name + "/json": gives(`{"Id":"sha256:` + strings.Repeat("b", 64) + `"}`)})
	_, err := findImpatiently(t.Context(), socket, name, testOptions(t))
	if err == nil || !strings.Contains(err.Error(), "keeps no manifest") || !strings.Contains(problem.HintOf(err), "docker://"+name) {
		t.Errorf("error %v, hint %q", err, problem.HintOf(err))
	}
}

func TestDockerIsNotHere(t *testing.T) {
	stale := filepath.Join(engineDir(t), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, socket := range []string{"/nonexistent/docker.sock", stale} {
		t.Setenv("DOCKER_HOST", "unix://"+socket)
		hasNotEngine(t, image.DockerDaemon)
	}
	for _, host := range []string{"tcp://me:secret@10.0.0.1:2375", "ssh://root@host", "unix://relative", "/a/path", "npipe:////./pipe"} {
		_, err := dockerAddress(host)
		if err == nil || strings.Contains(err.Error(), "secret") || problem.HintOf(err) == "" {
			t.Errorf("%s: %v", host, err)
		}
	}
	if path, err := dockerAddress("unix:///a/b"); path != "/a/b" || err != nil {
		t.Errorf("unix:///a/b is %q, %v", path, err)
	}
	if path, err := dockerAddress(""); path != dockerSocket || err != nil {
		t.Errorf("the default is %q, %v", path, err)
	}
}

// hasNotEngine checks that an engine that is not here is told apart from one
// that fails.
func hasNotEngine(t *testing.T, transport string) {
	t.Helper()
	begin := time.Now()
	_, err := Find(t.Context(), image.Reference{Transport: transport, Path: "app:1"}, Options{Arch: "amd64", Limits: bounds.Default})
	no, is := err.(elsewhere)
	if !is || no.why != "not running" || problem.HintOf(err) == "" {
		t.Errorf("%s: %v", transport, err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("%s: took %s", transport, took)
	}
}

func TestDockerFiles(t *testing.T) {
	for name, c := range map[string]struct {
		info string
		want []string
	}{
		"its own store":  {`{"DockerRootDir":"/d","Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"]]}`, []string{"/d/image/overlay2/repositories.json"}},
		"containerd's":   {`{"DockerRootDir":"/d","Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]]}`, []string{"/d/containerd/daemon/" + boltFile, "/var/lib/containerd/" + boltFile}},
		"a strange path": {`{"DockerRootDir":"d","Driver":"overlay2"}`, nil},
		"a strange name": {`{"DockerRootDir":"/d","Driver":"../../x"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var info dockerInfo
			err := decode([]byte(c.info), &info, "answer")
			got := info.tagFiles()
			if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
}

// Since version 25 dockerd exports a layout. With its own store the manifest
// in it was made for the export, with containerd's it is the published one.
func TestDockerExportsALayout(t *testing.T) {
	o := testOptions(t)
	want, archive := written(t, o)
	saved, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id   v1.Hash
		made bool
	}{
		"its own store": {hashBytes(want.Config), true},
		"containerd's":  {want.Digest, false},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := findImpatiently(t.Context(), saysAll(t, saved, c.id, nil), "app:1", o)
			if err != nil {
				t.Fatal(err)
			}
			defer found.Close()
			if found.Made != c.made || found.Digest != want.Digest {
				t.Errorf("made %v, digest %s", found.Made, found.Digest)
			}
		})
	}
}

// FuzzDockerInfo reads any bytes as what dockerd says about itself. No path
// leaves the directory that it names.
func FuzzDockerInfo(f *testing.F) {
	f.Add([]byte(`{"DockerRootDir":"/d","Driver":"overlay2","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]]}`))
	f.Add([]byte(`{"DockerRootDir":"/d/../../x","Driver":"..","DriverStatus":[[]]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		var info dockerInfo
		if decode(answer, &info, "answer") != nil {
			return
		}
		for _, file := range info.tagFiles() {
			below := strings.HasPrefix(file, strings.TrimSuffix(filepath.Clean(info.DockerRootDir), "/")+"/")
			if !filepath.IsAbs(file) || !below && file != containerdRoot+"/"+boltFile {
				t.Fatalf("%q is not below %q", file, info.DockerRootDir)
			}
		}
	})
}
