package profiles

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// Bounds of what one profile can extend.
const (
	maxExtends   = 16 // documents on one path
	maxDocuments = 64 // documents in all
)

// A Finder finds profile documents by name. A name that it does not know gives
// an error that wraps fs.ErrNotExist. source is what errors and origins call
// the document: a file's path, or a built-in's name.
type Finder interface {
	Find(name string) (source string, data []byte, err error)
}

// Finders asks each finder in turn, until one knows the name.
type Finders []Finder

// Find implements Finder.
func (list Finders) Find(name string) (source string, data []byte, err error) {
	err = fs.ErrNotExist
	for _, f := range list {
		source, data, err = f.Find(name)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return source, data, err
}

// A decoded is a Finder that has documents decoded already, as Decode would. It
// says false to any other text and any other source, whoever found it.
type decoded interface {
	Decoded(source string, data []byte) (Profile, bool)
}

func decode(f Finder, source string, data []byte) (Profile, error) {
	if d, ok := f.(decoded); ok {
		if p, ok := d.Decoded(source, data); ok {
			return p, nil
		}
	}
	return Decode(source, data)
}

// Decoded asks each finder that has documents decoded.
func (list Finders) Decoded(source string, data []byte) (Profile, bool) {
	for _, f := range list {
		if d, ok := f.(decoded); ok {
			if p, ok := d.Decoded(source, data); ok {
				return p, true
			}
		}
	}
	return Profile{}, false
}

// Names lists what the finders can list.
func (list Finders) Names() []string {
	var names []string
	for _, f := range list {
		if l, ok := f.(interface{ Names() []string }); ok {
			names = union(names, l.Names())
		}
	}
	return names
}

// Resolve reads a profile with everything it extends and lays the documents
// over each other, lowest first. The result is valid and complete: every limit
// is set, and an allowance that nobody gave is an empty one. Origins say which
// document each setting came from; metadata is the named document's own.
func Resolve(name string, f Finder) (Profile, error) {
	p, err := resolve(name, f)
	if err != nil {
		return Profile{}, err
	}
	return Complete(p)
}

// ResolveFloor reads a profile as Resolve does, but leaves open what it does
// not set: a floor says only what it limits.
func ResolveFloor(name string, f Finder) (Profile, error) {
	p, err := resolve(name, f)
	if err != nil {
		return Profile{}, err
	}
	if err := Validate(p); err != nil {
		return Profile{}, err
	}
	return p, nil
}

func resolve(name string, f Finder) (Profile, error) {
	r := resolver{finder: f, done: map[string]bool{}}
	if err := r.visit(name, Origin{}); err != nil {
		return Profile{}, err
	}
	p := Profile{}
	for _, layer := range r.layers {
		p = Layer(p, layer)
	}
	top := r.layers[len(r.layers)-1]
	p.Metadata, p.Extends, p.Replace = top.Metadata, nil, nil
	for at := range p.Origins {
		if strings.HasPrefix(at, "extends") || strings.HasPrefix(at, "replace") {
			delete(p.Origins, at)
		}
	}
	return p, nil
}

// resolver walks the documents depth first, so that each comes after all that
// it extends.
type resolver struct {
	finder Finder
	stack  []step
	done   map[string]bool // by source
	layers []Profile
}

// step is one document that is being walked, and the place that names it.
type step struct {
	source, name string
	at           Origin
}

func (r *resolver) visit(name string, at Origin) error {
	source, data, err := r.finder.Find(name)
	if err != nil {
		return r.notFound(name, at, err)
	}
	r.stack = append(r.stack, step{source, name, at})
	defer func() { r.stack = r.stack[:len(r.stack)-1] }()
	for _, s := range r.stack[:len(r.stack)-1] {
		if s.source == source {
			return problem.New("remove one of the extends", "%sa profile extends itself: %s", at.prefix(), r.chain(source))
		}
	}
	if r.done[source] {
		return nil
	}
	if len(r.stack) > maxExtends {
		return problem.New("extend fewer profiles", "%sprofiles extend each other more than %d deep", at.prefix(), maxExtends)
	}
	if len(r.done) >= maxDocuments {
		return problem.New("extend fewer profiles", "%smore than %d profiles extend each other", at.prefix(), maxDocuments)
	}
	r.done[source] = true
	p, err := decode(r.finder, source, data)
	if err != nil {
		return err
	}
	for _, lower := range p.Extends {
		if err := r.visit(beside(source, lower), p.Origins[entry("extends", lower)]); err != nil {
			return err
		}
	}
	r.layers = append(r.layers, p)
	return nil
}

// chain shows the loop that ends at source.
func (r *resolver) chain(source string) string {
	var parts []string
	for i, s := range r.stack {
		if len(parts) == 0 && s.source != source {
			continue
		}
		part := s.name
		if i+1 < len(r.stack) {
			part += " (" + r.stack[i+1].at.String() + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " -> ")
}

// beside reads a path that begins with a dot from the document that wrote it,
// not from where safe-run was started.
func beside(source, name string) string {
	if !strings.HasPrefix(name, "./") && !strings.HasPrefix(name, "../") {
		return name
	}
	joined := path.Join(path.Dir(source), name)
	if path.IsAbs(joined) || strings.HasPrefix(joined, "../") {
		return joined
	}
	return "./" + joined
}

func (r *resolver) notFound(name string, at Origin, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return problem.New(problem.HintOf(err), "%scannot read the profile %q: %w", at.prefix(), name, err)
	}
	var names []string
	if l, ok := r.finder.(interface{ Names() []string }); ok {
		names = l.Names()
	}
	hint := "safe-run profile ls shows the profiles there are; write ./" + strings.TrimPrefix(name, "./") + " for a file"
	if strings.Contains(name, "/") {
		hint = "check the path; safe-run profile ls shows the profiles there are"
	}
	return problem.New(hint, "%sthere is no profile %q%s%w", at.prefix(), clip(name), didYouMean(name, names), quiet{err})
}

// quiet keeps a cause for errors.Is and prints nothing.
type quiet struct{ error }

func (quiet) Error() string   { return "" }
func (q quiet) Unwrap() error { return q.error }
