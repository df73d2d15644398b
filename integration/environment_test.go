package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestEnvironment: nothing of the host's environment goes in, and what is asked
// for does.
func TestEnvironment(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte("# a comment\nFROM_FILE=1\nGIVEN=from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := launcher(t, "--env-file", file, "-e", "GIVEN=by flag", "-e", "PASSED", "dir:"+built(t).root, "/peek", "env")
	cmd.Env = append(cmd.Env, "SECRET=host", "PASSED=host", "LD_PRELOAD=/nothing.so", "AWS_SECRET_ACCESS_KEY=host")
	got := finish(t, cmd)
	for _, want := range []string{"GIVEN=by flag", "FROM_FILE=1", "PASSED=host", "PATH=/", "HOME="} {
		if !strings.Contains(got.line(), want) {
			t.Errorf("the environment has no %s: %s\n%s", want, got.line(), got.err)
		}
	}
	for _, name := range []string{"SECRET=", "AWS_", "LD_PRELOAD", "LANG=C", "_LIBCONTAINER", "NOTIFY_SOCKET"} {
		if strings.Contains(got.line(), name) {
			t.Errorf("the environment has %s: %s", name, got.line())
		}
	}
}

// TestDescriptors: what the launcher's caller has open stays outside. The same
// look on a plain child of ours sees the file, so it would be seen.
func TestDescriptors(t *testing.T) {
	needRoot(t)
	file, err := os.Open("/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := launcher(t, "dir:"+built(t).root, "/peek", "fds")
	cmd.ExtraFiles = []*os.File{file}
	if got := finish(t, cmd); got.line() != "none" {
		t.Errorf("open inside: %s\n%s", got.line(), got.err)
	}
	plain := launcher(t, "fds")
	plain.Path = built(t).peek
	plain.ExtraFiles = []*os.File{file}
	if got := finish(t, plain); !strings.Contains(got.line(), "/etc/hostname") {
		t.Errorf("the look does not see an inherited file: %s", got.line())
	}
}

// TestNamespaces: each namespace inside is none of the host's, and no other
// container's.
func TestNamespaces(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	for _, kind := range []string{"mnt", "pid", "ipc", "uts", "net", "cgroup", "user"} {
		first, second := start2(t, "ns", kind)
		host := outside(t, "ns", kind)
		if first == second || first == host || !strings.HasPrefix(first, kind+":[") {
			t.Errorf("%s: %s and %s in two containers, %s on the host: want three", kind, first, second, host)
		}
	}
}

// start2 asks two containers that run at the same time.
func start2(t *testing.T, words ...string) (string, string) {
	t.Helper()
	words = append([]string{"then-sleep"}, words...)
	a, first := start(t, nil, words...)
	b, second := start(t, nil, words...)
	a.end(t, os.Interrupt)
	b.end(t, os.Interrupt)
	return first, second
}

// TestIDRanges: two containers share no id of the host.
func TestIDRanges(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	first, second := start2(t, "idmap", "uid")
	if first == second {
		t.Errorf("two containers have the same ids of the host: %s", first)
	}
}

// TestKeyring: the session keyring is a new one. It takes a profile that allows
// keyctl to see that.
func TestKeyring(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	flags := profile(t, allowCall("keyctl"))
	first, second := peek(t, flags, "keyring"), peek(t, flags, "keyring")
	host := outside(t, "keyring")
	seen := []string{first.line(), second.line(), host}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != 3 || first.line() == "" {
		t.Errorf("session keyrings %q and %q in two containers, %q on the host: want three\n%s", first.line(), second.line(), host, first.err)
	}
}

// TestOwners: files of the image are seen with their true owners, though the
// host's ids mean nothing inside.
func TestOwners(t *testing.T) {
	needRoot(t)
	for path, want := range map[string]string{"/text": "0:0 644", "/data": "1000:1000 755", "/open": "0:0 777"} {
		if got := peek(t, nil, "stat", path); got.line() != want {
			t.Errorf("%s: %q, want %q\n%s", path, got.line(), want, got.err)
		}
	}
}

// TestUserFlag: --user takes numbers and names, and names are looked up in the
// image.
func TestUserFlag(t *testing.T) {
	needRoot(t)
	tests := []struct {
		user, want string
		code       int
		says       string
	}{
		{user: "1234:5678", want: "1234:5678"},
		{user: "app", want: "1000:1000"},
		{user: "app:extra", want: "1000:1001"},
		{user: "nobody-here", code: 125, says: "nobody-here"},
		{user: "0", code: 125, says: "root"},
		{user: "root", code: 125, says: "root"},
	}
	for _, test := range tests {
		got := peek(t, []string{"-u", test.user}, "id")
		if got.line() != test.want || got.code != test.code || !strings.Contains(got.err, test.says) {
			t.Errorf("-u %s: %q (exit code %d), want %q (%d)\n%s", test.user, got.line(), got.code, test.want, test.code, got.err)
		}
	}
}

// TestNoNetwork: with the network's system calls allowed there still is nothing
// to be reached; under web there is an interface.
func TestNoNetwork(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	sockets := profile(t, "seccomp: {addressFamilies: [{name: AF_INET, why: test}, {name: AF_NETLINK, why: test}]}")
	looks := []struct{ look, none, web string }{
		{"interfaces", `lo`, `(lo .+|.+ lo)`},
		{"connect udp 192.0.2.1:9", `ENETUNREACH`, `timeout|E(HOST|NET)UNREACH|EPERM|ECONNREFUSED`},
		{"bind 127.0.0.1:80", `EACCES`, `ok`},
	}
	for _, l := range looks {
		if got := peek(t, sockets, strings.Fields(l.look)...); !whole(l.none, got.line()) {
			t.Errorf("without a network, peek %s: %q, want %s\n%s", l.look, got.line(), l.none, got.err)
		}
		if got := peek(t, []string{"--profile", "web"}, strings.Fields(l.look)...); !whole(l.web, got.line()) {
			t.Errorf("with a network, peek %s: %q, want %s\n%s", l.look, got.line(), l.web, got.err)
		}
	}
	if got := peek(t, nil, "socket", "AF_INET", "1", "0"); !whole(`EPERM|EAFNOSUPPORT`, got.line()) {
		t.Errorf("the default profile has AF_INET: %q", got.line())
	}
}
