package source

import (
	"net/http"
	"strings"
	"testing"
)

// TestLedAstray: where a registry at each kind of address may lead us.
func TestLedAstray(t *testing.T) {
	i := testImage(t, testArch, "content")
	h := testRegistry()
	put(t, h, "app:1", i)
	tests := []struct {
		registry, to string
		want         string
	}{
		{someAddress, "198.51.100.9", ""},
		{someAddress, "10.0.0.9", "a private address"},
		{someAddress, "127.0.0.1", "a loopback address"},
		{someAddress, "::1", "a loopback address"},
		{someAddress, "::ffff:127.0.0.1", "a loopback address"},
		{someAddress, "64:ff9b::7f00:1", "a loopback address"},
		{someAddress, "2002:a9fe:a9fe::1", "a cloud metadata address"},
		{someAddress, "169.254.169.254", "a cloud metadata address"},
		{someAddress, "fd00:ec2::254", "a cloud metadata address"},
		{someAddress, "169.254.1.1", "a link-local address"},
		{someAddress, "fe80::1", "a link-local address"},
		{someAddress, "fd12::1", "a private address"},
		{someAddress, "100.64.0.1", "a private address"},
		{someAddress, "0.0.0.0", "a reserved address"},
		{someAddress, "::", "a reserved address"},
		{someAddress, "224.0.0.1", "a reserved address"},
		{"10.0.0.5", "10.0.0.9", ""},
		{"10.0.0.5", "198.51.100.9", ""},
		{"10.0.0.5", "127.0.0.1", "a loopback address"},
		{"10.0.0.5", "169.254.169.254", "a cloud metadata address"},
		{"fd12::5", "fd00:ec2::254", "a cloud metadata address"},
		{"127.0.0.1", "127.0.0.1", ""},
		{"127.0.0.1", "10.0.0.9", "a private address"},
		{"127.0.0.1", "169.254.169.254", "a cloud metadata address"},
	}
	for _, test := range tests {
		t.Run(test.registry+" to "+test.to, func(t *testing.T) {
			n := newNetwork(t)
			storage := n.serve("storage.example.com", test.to, h)
			redirect := tampered(h, "/blobs/", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://"+storage+r.URL.Path, http.StatusTemporaryRedirect)
			})
			host := n.serve(someHost, test.registry, redirect)
			n.trust(host, storage)
			_, err := n.find(host + "/app:1")
			if test.want == "" && err != nil {
				t.Fatal(err)
			}
			if test.want != "" {
				refuses(t, err, test.want, "leads to storage.example.com")
			}
		})
	}
}

// TestNoRegistryIsAtMetadata: the first address of a registry's name is whatever
// the name's owner wants.
func TestNoRegistryIsAtMetadata(t *testing.T) {
	n := newNetwork(t)
	host := n.serve(someHost, "169.254.169.254", testRegistry())
	_, err := n.find(host + "/app:1")
	refuses(t, err, "a cloud metadata address")
}

// TestNameThatMoves: a registry whose name turns out to be another address
// later leads astray, too.
func TestNameThatMoves(t *testing.T) {
	n := newNetwork(t)
	i := testImage(t, testArch, "content")
	h := testRegistry()
	put(t, h, "app:1", i)
	var host string
	host = n.serve(someHost, someAddress, tampered(h, "/blobs/", func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		n.names[host] = at{"127.0.0.1", n.names[host].server}
		n.mu.Unlock()
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	_, err := n.find(host + "/app:1")
	refuses(t, err, "a loopback address")
}

func TestRedirects(t *testing.T) {
	i := testImage(t, testArch, "content")
	h := testRegistry()
	put(t, h, "app:1", i)
	tests := []struct {
		name string
		to   func(host string, r *http.Request) string
		want string
	}{
		{"in a circle", func(host string, r *http.Request) string { return "https://" + host + r.URL.Path }, "redirects more than 5 times"},
		{"to http", func(host string, r *http.Request) string { return "http://" + host + r.URL.Path }, "redirects from https to"},
		{"to a file", func(string, *http.Request) string { return "file:///etc/passwd" }, "redirects from https to"},
		{"to a user", func(host string, _ *http.Request) string { return "https://u:secret@" + host + "/" }, "a user in it"},
		{"to no host", func(string, *http.Request) string { return "https://nowhere.invalid/secret" }, "cannot be resolved"},
		{"to nothing", func(string, *http.Request) string { return "" }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t)
			var host string
			host = n.serve(someHost, someAddress, tampered(h, "/blobs/", func(w http.ResponseWriter, r *http.Request) {
				if to := test.to(host, r); to != "" {
					w.Header().Set("Location", to)
				}
				w.WriteHeader(http.StatusTemporaryRedirect)
			}))
			_, err := n.find(host + "/app:1")
			refuses(t, err, test.want)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q shows a URL", err)
			}
		})
	}
}
