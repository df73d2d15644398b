package source

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

const (
	user   = "alice"
	secret = "s3cr3t-w0rd"
)

// login is auth.json with one login.
func login(host, password string) string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// basic asks for user and secret.
func basic(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != secret {
			w.Header().Set("WWW-Authenticate", `Basic realm="here, there"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func TestBasicAuth(t *testing.T) {
	n := newNetwork(t)
	h := &counting{Handler: testRegistry()}
	put(t, h.Handler, "app:1", testImage(t, testArch, "content"))
	host := n.serve(someHost, someAddress, basic(h))

	_, err := n.find(host + "/app:1")
	refuses(t, err, "without logging in")
	if hint := problem.HintOf(err); !strings.Contains(hint, "podman login "+host) {
		t.Errorf("hint %q", hint)
	}
	n.write("auth.json", login(host, "wrong-"+secret))
	_, err = n.find(host + "/app:1")
	refuses(t, err, "with the stored credentials")
	if strings.Contains(err.Error(), secret) {
		t.Errorf("error %q shows the password", err)
	}
	n.write("auth.json", login(host, secret))
	found := n.mustFind(host + "/app:1")
	if got, err := readLayer(t, found.Layers[0], 0); err != nil || got != "content" {
		t.Errorf("%q, %v", got, err)
	}
	if len(h.paths) != 3 {
		t.Errorf("served %v", h.paths)
	}
}

// tokens is a token service; it counts what it gave out.
type tokens struct {
	t       *testing.T
	path    string // of the repository
	anybody bool
	given   int
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.t.Error(err)
	}
	if got, want := r.Form.Get("scope"), "repository:"+s.path+":pull"; got != want {
		s.t.Errorf("scope %q, want %q", got, want)
	}
	u, p, _ := r.BasicAuth()
	refresh := r.Method == http.MethodPost && r.PostForm.Get("refresh_token") == secret && r.PostForm.Get("grant_type") == "refresh_token"
	if !s.anybody && !refresh && (u != user || p != secret || r.Form.Get("service") != "the service") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.given++
	fmt.Fprintf(w, `{"token":"token-%d"}`, s.given)
}

// bearer asks for the last token of s.
func bearer(h http.Handler, s *tokens, realm *string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.given == 0 || r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", s.given) {
			w.Header().Add("WWW-Authenticate", `Negotiate`)
			w.Header().Add("WWW-Authenticate", `Bearer realm="`+*realm+`",service="the service",scope="repository:victim:push,pull"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func TestBearerTokens(t *testing.T) {
	identity := func(host string) string {
		return fmt.Sprintf(`{"auths":{%q:{"auth":%q,"identitytoken":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("<token>:")), secret)
	}
	tests := []struct {
		name    string
		anybody bool
		auth    func(host string) string
		want    string
	}{
		{"anybody", true, nil, ""},
		{"a login", false, func(host string) string { return login(host, secret) }, ""},
		{"an identity token", false, identity, ""},
		{"nobody", false, nil, "without logging in"},
		{"a wrong login", false, func(host string) string { return login(host, "wrong") }, "with the stored credentials"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t)
			h := testRegistry()
			put(t, h, "acme/app:1", testImage(t, testArch, "content", "more"))
			s := &tokens{t: t, path: "acme/app", anybody: test.anybody}
			var realm string
			host := n.serve(someHost, someAddress, bearer(h, s, &realm))
			auth := n.serve("auth.example.com", "198.51.100.3", s)
			realm = "https://" + auth + "/token?account=x"
			n.trust(host, auth)
			if test.auth != nil {
				n.write("auth.json", test.auth(host))
			}
			found, err := n.find(host + "/acme/app:1")
			if test.want != "" {
				refuses(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range found.Layers {
				if _, err := readLayer(t, l, 0); err != nil {
					t.Error(err)
				}
			}
			if s.given != 1 {
				t.Errorf("%d tokens were asked for", s.given)
			}
			s.given++ // the token expires
			if _, err := readLayer(t, found.Layers[0], 0); err != nil || s.given != 3 {
				t.Errorf("after its end: %v, %d tokens", err, s.given)
			}
		})
	}
}

func TestHostileTokenServices(t *testing.T) {
	tests := []struct {
		name    string
		address string // of the token service
		scheme  string
		serve   http.HandlerFunc
		want    string
	}{
		{"on this machine", "127.0.0.1", "https", nil, "a loopback address"},
		{"in the cloud's metadata", "169.254.169.254", "https", nil, "a cloud metadata address"},
		{"in the inner network", "192.168.0.1", "https", nil, "a private address"},
		{"over http", someAddress, "http", nil, "is not https"},
		{"of another kind", someAddress, "gopher", nil, "is not https"},
		{"a token without end", someAddress, "https", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"token":"`)
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat("x", 1<<16))); err != nil {
					return
				}
			}
		}, "sent no token"},
		{"no token", someAddress, "https", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"note":"`+secret+`"}`) }, "sent no token"},
		{"no JSON", someAddress, "https", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, secret) }, "sent no token"},
		{"a token with a header in it", someAddress, "https", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"a\r\nX: y"}`) }, "sent no token"},
		{"stalls", someAddress, "https", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "{")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "stopped answering"},
		{"to another host", someAddress, "https", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://other.example.com/", http.StatusTemporaryRedirect)
		}, "redirects to another host"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			n.r.idle = 300 * time.Millisecond
			s := &tokens{t: t, path: "app", anybody: true}
			var realm string
			host := n.serve(someHost, someAddress, bearer(testRegistry(), s, &realm))
			serve := http.Handler(s)
			if test.serve != nil {
				serve = test.serve
			}
			auth := n.serve("auth.example.com", test.address, serve)
			n.trust(host, auth)
			realm = test.scheme + "://" + auth + "/token"
			n.write("auth.json", login(host, secret))
			_, err := n.find(host + "/app:1")
			refuses(t, err, test.want)
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error %q shows a secret", err)
			}
		})
	}
}

