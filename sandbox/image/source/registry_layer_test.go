package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// blobServer serves one blob in ways of its own; n counts the requests.
type blobServer func(w http.ResponseWriter, r *http.Request, n int)

// overHTTP2 is layerFrom with the other protocol, in which connections break
// in other ways.
func overHTTP2(t *testing.T, content string, f blobServer) Layer {
	t.Helper()
	n := newNetwork(t)
	n.http2 = true
	return n.layer(content, f)
}

// layerFrom gives the layer of an image whose registry serves it by f.
func layerFrom(t *testing.T, content string, f blobServer) Layer {
	t.Helper()
	return newNetwork(t).layer(content, f)
}

func (n *network) layer(content string, f blobServer) Layer {
	t := n.t
	t.Helper()
	n.r.idle = 300 * time.Millisecond
	i := testImage(t, testArch, content)
	h := testRegistry()
	put(t, h, "app:1", i)
	layer := hashBytes([]byte(content)).String()
	count := 0
	host := n.serve(someHost, someAddress, tampered(h, layer, func(w http.ResponseWriter, r *http.Request) {
		count++
		f(w, r, count)
	}))
	return n.mustFind(host + "/app:1").Layers[0]
}

// rangeOf reads the start of a Range header.
func rangeOf(t *testing.T, r *http.Request, size int) int {
	t.Helper()
	h := r.Header.Get("Range")
	if h == "" {
		return 0
	}
	var from, to int
	if _, err := fmt.Sscanf(h, "bytes=%d-%d", &from, &to); err != nil || to != size-1 {
		t.Errorf("Range: %s", h)
	}
	return from
}

// sendPart answers with content from a position on, and cuts it after some bytes.
func sendPart(w http.ResponseWriter, content string, from, cut int) {
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	fmt.Fprint(w, content[from:min(len(content), from+cut)])
}

func TestLayerGoesOn(t *testing.T) {
	content := bytesOf(200_000)
	tests := []struct {
		name   string
		offset int64
		serve  blobServer
		asked  int
	}{
		{"in one go", 0, func(w http.ResponseWriter, r *http.Request, _ int) {
			sendPart(w, content, rangeOf(t, r, len(content)), len(content))
		}, 1},
		{"from the middle", 150_000, func(w http.ResponseWriter, r *http.Request, _ int) {
			sendPart(w, content, rangeOf(t, r, len(content)), len(content))
		}, 1},
		{"the connection drops three times", 0, func(w http.ResponseWriter, r *http.Request, _ int) {
			sendPart(w, content, rangeOf(t, r, len(content)), 60_000)
		}, 4},
		{"without ranges", 1000, func(w http.ResponseWriter, _ *http.Request, n int) {
			sendPart(w, content, 0, 60_000*n)
		}, 4},
		{"without a length", 0, func(w http.ResponseWriter, r *http.Request, n int) {
			from := rangeOf(t, r, len(content))
			if from > 0 {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", from, len(content)-1))
				w.WriteHeader(http.StatusPartialContent)
			}
			fmt.Fprint(w, content[from:min(len(content), from+120_000)])
			w.(http.Flusher).Flush()
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
		}, 2},
		{"broken, and then busy", 0, func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 2 || n == 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			sendPart(w, content, rangeOf(t, r, len(content)), 120_000)
		}, 4},
		{"stalls in the middle", 0, func(w http.ResponseWriter, r *http.Request, n int) {
			sendPart(w, content, rangeOf(t, r, len(content)), 120_000)
			if n == 1 {
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}
		}, 2},
	}
	for _, test := range tests {
		for protocol, from := range map[string]func(*testing.T, string, blobServer) Layer{"HTTP/1": layerFrom, "HTTP/2": overHTTP2} {
			t.Run(test.name+" over "+protocol, func(t *testing.T) {
				asked := 0
				l := from(t, content, func(w http.ResponseWriter, r *http.Request, n int) {
					asked = n
					test.serve(w, r, n)
				})
				got, err := readLayer(t, l, test.offset)
				if err != nil || got != content[test.offset:] {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if asked != test.asked {
					t.Errorf("asked %d times, want %d", asked, test.asked)
				}
			})
		}
	}
}

