package sandbox

import (
	"errors"
	"os"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// Rename gives a container another name, whether it runs or not. One that runs
// in the foreground keeps its name: whoever started it knows it by that.
func Rename(root, ref, name string) error {
	kept, err := ledger.Open("")
	if err != nil {
		return err
	}
	known, _, err := kept.Find(ref)
	if err == nil {
		if err = renameKept(kept, &state.Store{Root: root}, known, name); err == nil {
			old := known.Name
			known.Name = name
			kept.Emit(known.Event(event.Rename, "oldName", old))
		}
		return err
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	rec, notHere := find(root, ref)
	if notHere != nil {
		return err
	}
	return problem.New("start it with --name, or with -d to rename it later", "%s runs in the foreground and keeps its name", rec.Name)
}

// renameKept renames a container of the ledger, and its sandbox when there is
// one. Whoever takes a name claims it first and looks at the other's claims then,
// so that of two one sees the other.
func renameKept(kept *ledger.Ledger, store *state.Store, known ledger.Container, name string) error {
	commit := func() error { return kept.Rename(known.ID, name) }
	if _, err := store.Load(known.ID); err == nil || !errors.Is(err, os.ErrNotExist) {
		return store.Rename(known.ID, name, commit)
	}
	if err := commit(); err != nil {
		return err
	}
	if holder := store.Holder(name); holder != "" && holder != known.ID {
		return errors.Join(nameTaken(name), kept.Rename(known.ID, known.Name))
	}
	return nil
}

func nameTaken(name string) error {
	return problem.New("choose another, or end the one that has it: safe-run stop "+name, "name %q is in use", name)
}

// NameFree fails when a sandbox below root, other than id, has a name.
func NameFree(root, id, name string) error {
	if holder := (&state.Store{Root: root}).Holder(name); holder != "" && holder != id {
		return nameTaken(name)
	}
	return nil
}

// mendNames gives sandboxes the names that the ledger has for them: a rename may
// have been interrupted in between.
func mendNames(store *state.Store) error {
	kept, err := ledger.Open("")
	if err != nil {
		return nil // who may not see it has none to mend
	}
	ids, err := store.List()
	errs := []error{err}
	for _, id := range ids {
		rec, err := store.Load(id)
		if err != nil || !rec.Alive() {
			continue
		}
		if c, _, err := kept.Get(id); err == nil && c.Name != rec.Name {
			errs = append(errs, store.Rename(id, c.Name, func() error { return nil }))
		}
	}
	return errors.Join(errs...)
}
