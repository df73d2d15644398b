package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// recordVersion is raised when the meaning of a record or of an entry changes:
// older ones are then written again.
const recordVersion = 2

// maxRecord bounds a record and an entry in bytes: an image config of 4 MiB
// and the two files of accounts, escaped.
const maxRecord = 32 << 20

// Record says what a reference means: which image, found where, and what it
// was checked against.
type Record struct {
	Version   int     `json:"version"`
	Reference string  `json:"reference"` // with an absolute path
	Source    []Stamp `json:"source"`    // what the source looked like; none for a registry
	Digest    string  `json:"digest"`    // manifest digest, sha256:<64 hexadecimal digits>
	// Index is the digest of the index that led to the manifest, if one did:
	// several may, and a signature may be of this one only.
	Index string `json:"index,omitempty"`
	// From is where the image of a bare name was found.
	From string `json:"from,omitempty"`
	// Repository is what a registry knows the image as, if one does.
	Repository string `json:"repository,omitempty"`
	// Trust is the hash of what the image was checked against, Verified what
	// held, and Expires when it must be checked again; zero is never.
	Trust    string    `json:"trust"`
	Verified []string  `json:"verified,omitempty"`
	Expires  time.Time `json:"expires,omitzero"`
	Pulled   time.Time `json:"pulled"`
}

// Holds reports whether the record still says what ref means, under policy,
// whose hash is trust. What was asked of a name is asked of each name: another
// one may have been given to the image since it was checked.
func (r *Record) Holds(ref Reference, policy spec.Trust, trust string, now time.Time) bool {
	return r.Reference == ref.String() && r.Trust == trust && (ref.Pinned() || !policy.RequireDigest) &&
		(r.Expires.IsZero() || now.Before(r.Expires)) && Fresh(r.Source)
}

// ValidDigest reports whether s is a digest that may become part of a path.
func ValidDigest(s string) bool {
	if len(s) != len("sha256:")+64 || s[:7] != "sha256:" {
		return false
	}
	for _, c := range s[7:] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
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
	case r.Index != "" && !ValidDigest(r.Index):
		return nil, fmt.Errorf("record with index %q", r.Index)
	case !ValidDigest(r.Digest):
		return nil, fmt.Errorf("record with digest %q", r.Digest)
	}
	return &r, nil
}

// recordName is the file name of ref's record: a digest, so that no part of a
// reference ever becomes part of a path.
func recordName(ref Reference) string {
	sum := sha256.Sum256([]byte(ref.String()))
	return hex.EncodeToString(sum[:]) + ".json"
}

// Record finds the record of ref, whose path is absolute and whose name is
// full. A record that is missing or cannot be understood is nil: it will be
// written again.
func (s *Store) Record(ref Reference) *Record {
	return read(s.path("refs", recordName(ref)), DecodeRecord)
}

// PutRecord writes the record of ref: whole or not at all, also after a power
// cut.
func (s *Store) PutRecord(ref Reference, r *Record) error {
	r.Version, r.Reference = recordVersion, ref.String()
	return s.put("refs", recordName(ref), r)
}

// read reads and decodes a document of the store; nil when it cannot.
func read[T any](path string, decode func([]byte) (*T, error)) *T {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := readRegular(f, maxRecord)
	if err != nil {
		return nil
	}
	doc, err := decode(b)
	if err != nil {
		return nil
	}
	return doc
}

// unfinished is how the names of documents begin that are being written.
const unfinished = "new-"

// put writes a document of the store.
func (s *Store) put(dir, name string, doc any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	if len(b) > maxRecord {
		return fmt.Errorf("record of %d bytes; at most %d are read", len(b), maxRecord)
	}
	f, err := os.CreateTemp(s.path(dir), unfinished)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when the rename succeeded
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.path(dir, name)); err != nil {
		return err
	}
	return syncDir(s.path(dir))
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
