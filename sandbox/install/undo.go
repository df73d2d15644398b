package install

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"

	"github.com/safe-run/safe-run/spec/problem"
)

// undoing is what an installation that fails has done so far.
type undoing struct {
	tree   *Tree
	engine string
	steps  []func() error
}

func (u *undoing) mkdir(dir string) error {
	err := u.tree.root.Mkdir(below(dir), 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		u.steps = append(u.steps, func() error { return u.tree.root.Remove(below(dir)) })
	}
	return err
}

func (u *undoing) write(name string, before, after []byte) error {
	err := u.tree.write(name, staging(u.engine), after)
	if err == nil {
		u.steps = append(u.steps, func() error { return u.tree.write(name, staging(u.engine), before) })
	}
	return err
}

func (u *undoing) back() error {
	var failed error
	for _, step := range slices.Backward(u.steps) {
		failed = errors.Join(failed, step())
	}
	return failed
}

// Undoing says what taking an installation back would do: what the engine reads
// first, the policy last.
func (t *Tree) Undoing(engine string) ([]Change, error) {
	m, err := t.manifest(engine)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, problem.New("see which are: ls "+installed, "safe-run is not installed for %s below %s", engine, t.name)
	}
	others, err := t.others(engine)
	if err != nil {
		return nil, err
	}
	var all []Change
	left := false
	for _, policy := range []bool{false, true} {
		for _, r := range m.Files {
			if r.Policy != policy {
				continue
			}
			now, err := t.read(r.Path)
			if err != nil {
				return nil, err
			}
			c := Change{Path: r.Path, Before: now, After: r.was(), record: r}
			switch {
			case now == nil || r.untouched(now):
				c.After = now // somebody was faster, or the installation was killed
			case policy && namedBy(others, r.Path):
				c.After, c.Why = now, "another engine needs it"
			case policy && left:
				c.After, c.Why = now, "what was changed needs it"
			case policy && !r.written(now):
				c.After, c.Why = now, "it was changed since, and is yours"
			case !r.written(now):
				c.After, c.Why = now, changed
				left = true
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func namedBy(others []*manifest, name string) bool {
	return slices.ContainsFunc(others, func(m *manifest) bool { _, has := m.of(name); return has })
}

const changed = "it was changed since"

// Left says whether a file stays because somebody has changed it.
func (c Change) Left() bool { return c.Why == changed }

// Same says whether there is nothing to do.
func (c Change) Same() bool {
	return bytes.Equal(c.Before, c.After) && (c.Before == nil) == (c.After == nil)
}

// Undo carries out what Undoing said. What was changed since stays, and stays
// written down; without any, nothing is left.
func (t *Tree) Undo(engine string, changes []Change) error {
	release, err := t.lock()
	if err != nil {
		return err
	}
	defer release()
	m, err := t.manifest(engine)
	if err != nil || m == nil {
		return err
	}
	left := &manifest{Version: manifestVersion, Directories: m.Directories}
	for _, c := range changes {
		if c.Why == "" && !c.Same() {
			if err := t.write(c.Path, staging(engine), c.After); err != nil {
				return err
			}
		}
	}
	if slices.ContainsFunc(changes, Change.Left) {
		for _, c := range changes {
			if c.Why != "" {
				left.Files = append(left.Files, c.record)
			}
		}
		data, err := left.encode()
		if err != nil {
			return err
		}
		return t.write(manifestPath(engine), staging(engine), data)
	}
	_ = t.root.Remove(below(staging(engine))) // of an installation that was killed
	if err := t.write(manifestPath(engine), "", nil); err != nil {
		return err
	}
	for _, dir := range slices.Backward(m.Directories) {
		_ = t.root.Remove(below(dir)) // one that others use by now is not empty
	}
	return nil
}
