package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// recordVersion is raised when a record's meaning changes: older records are
// then written again.
const recordVersion = 1

// maxRecord bounds a record in bytes: an image config of 4 MiB, escaped.
const maxRecord = 32 << 20

// Record says that an image was unpacked: what the launcher needs to run it
// without looking at the source again.
type Record struct {
	Version   int              `json:"version"`
	Reference string           `json:"reference"` // with an absolute path
	Source    []Stamp          `json:"source"`    // what the source looked like
	Digest    string           `json:"digest"`    // manifest digest, sha256:<64 hexadecimal digits>
	Rootfs    string           `json:"rootfs"`    // of the tree, relative to the store
	Config    spec.ImageConfig `json:"config"`
}

// NewRecord makes the record of ref, unpacked from a source that looked like
// stamps.
func NewRecord(ref Reference, stamps []Stamp, digest string, config spec.ImageConfig) *Record {
	return &Record{
		Version: recordVersion, Reference: ref.String(), Source: stamps,
		Digest: digest, Rootfs: treePath(digest), Config: config,
	}
}

// Describes reports whether the record is of ref in the state of stamps.
func (r *Record) Describes(ref Reference, stamps []Stamp) bool {
	return r.Reference == ref.String() && slices.Equal(r.Source, stamps)
}

// ValidDigest reports whether s is a digest that may become part of a path.
func ValidDigest(s string) bool {
	hexa, found := strings.CutPrefix(s, "sha256:")
	return found && len(hexa) == 64 && strings.Trim(hexa, "0123456789abcdef") == ""
}

// DecodeRecord reads a record and checks what paths are made of.
func DecodeRecord(b []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	switch {
	case r.Version != recordVersion:
		return nil, fmt.Errorf("record of version %d, not %d", r.Version, recordVersion)
	case !ValidDigest(r.Digest):
		return nil, fmt.Errorf("record with digest %q", r.Digest)
	case r.Rootfs != treePath(r.Digest):
		return nil, fmt.Errorf("record with rootfs %q", r.Rootfs)
	}
	return &r, nil
}

// recordName is the file name of ref's record: a digest, so that no part of a
// reference ever becomes part of a path.
func recordName(ref Reference) string {
	sum := sha256.Sum256([]byte(ref.String()))
	return hex.EncodeToString(sum[:]) + ".json"
}

// Record finds the record of ref, which Locate has made absolute. A record
// that is missing or cannot be understood is nil: it will be written again.
func (s *Store) Record(ref Reference) *Record {
	f, err := os.OpenFile(s.path("records", recordName(ref)), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := readRegular(f, maxRecord)
	if err != nil {
		return nil
	}
	r, err := DecodeRecord(b)
	if err != nil {
		return nil
	}
	return r
}

// PutRecord writes the record of ref: whole or not at all, also after a power
// cut.
func (s *Store) PutRecord(ref Reference, r *Record) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if len(b) > maxRecord {
		return fmt.Errorf("record of %d bytes; at most %d are read", len(b), maxRecord)
	}
	f, err := os.CreateTemp(s.path("records"), "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when the rename succeeded
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.path("records", recordName(ref))); err != nil {
		return err
	}
	return syncDir(s.path("records"))
}

// readRegular reads all of f, a regular file of at most limit bytes.
func readRegular(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errIrregular
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, errTooLarge
	}
	return b, nil
}

// errTooLarge says that a file that is read whole is larger than its bound.
var errTooLarge = errors.New("too large")

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
