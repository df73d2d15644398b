package runc

import (
	"os"
	"path/filepath"
	"strings"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

// memory is a filter that was compiled once and kept, for init to load.
// Nothing that fails here fails a launch: then init compiles, as it does when
// what it is given was made of something else than what it is asked for.
type memory struct {
	found sync.WaitGroup
	file  *os.File // sealed; nil where there is none
	path  string   // where it is kept
}

// remembering begins to look for the compiled form of a container's filter, and
// compiles it when it was never kept.
func remembering(cfg Config) *memory {
	m := &memory{}
	if cfg.OCI.Linux != nil && cfg.OCI.Linux.Seccomp != nil && cfg.Filters != "" {
		m.found.Go(func() { m.look(cfg.OCI.Linux.Seccomp, compiled.Store{Dir: cfg.Filters}) })
	}
	return m
}

func (m *memory) look(filter *specs.LinuxSeccomp, store compiled.Store) {
	key, err := compiled.Key(filter)
	if err != nil {
		return
	}
	encoded, err := store.Load(key)
	if err != nil {
		entry, err := entryOf(filter)
		if err != nil {
			return
		}
		encoded = entry.Encode(key)
		_ = store.Save(key, encoded) // or the next launch compiles again
	}
	if m.file, err = compiled.Sealed(encoded); err == nil {
		m.path = filepath.Join(store.Dir, key)
	}
}

// noteFilter is the file beside libcontainer's state that says where the compiled
// filter is kept, for those who join the container.
const noteFilter = "filter"

// ready gives the filter; nil when there is none.
func (m *memory) ready(state string) *os.File {
	m.found.Wait()
	if m.file != nil {
		_ = os.WriteFile(filepath.Join(state, noteFilter), []byte(m.path), 0o600)
	}
	return m.file
}

func (m *memory) close() {
	m.found.Wait()
	m.file.Close()
}

// noted gives the compiled filter of a running container, sealed; nil when there
// is none.
func noted(state string) *os.File {
	path, err := os.ReadFile(filepath.Join(state, noteFilter))
	if err != nil {
		return nil
	}
	dir, key := filepath.Split(strings.TrimSpace(string(path)))
	encoded, err := compiled.Store{Dir: filepath.Clean(dir)}.Load(key)
	if err != nil {
		return nil
	}
	sealed, err := compiled.Sealed(encoded)
	if err != nil {
		return nil
	}
	return sealed
}
