package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// record is what is known of one sandbox: enough to remove what it has, and
// to write its rules again when someone flushed the ruleset.
type record struct {
	ID      string       `json:"id"`
	Slot    int          `json:"slot"`
	Address netip.Addr   `json:"address"`
	Network spec.Network `json:"network"`
}

// shared is what the host was before the first sandbox.
type shared struct {
	// Boot tells records of this boot from those of one before, whose
	// sysctls are gone with it.
	Boot string `json:"boot"`
	// Global is net.ipv4.ip_forward as it was found.
	Global string `json:"global"`
	// Forwarding are the interfaces whose forwarding was switched on.
	Forwarding []string `json:"forwarding"`
}

const sharedName = "shared.json"

func (h *host) save(r record) error    { return h.write(r.ID+".json", r) }
func (h *host) forget(id string) error { return h.unlink(id + ".json") }

func (h *host) load(id string) (rec record, found bool, err error) {
	data, err := os.ReadFile(filepath.Join(h.dir, id+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, fmt.Errorf("read a network record: %w", err)
	}
	rec, err = decodeRecord(id, data)
	return rec, err == nil, err
}

// decodeRecord refuses a record that is not one of sandbox id.
func decodeRecord(id string, data []byte) (record, error) {
	var r record
	err := json.Unmarshal(data, &r)
	if err == nil && (r.ID != id || !r.Address.Is4()) {
		err = errors.New("it is not of this sandbox")
	}
	if err == nil {
		err = Config{ID: r.ID, Slot: r.Slot, Network: r.Network}.check()
	}
	if err != nil {
		return record{}, problem.New("remove the file and run safe-run gc", "network record %.12s: %w", id, err)
	}
	return r, nil
}

// ids lists the sandboxes on record.
func (h *host) ids() ([]string, error) {
	entries, err := os.ReadDir(h.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the network records: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && validID(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// records reads every record. One that cannot be read is left out: its
// sandbox loses its network, the others do not.
func (h *host) records() ([]record, error) {
	ids, err := h.ids()
	if err != nil {
		return nil, err
	}
	var all []record
	for _, id := range ids {
		if r, found, err := h.load(id); err == nil && found {
			all = append(all, r)
		}
	}
	return all, nil
}

func (h *host) loadShared() (shared, error) {
	fresh := shared{Boot: bootID()}
	data, err := os.ReadFile(filepath.Join(h.dir, sharedName))
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return shared{}, fmt.Errorf("read a network record: %w", err)
	}
	var s shared
	if err := json.Unmarshal(data, &s); err != nil {
		return shared{}, problem.New("see what forwards: sysctl -a -r ipv4.conf.*forwarding; then remove the file",
			"network record %s: %w", sharedName, err)
	}
	if s.Boot != fresh.Boot {
		return fresh, nil
	}
	return s, nil
}

func (h *host) saveShared(s shared) error { return h.write(sharedName, s) }

// forgetShared removes the directory with its last file. Its lock stays: it
// cannot be removed without a race.
func (h *host) forgetShared() error {
	if err := h.unlink(sharedName); err != nil {
		return err
	}
	os.Remove(h.dir) // fails when it is not empty, which is no harm
	return nil
}

// write replaces a file as a whole. It is not synced: after a crash of the
// machine nothing of what it describes is left.
func (h *host) write(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return fmt.Errorf("write a network record: %w", err)
	}
	tmp := filepath.Join(h.dir, ".new") // one writer at a time: the lock
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("write a network record: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(h.dir, name)); err != nil {
		return fmt.Errorf("write a network record: %w", err)
	}
	return nil
}

func (h *host) unlink(name string) error {
	err := os.Remove(filepath.Join(h.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a network record: %w", err)
	}
	return nil
}

func bootID() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
}
