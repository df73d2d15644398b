package cli

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseUse(t *testing.T) {
	lookup := lookupIn([]string{"HOME=/root", "EMPTY=", "HOMER=no"})
	u, err := parseUse([]string{"-i", "-e", "A=1", "-e", "HOME", "-e", "NONE", "-w", "/tmp", "--rm", "--", "-x", "y"}, lookup)
	if err != nil || !u.stdin || u.WorkingDir != "/tmp" || !slices.Equal(u.Env, []string{"A=1", "HOME=/root"}) || !slices.Equal(u.Args, []string{"-x", "y"}) {
		t.Errorf("%+v, %v", u, err)
	}
	for _, flag := range runFlags {
		if slices.Contains(pooled, flag.name) {
			continue
		}
		word := "--" + flag.name
		if flag.arg != "" {
			word += "=1"
		}
		if _, err := parseUse([]string{word, "true"}, lookup); err == nil || !strings.Contains(err.Error(), "--"+flag.name) {
			t.Errorf("%s of a run in a pool: %v", word, err)
		}
	}
}

func TestPoolFlag(t *testing.T) {
	o, err := parseRun([]string{"-e", "A=1", "--pool=x", "true", "-m"})
	if err != nil || o.Pool != "x" || o.Image != "" || !slices.Equal(o.Request.Args, []string{"true", "-m"}) {
		t.Errorf("%+v, %v", o, err)
	}
}

// What is said arrives whole, however slowly it is read.
func TestSaidWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	text := bytes.Repeat([]byte("words\n"), mostWords/6)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		(&caller{conn: conn.(*net.UnixConn)}).end(text, 7)
	}()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	time.Sleep(50 * time.Millisecond) // until the socket is full
	got, err := io.ReadAll(conn)
	if want := len(text) + 16; err != nil || len(got) != want || !bytes.Equal(got[8:8+len(text)], text) {
		t.Errorf("%d bytes arrived, want %d (%v)", len(got), want, err)
	}
}

// What a caller sends becomes a command line and an environment, or nothing.
func FuzzPoolRequest(f *testing.F) {
	f.Add([]byte("true\x00A=1\x00"), uint32(1), uint32(1))
	f.Add([]byte("-i\x00-e\x00A\x00--\x00cat\x00A=1\x00"), uint32(5), uint32(1))
	f.Add([]byte(""), uint32(0), uint32(0))
	f.Add([]byte("a"), uint32(1), uint32(0))
	f.Add([]byte("\x00"), uint32(1<<31), uint32(1<<31))
	f.Fuzz(func(t *testing.T, data []byte, argc, envc uint32) {
		args, env, err := texts(data, argc, envc)
		if err != nil {
			return
		}
		all := slices.Concat(args, env)
		if len(args) != int(argc) || len(env) != int(envc) || len(all) > 0 && strings.Join(all, "\x00")+"\x00" != string(data) {
			t.Fatalf("%q, %d and %d: %q and %q", data, argc, envc, args, env)
		}
		u, err := parseUse(args, lookupIn(env))
		if err == nil && len(u.Args) > len(args) {
			t.Fatalf("%q: %q", args, u.Args)
		}
	})
}