// TestNoLoginForOthers: what the registry redirects to sees no credentials,
// not even on its own subdomain or another port.
func TestNoLoginForOthers(t *testing.T) {
	for _, other := range []string{"sub.registry.example.com", someHost, "127.0.0.1"} {
		t.Run(other, func(t *testing.T) {
			n := newNetwork(t)
			h := testRegistry()
			put(t, h, "app:1", testImage(t, testArch, "content"))
			var seen []string
			storage := n.serve(other, someAddress, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r.Header.Get("Authorization")+r.Header.Get("Cookie")+r.Header.Get("Referer"))
				if seen[0] == "" && len(seen) == 1 { // asking for a login does not help
					w.Header().Set("WWW-Authenticate", `Basic realm="give"`)
				}
				h.ServeHTTP(w, r)
			}))
			host := n.serve(someHost, someAddress, basic(tampered(h, "/blobs/", func(w http.ResponseWriter, r *http.Request) {
				http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
				http.Redirect(w, r, "https://"+storage+r.URL.Path, http.StatusTemporaryRedirect)
			})))
			n.write("auth.json", login(host, secret))
			n.write("registries.conf", "[[registry]]\nlocation = \""+host+"\"\ninsecure = true\n") // the sub-subdomain's certificate
			found := n.mustFind(host + "/app:1")
			if _, err := readLayer(t, found.Layers[0], 0); err != nil {
				t.Error(err)
			}
			if len(seen) != 2 || seen[0]+seen[1] != "" {
				t.Errorf("seen %q", seen)
			}
		})
	}
}

func TestCredentialHelper(t *testing.T) {
	n := newNetwork(t)
	h := testRegistry()
	put(t, h, "app:1", testImage(t, testArch, "content"))
	host := n.serve(someHost, someAddress, basic(h))
	bin := t.TempDir()
	helper := func(script string) {
		if err := os.WriteFile(filepath.Join(bin, "docker-credential-test"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	n.write("auth.json", fmt.Sprintf(`{"credHelpers":{%q:"test"}}`, host))

	helper(fmt.Sprintf(`[ "$1" = get ] || exit 1; read server; echo '{"ServerURL":"'$server'","Username":%q,"Secret":%q}'`, user, secret))
	n.mustFind(host + "/app:1")

	helper("echo " + secret + "; exit 1")
	_, err := n.find(host + "/app:1")
	refuses(t, err, "credentials cannot be read")
	if strings.Contains(err.Error()+problem.HintOf(err), secret) {
		t.Errorf("error %q shows what the helper said", err)
	}
	n.write("auth.json", "{ "+secret)
	_, err = n.find(host + "/app:1")
	refuses(t, err, "is not JSON")
	if strings.Contains(err.Error(), secret) {
		t.Errorf("error %q shows what is in the file", err)
	}
}
