package runc

import (
	"os"
	"sync"

	"github.com/opencontainers/runc/libcontainer/configs"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

// FiltersDir keeps compiled system call filters. All of it may be removed at any
// time.
const FiltersDir = "/var/lib/safe-run/filters"

// memory is a filter that was compiled once and kept, for init to load. Nothing
// that fails here fails a launch: then init compiles, as it does when what it is
// given was made of something else than what it is asked for.
type memory struct {
	found sync.WaitGroup
	file  *os.File // sealed; nil where there is none
}

// remembering begins to look in dir for the compiled form of a filter, and
// compiles it when it was never kept.
func remembering(filter *configs.Seccomp, dir string) *memory {
	m := &memory{}
	if filter == nil {
		return m
	}
	content := *filter
	content.ListenerPath, content.ListenerMetadata = "", "" // no part of the program
	m.found.Go(func() { m.look(&content, compiled.Store{Dir: dir}) })
	return m
}

func (m *memory) look(filter *configs.Seccomp, store compiled.Store) {
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
	if file, err := compiled.Sealed(encoded); err == nil {
		m.file = file
	}
}

// ready gives the filter; nil when there is none. It is closed by close.
func (m *memory) ready() *os.File {
	m.found.Wait()
	return m.file
}

func (m *memory) close() {
	m.found.Wait()
	if m.file != nil {
		m.file.Close()
	}
}
