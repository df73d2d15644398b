package install

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/install"
	"github.com/safe-run/safe-run/spec/problem"
)

// Change is what becomes of a file. Nil stands for a file that is not there.
type Change struct {
	Path          string
	Before, After []byte
	// Why says for what reason a file stays as it is; empty when it does not.
	Why    string
	record record
}

// Base is an engine's own file as it is without safe-run.
func (t *Tree) Base(engine, name string) ([]byte, error) {
	data, err := t.read(name)
	if err != nil {
		return nil, err
	}
	m, err := t.manifest(engine)
	if r, ours := m.of(name); ours && r.written(data) {
		data = r.was()
	}
	return data, err
}

// Changes says what an installation would do, and fails where it would write
// over something of somebody else's.
func (t *Tree) Changes(engine string, files []install.File) ([]Change, error) {
	m, err := t.manifest(engine)
	if err != nil {
		return nil, err
	}
	others, err := t.others(engine)
	if err != nil {
		return nil, err
	}
	if err := m.without(files); err != nil {
		return nil, err
	}
	var all []Change
	for _, f := range files {
		now, err := t.read(f.Path)
		if err != nil {
			return nil, err
		}
		r, ours := m.of(f.Path)
		c, err := changeOf(f, now, r, ours)
		if err != nil {
			return nil, err
		}
		if f.Policy && !ours && now != nil {
			c.share(others)
		}
		all = append(all, c)
	}
	return all, nil
}

func changeOf(f install.File, now []byte, r record, ours bool) (Change, error) {
	c := Change{Path: f.Path, Before: now, After: f.Data}
	c.record = record{Path: f.Path, SHA256: hashOf(f.Data), Policy: f.Policy}
	same := now != nil && bytes.Equal(now, f.Data)
	switch {
	case f.Policy && now != nil:
		c.keep("it is there already", r)
	case ours && (r.written(now) || r.untouched(now)):
		c.record.Existed, c.record.Before = r.Existed, r.Before
		if same {
			c.keep("it is so already", c.record)
		} else if r.written(now) {
			c.record.Replaced = hashOf(now)
		}
	case ours && same:
		c.keep("it was changed since, and has the runtime", r) // it is no longer what could be taken back
	case ours && now != nil:
		return c, problem.New("take "+install.Runtime+" out of it by hand, then remove what names it below "+installed,
			"%s was changed since safe-run was installed", f.Path)
	case same:
		c.keep("it is so already", record{})
	case f.Merged:
		c.record.Existed, c.record.Before = now != nil, now
	case now != nil:
		return c, problem.New("move it away", "%s is there already, and safe-run did not install it", f.Path)
	}
	return c, nil
}

// keep leaves a file as it is, and what was written down of it.
func (c *Change) keep(why string, r record) { c.After, c.Why, c.record = c.Before, why, r }

// share makes a file ours, too, that was installed for another engine: the last
// one that goes takes it along.
func (c *Change) share(others []*manifest) {
	for _, m := range others {
		if r, has := m.of(c.Path); has && r.written(c.Before) {
			c.record = r
			return
		}
	}
}

// Install carries changes out. What is to be undone is written down first, and
// the policy before what makes an engine use it; when it fails, all is as it was.
func (t *Tree) Install(engine string, changes []Change) (err error) {
	m := &manifest{Version: manifestVersion, Directories: []string{}}
	if m.Directories, err = t.directories(engine, changes); err != nil {
		return err
	}
	old, err := t.read(manifestPath(engine))
	if err != nil {
		return err
	}
	made := &undoing{tree: t, engine: engine}
	defer func() {
		if err != nil {
			err = errors.Join(err, made.back())
		}
	}()
	for _, dir := range m.Directories {
		if err = made.mkdir(dir); err != nil {
			return err
		}
	}
	release, err := t.lock()
	if err != nil {
		return err
	}
	defer release()
	for _, c := range changes {
		if c.record.Path != "" {
			m.Files = append(m.Files, c.record)
		}
	}
	data, err := m.encode()
	if err != nil {
		return err
	}
	if err = made.write(manifestPath(engine), old, data); err != nil {
		return err
	}
	for _, c := range changes {
		if c.Why != "" {
			continue
		}
		if err = made.write(c.Path, c.Before, c.After); err != nil {
			return err
		}
	}
	return nil
}

// directories are those that there would not be without the installation, the
// highest first: some are still to be made, and others were made by an earlier
// one.
func (t *Tree) directories(engine string, changes []Change) ([]string, error) {
	names := []string{manifestPath(engine)}
	for _, c := range changes {
		names = append(names, c.Path)
	}
	earlier, err := t.others(engine)
	if err != nil {
		return nil, err
	}
	own, err := t.manifest(engine)
	if err != nil {
		return nil, err
	}
	if own != nil {
		earlier = append(earlier, own)
	}
	var all []string
	for _, name := range names {
		missing, err := t.missing(name)
		if err != nil {
			return nil, err
		}
		all = append(all, missing...)
		for _, m := range earlier {
			for _, dir := range m.Directories {
				if strings.HasPrefix(name, dir+"/") {
					all = append(all, dir)
				}
			}
		}
	}
	slices.Sort(all) // what is above is shorter, and so comes first
	return slices.Compact(all), nil
}
