package runc

import (
	"encoding/json"
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
//
// The rules for Landlock go with it, and them init does not do without.
type memory struct {
	found sync.WaitGroup
	file  *os.File // sealed; nil where there is none
	brief *configs.Seccomp
	whole []byte // what brief stands for, as JSON; see briefing
	rules []byte // for Landlock, as JSON
}

// remembering begins to look in dir for the compiled form of a configuration's
// filter, and compiles it when it was never kept.
func remembering(config *configs.Config, dir string) *memory {
	filter := config.Seccomp
	m := &memory{rules: landlockOf(config)}
	if filter == nil {
		return m
	}
	content := portable(filter)
	m.found.Go(func() {
		text, err := json.Marshal(content)
		if err != nil {
			return
		}
		if key, err := compiled.Key(text); err == nil {
			m.seal(look(content, key, compiled.Store{Dir: dir}))
		}
	})
	return m
}

// briefing is remembering for an init that need not know the filter at all: what
// it is told is brief.
func briefing(config *configs.Config, dir string) *memory {
	filter := config.Seccomp
	if filter == nil || !canBeBrief(filter) {
		return remembering(config, dir)
	}
	m, content := &memory{rules: landlockOf(config)}, portable(filter)
	m.found.Go(func() {
		whole, err := json.Marshal(content)
		if err != nil {
			return
		}
		key, err := compiled.Key(whole)
		if err != nil {
			return
		}
		encoded := look(content, key, compiled.Store{Dir: dir})
		entry, err := compiled.Decode(key, encoded)
		if err != nil {
			return
		}
		if brief, short, err := briefly(content, entry); err == nil {
			brief.ListenerPath, brief.ListenerMetadata = filter.ListenerPath, filter.ListenerMetadata
			m.brief, m.whole, encoded = brief, whole, short.Encode(key)
		}
		m.seal(encoded)
	})
	return m
}

// portable is the part of a filter that the program is made of.
func portable(filter *configs.Seccomp) *configs.Seccomp {
	content := *filter
	content.ListenerPath, content.ListenerMetadata = "", ""
	return &content
}

// look finds or makes the encoded entry of a filter; nil when there can be none.
func look(filter *configs.Seccomp, key string, store compiled.Store) []byte {
	encoded, err := store.Load(key)
	if err != nil {
		entry, err := entryOf(filter)
		if err != nil {
			return nil
		}
		encoded = entry.Encode(key)
		_ = store.Save(key, encoded) // or the next launch compiles again
	}
	return encoded
}

func (m *memory) seal(encoded []byte) {
	if encoded == nil {
		return
	}
	if file, err := compiled.Sealed(compiled.Pack(m.rules, encoded)); err == nil {
		m.file = file
	}
}

// ready gives the filter and the rules; nil when there are neither. It is closed
// by close. An error says that rules cannot be handed on.
func (m *memory) ready() (*os.File, error) {
	m.found.Wait()
	var err error
	if m.file == nil && m.rules != nil {
		m.file, err = compiled.Sealed(compiled.Pack(m.rules, nil))
	}
	return m.file, err
}

func (m *memory) close() {
	m.found.Wait()
	if m.file != nil {
		m.file.Close()
	}
}
