package shim

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// record is how the first process of a bundle ended, for who cleans up after a
// shim that was killed.
type record struct {
	Pid  int       `json:"pid"`
	Code uint32    `json:"exitStatus"`
	At   time.Time `json:"exitedAt"`
}

func recordFile(bundle string) string { return filepath.Join(stateOf(bundle), "exit.json") }

func (r record) write(bundle string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name := recordFile(bundle)
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func readRecord(bundle string) (r record, err error) {
	data, err := os.ReadFile(recordFile(bundle))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}
