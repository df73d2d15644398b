package compiled_test

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

const key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

var entry = compiled.Entry{Question: []byte("a question of 24 bytes.."), Program: []byte("eight...eight...")}

func TestEntry(t *testing.T) {
	encoded := entry.Encode(key)
	got, err := compiled.Decode(key, encoded)
	if err != nil || !bytes.Equal(got.Question, entry.Question) || !bytes.Equal(got.Program, entry.Program) {
		t.Fatalf("%q: %v", got, err)
	}
	if _, err := compiled.Decode("another", encoded); err == nil {
		t.Error("it is another key's, too")
	}
	for i := range encoded {
		if _, err := compiled.Decode(key, encoded[:i]); err == nil {
			t.Errorf("its first %d bytes are taken for it", i)
		}
		for _, flip := range []byte{1, 0x80} {
			damaged := bytes.Clone(encoded)
			damaged[i] ^= flip
			if _, err := compiled.Decode(key, damaged); err == nil {
				t.Errorf("byte %d is another, and nobody sees it", i)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(entry.Encode(key))
	f.Add([]byte("SRFILTER\x00\x00\x00\x00\x08\x00\x00\x00"))
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := compiled.Decode(key, data)
		if err == nil && !bytes.Equal(got.Encode(key), data) {
			t.Errorf("%x is read as %q", data, got)
		}
	})
}

// TestKey: the same content has the same key, and another content another.
func TestKey(t *testing.T) {
	key := func(filter string) string {
		t.Helper()
		key, err := compiled.Key([]byte(filter))
		if err != nil || len(key) != 64 {
			t.Fatalf("%q: %v", key, err)
		}
		return key
	}
	read, again, write := key(`["read"]`), key(`["read"]`), key(`["write"]`)
	if read != again || read == write {
		t.Error("keys do not go by what is in a filter")
	}
}

// TestSealed: what another process is given cannot change, and nothing else is
// taken for it.
func TestSealed(t *testing.T) {
	f, err := compiled.Sealed(entry.Encode(key))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("it can be written")
	}
	if err := f.Truncate(0); err == nil {
		t.Error("it can be cut")
	}
	got, err := compiled.Unseal(int(f.Fd()))
	if err != nil || !bytes.Equal(got.Program, entry.Program) || !bytes.Equal(got.Question, entry.Question) {
		t.Errorf("%q: %v", got, err)
	}
	open, err := unix.MemfdCreate("open", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(open)
	if _, err := compiled.Unseal(open); err == nil || compiled.IsSealed(open) || compiled.IsSealed(-1) {
		t.Error("what is not sealed is taken")
	}
}
