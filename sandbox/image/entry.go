package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/safe-run/safe-run/spec"
)

// Entry is an image of the store, by its manifest digest: what the launcher
// needs to run it.
type Entry struct {
	Version int    `json:"version"`
	Digest  string `json:"digest"` // of the manifest
	// Index is the digest of the index that led to the manifest, if one did.
	Index     string       `json:"index,omitempty"`
	MediaType string       `json:"mediaType"`
	Made      bool         `json:"made,omitempty"` // the manifest was made here
	ConfigRaw string       `json:"configDigest"`   // of the image config
	Layers    []EntryLayer `json:"layers"`         // lowest first
	Created   time.Time    `json:"created,omitzero"`
	Stored    time.Time    `json:"stored"`
	// Size is what the layers take up on disk, in bytes.
	Size   int64            `json:"size"`
	Config spec.ImageConfig `json:"config"`
	// Passwd and Group are the image's own files of accounts.
	Passwd []byte `json:"passwd,omitempty"`
	Group  []byte `json:"group,omitempty"`
}

// EntryLayer is one layer of an image.
type EntryLayer struct {
	Chain  string `json:"chain"`  // chain id: names the directory
	DiffID string `json:"diffID"` // of the tar
	Blob   string `json:"blob"`   // of the tar as it was stored
	Media  string `json:"mediaType"`
	Size   int64  `json:"size"` // of the blob, in bytes
}

// Entry finds the image of a manifest digest; nil when there is none.
func (s *Store) Entry(digest string) *Entry {
	if !ValidDigest(digest) {
		return nil
	}
	e := read(s.path("images", fileName(digest)+".json"), DecodeEntry)
	if e == nil || e.Digest != digest {
		return nil
	}
	return e
}

// PutEntry writes an image whose layers and blobs are in the store.
func (s *Store) PutEntry(e *Entry) error {
	e.Version = recordVersion
	if _, err := checkEntry(e); err != nil {
		return err
	}
	return s.put("images", fileName(e.Digest)+".json", e)
}

// DecodeEntry reads an entry and checks what paths are made of.
func DecodeEntry(b []byte) (*Entry, error) {
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, err
	}
	if e.Version != recordVersion {
		return nil, fmt.Errorf("entry of version %d, not %d", e.Version, recordVersion)
	}
	return checkEntry(&e)
}

func checkEntry(e *Entry) (*Entry, error) {
	if !ValidDigest(e.Digest) || !ValidDigest(e.ConfigRaw) || e.Index != "" && !ValidDigest(e.Index) {
		return nil, errors.New("entry with an impossible digest")
	}
	for _, l := range e.Layers {
		if !ValidDigest(l.Chain) || !ValidDigest(l.DiffID) || !ValidDigest(l.Blob) {
			return nil, errors.New("entry with an impossible layer")
		}
	}
	return e, nil
}

// Complete reports whether every layer of e is there. It is only meaningful
// while the image's lock is held.
func (s *Store) Complete(e *Entry) bool {
	for _, l := range e.Layers {
		if !isDirectory(s.Layer(l.Chain)) {
			return false
		}
	}
	return true
}

// Trees are the directories of e's layers, lowest first.
func (s *Store) Trees(e *Entry) []string {
	out := make([]string, len(e.Layers))
	for i, l := range e.Layers {
		out[i] = s.Layer(l.Chain)
	}
	return out
}