func TestHostileLayers(t *testing.T) {
	content := bytesOf(200_000)
	lying := func(contentRange string) blobServer {
		return func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Range", contentRange)
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, content)
		}
	}
	tests := []struct {
		name   string
		offset int64
		serve  blobServer
		want   string
	}{
		{"another part", 100, lying("bytes 200-199999/200000"), "another part"},
		{"less than the rest", 100, lying("bytes 100-199998/200000"), "another part"},
		{"of another size", 100, lying("bytes 100-199999/200001"), "another part"},
		{"an impossible range", 100, lying("bytes 5-1/2"), "another part"},
		{"no range", 100, lying(""), "another part"},
		{"a range that was not asked for", 0, lying("bytes 100-199999/200000"), "another part"},
		{"longer than it is", 0, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Length", "10000000000")
		}, "it sends 10000000000 bytes"},
		{"shorter than it is", 0, func(w http.ResponseWriter, _ *http.Request, _ int) { fmt.Fprint(w, "short") }, "it sends 5 bytes"},
		{"always cut", 0, func(w http.ResponseWriter, r *http.Request, _ int) {
			sendPart(w, content, rangeOf(t, r, len(content)), 10)
		}, "the connection broke"},
		{"never a byte", 0, func(w http.ResponseWriter, r *http.Request, _ int) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "stopped answering"},
		{"a byte now and then", 0, func(w http.ResponseWriter, r *http.Request, _ int) {
			for r.Context().Err() == nil {
				fmt.Fprint(w, "x")
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}, "stopped answering"},
		{"gone", 0, func(w http.ResponseWriter, r *http.Request, _ int) { http.NotFound(w, r) }, "it does not have the layer"},
		{"less than was stored", 100, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		}, "less of a layer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, from := range []func(*testing.T, string, blobServer) Layer{layerFrom, overHTTP2} {
				_, err := readLayer(t, from(t, content, test.serve), test.offset)
				refuses(t, err, test.want)
			}
		})
	}
}

// TestLayerEndsWhereItShould: a registry that sends more is not read further.
func TestLayerEndsWhereItShould(t *testing.T) {
	content := bytesOf(10_000)
	l := layerFrom(t, content, func(w http.ResponseWriter, r *http.Request, _ int) {
		w.(http.Flusher).Flush() // no Content-Length
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, content); err != nil {
				return
			}
		}
	})
	got, err := readLayer(t, l, 0)
	if err != nil || got != content {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestLayerIsGivenUp(t *testing.T) {
	content := bytesOf(100_000)
	l := layerFrom(t, content, func(w http.ResponseWriter, r *http.Request, _ int) {
		sendPart(w, content, 0, 50_000)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := l.Open(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 50_000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestForeignLayer: the URLs in a manifest are not asked.
func TestForeignLayer(t *testing.T) {
	n := newNetwork(t)
	asked := false
	elsewhere := n.serve("elsewhere.example.com", someAddress, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	host := n.serve(someHost, someAddress, http.NotFoundHandler())
	place, err := fullName(host + "/app")
	if err != nil {
		t.Fatal(err)
	}
	places, err := n.r.places(place)
	if err != nil {
		t.Fatal(err)
	}
	e, err := n.r.newEndpoint(places[0])
	if err != nil {
		t.Fatal(err)
	}
	d := v1.Descriptor{Digest: hashBytes(nil), Size: 5, URLs: []string{"https://" + elsewhere + "/layer"}}
	_, err = e.layer(d)(t.Context(), 0)
	refuses(t, err, "it does not have the layer")
	if asked {
		t.Error("the URL of a foreign layer was asked")
	}
}

func TestContentRange(t *testing.T) {
	tests := []struct {
		in                string
		first, last, size int64
		ok                bool
	}{
		{"bytes 0-9/10", 0, 9, 10, true},
		{"bytes 5-9/*", 5, 9, -1, true},
		{"bytes 5-9/9", 0, 0, 0, false},
		{"bytes 9-5/10", 0, 0, 0, false},
		{"bytes */10", 0, 0, 0, false},
		{"bytes -1-9/10", 0, 0, 0, false},
		{"bytes +1-9/10", 0, 0, 0, false},
		{"bytes 0-9223372036854775808/*", 0, 0, 0, false},
		{"lines 0-9/10", 0, 0, 0, false},
		{"", 0, 0, 0, false},
	}
	for _, test := range tests {
		first, last, size, ok := contentRange(test.in)
		if ok != test.ok || ok && (first != test.first || last != test.last || size != test.size) {
			t.Errorf("%q: %d-%d/%d %t", test.in, first, last, size, ok)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 0-9/10")
	f.Add("bytes 5-9/*")
	f.Add("bytes --/" + strings.Repeat("9", 40))
	f.Fuzz(func(t *testing.T, s string) {
		first, last, size, ok := contentRange(s)
		if ok && (first < 0 || last < first || size >= 0 && last >= size) {
			t.Errorf("%q: %d-%d/%d", s, first, last, size)
		}
	})
}
