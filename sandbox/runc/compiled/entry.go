// Package compiled keeps compiled system call filters, so that a filter is
// compiled once and not at each launch. libcontainer's init compiles with
// libseccomp and takes no program from elsewhere; so it is libseccomp that is
// given one, inside of that init, and only if it is asked exactly what the
// program was made of. Everything else, from the loading on, is libcontainer's.
package compiled

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// An Entry is a compiled filter: what libseccomp was asked, and what it made of
// it, as the kernel takes it (struct sock_filter).
type Entry struct {
	Question, Program []byte
}

// maker is what an entry is made by: another libseccomp, or another build of
// this program with a libseccomp that calls itself the same, makes its own.
func maker() (string, error) {
	var stat unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &stat); err != nil {
		return "", err
	}
	return fmt.Sprintf("1 %s %s %d %d.%d\n", runtime.GOARCH, library(), stat.Size, stat.Mtim.Sec, stat.Mtim.Nsec), nil
}

// Key names the entry of a filter: a hash of its content, as JSON, and of what
// compiles it.
func Key(text []byte) (string, error) {
	by, err := maker()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	hash.Write([]byte(by))
	hash.Write(text)
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// An encoded entry is magic, two lengths, question, program, and a SHA-256 of
// the key and all that. The question begins at a multiple of eight.
const (
	magic  = "SRFILTER"
	header = len(magic) + 8
)

// MaxSize bounds an encoded entry: the kernel takes 4096 instructions
// (BPF_MAXINSNS), and no question is near the rest.
const MaxSize = 1 << 20

var errDamaged = errors.New("a compiled filter is damaged")

// Encode writes an entry for its key.
func (e Entry) Encode(key string) []byte {
	out := []byte(magic)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(e.Question)))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(e.Program)))
	out = append(append(out, e.Question...), e.Program...)
	return append(out, check(key, out)...)
}

// Decode reads an entry, if it is whole and the key's.
func Decode(key string, data []byte) (Entry, error) {
	e, err := split(data)
	if err != nil {
		return Entry{}, err
	}
	end := len(data) - sha256.Size
	if !bytes.Equal(check(key, data[:end]), data[end:]) {
		return Entry{}, errDamaged
	}
	return e, nil
}

// split finds the parts of an entry.
func split(data []byte) (Entry, error) {
	if len(data) < header+sha256.Size || len(data) > MaxSize || string(data[:len(magic)]) != magic {
		return Entry{}, errDamaged
	}
	question := int(binary.LittleEndian.Uint32(data[len(magic):]))
	program := int(binary.LittleEndian.Uint32(data[len(magic)+4:]))
	rest := data[header : len(data)-sha256.Size]
	if question < 1 || question > len(rest) || program != len(rest)-question || program < 8 || program%8 != 0 {
		return Entry{}, errDamaged
	}
	return Entry{Question: rest[:question], Program: rest[question:]}, nil
}

func check(key string, data []byte) []byte {
	hash := sha256.New()
	hash.Write([]byte(key))
	hash.Write(data)
	return hash.Sum(nil)
}
