// Package compose converts the services of a compose.yaml (Compose
// Specification) to profiles. A service is turned into the command line that
// means the same, so that both are judged alike.
package compose

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/convert/docker"
	"github.com/safe-run/safe-run/spec/convert/yamldoc"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/quote"
)

// Convert reads a compose file.
func Convert(name string, data []byte, files docker.Files) ([]convert.Result, error) {
	docs, err := yamldoc.Parse(name, data)
	if err != nil {
		return nil, err
	}
	if len(docs) > 1 {
		return nil, docs[1].Fail("put each into a file of its own", "a second document in one file")
	}
	if kind := docs[0].Get("kind"); !kind.Null() && !docs[0].Get("apiVersion").Null() && docs[0].Get("services").Null() {
		return nil, docs[0].Fail("convert it as one: safe-run convert kubernetes FILE", "this is a manifest of Kubernetes and no compose file")
	}
	var services []yamldoc.Value
	var names []string
	err = docs[0].Map(yamldoc.Fields{
		"version": nil, "name": nil, "networks": nil, "volumes": nil, "configs": nil, "secrets": nil, "include": nil, "models": nil,
		"services": func(v yamldoc.Value) error {
			return v.Map(nil, func(key, value yamldoc.Value) (bool, error) {
				names, services = append(names, key.Node.Value), append(services, value)
				return true, nil
			})
		},
	}, extension)
	if err != nil {
		return nil, err
	}
	if len(services) == 0 {
		return nil, docs[0].Fail("name a compose.yaml, with services:", "there are no services in it")
	}
	if len(services) > 500 {
		return nil, docs[0].Fail("split it", "there are more than 500 services in it")
	}
	var out []convert.Result
	for i, v := range services {
		r, err := service(names[i], v, files)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// extension takes the fields that are everybody's own.
func extension(key, _ yamldoc.Value) (bool, error) {
	return strings.HasPrefix(key.Node.Value, "x-"), nil
}

// writer turns one service into flags.
type writer struct {
	// words are the command line, and at who wrote each of them.
	words []string
	at    map[int]convert.Source
	told  []convert.Finding
	image string
	args  []string
	entry []string
}

func service(name string, v yamldoc.Value, files docker.Files) (convert.Result, error) {
	w := &writer{at: map[int]convert.Source{}, words: []string{"run"}}
	if err := v.Map(w.fields(), extension); err != nil {
		return convert.Result{}, err
	}
	if v.Null() || w.image == "" {
		w.told = append(w.told, convert.Finding{Kind: convert.Missing, Setting: "build", Place: v.Place(), What: "it has no image: what is built is not known", Do: "build it, and write its name for IMAGE"})
		w.image = "IMAGE"
	}
	if len(w.entry) > 0 {
		w.add(v, "entrypoint", "entrypoint", w.entry[0])
		w.args = append(slices.Clone(w.entry[1:]), w.args...)
	}
	words := append(append(w.words, "--", w.image), w.args...)
	ask, err := docker.Read(words, files)
	if err != nil {
		return convert.Result{}, placed(err, w, v)
	}
	ask.Format, ask.Name = "compose", name
	for key, at := range ask.At {
		ask.At[key] = w.source(at)
	}
	for i := range ask.Mounts {
		ask.Mounts[i].Source2 = w.source(ask.Mounts[i].Source2)
	}
	for i, f := range ask.Told {
		at := w.source(convert.Source{Setting: f.Setting, Place: f.Place})
		ask.Told[i].Setting, ask.Told[i].Place = at.Setting, at.Place
	}
	ask.Told = append(ask.Told, w.told...)
	r, err := convert.Convert(ask)
	if err != nil {
		return r, v.Fail(problem.HintOf(err), "%w", err)
	}
	return r, nil
}

// number is the word that a place names.
func number(place string) (int, string, bool) {
	rest, ok := strings.CutPrefix(place, "argument ")
	if !ok {
		return 0, "", false
	}
	digits, more, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(digits)
	return n - 1, more, err == nil
}

// source is where in the file a word of the command line comes from.
func (w *writer) source(at convert.Source) convert.Source {
	if n, _, ok := number(at.Place); ok {
		if own, known := w.at[n]; known {
			return own
		}
	}
	return at
}

// placed gives an error about a word the place in the file.
func placed(err error, w *writer, v yamldoc.Value) error {
	hint := problem.HintOf(err)
	if hint == "" {
		hint = "see the Compose Specification"
	}
	if n, more, ok := number(err.Error()); ok {
		if at, known := w.at[n]; known {
			if _, rest, ok := strings.Cut(strings.TrimSpace(more), ": "); ok && strings.HasPrefix(strings.TrimSpace(more), "--") {
				more = rest
			}
			return problem.New(hint, "%s: %s: %s", at.Place, at.Setting, strings.TrimSpace(more))
		}
	}
	return problem.New(hint, "%s: %w", v.Place(), err)
}

// add writes a flag, and remembers where it comes from.
func (w *writer) add(v yamldoc.Value, key, flag, value string) {
	w.at[len(w.words)] = convert.Source{Setting: key, Place: v.Place()}
	w.words = append(w.words, "--"+flag+"="+unescaped(value))
}

// unescaped is a text without Compose's escape for a dollar. Variables stay as
// they are written, because what they hold is not in the file.
func unescaped(text string) string { return strings.ReplaceAll(text, "$$", "$") }

func (w *writer) missing(key, what string) func(yamldoc.Value) error {
	return w.tell(convert.Missing, key, what)
}

func (w *writer) tightened(key, what string) func(yamldoc.Value) error {
	return w.tell(convert.Tightened, key, what)
}

func (w *writer) tell(kind convert.Kind, key, what string) func(yamldoc.Value) error {
	return func(v yamldoc.Value) error {
		value := ""
		if v.Node.Kind == yaml.ScalarNode {
			value = v.Node.Value
		}
		w.told = append(w.told, convert.Finding{Kind: kind, Setting: key, Value: value, Place: v.Place(), What: what})
		return nil
	}
}

// text is a flag of one value.
func (w *writer) text(key, flag string) func(yamldoc.Value) error {
	return func(v yamldoc.Value) error {
		text, err := v.Text()
		if err == nil {
			w.add(v, key, flag, text)
		}
		return err
	}
}

func (w *writer) toggle(key, flag string) func(yamldoc.Value) error {
	return func(v yamldoc.Value) error {
		on, err := v.Bool()
		if err == nil {
			w.add(v, key, flag, strconv.FormatBool(on))
		}
		return err
	}
}

// list is a flag that is there once for each entry, or one text.
func (w *writer) list(key, flag string) func(yamldoc.Value) error {
	return func(v yamldoc.Value) error {
		if v.Node.Kind == yaml.ScalarNode {
			return w.text(key, flag)(v)
		}
		return v.List(w.text(key, flag))
	}
}

// pairs is a list of NAME=VALUE, or a map.
func (w *writer) pairs(key, flag string) func(yamldoc.Value) error {
	return func(v yamldoc.Value) error {
		if v.Node.Kind != yaml.MappingNode {
			return v.List(w.text(key, flag))
		}
		return v.Map(nil, func(name, value yamldoc.Value) (bool, error) {
			text, err := value.Text()
			if value.Null() {
				w.add(value, key, flag, name.Node.Value)
			} else {
				w.add(value, key, flag, name.Node.Value+"="+text)
			}
			return true, err
		})
	}
}

// words reads a command, as a list or as one text, which is taken apart as a
// shell would.
func command(v yamldoc.Value) ([]string, error) {
	if v.Node.Kind == yaml.SequenceNode {
		list, err := v.Texts()
		for i := range list {
			list[i] = unescaped(list[i])
		}
		return list, err
	}
	text, err := v.Text()
	if err != nil {
		return nil, err
	}
	words, err := quote.Split(unescaped(text))
	if err != nil {
		return nil, v.Fail("write it as a list", "%w", err)
	}
	return words, nil
}
