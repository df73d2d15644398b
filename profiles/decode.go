package profiles

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/safe-run/safe-run/spec/problem"
	"go.yaml.in/yaml/v3"
)

// MaxSize bounds one profile document, in bytes.
const MaxSize = 256 << 10

// Decode reads one profile document. It is strict: an unknown key, a wrong type
// or an impossible value is an error that begins with source:line:column, and
// so are anchors, aliases, merge keys, tags, doubled keys and a second
// document. JSON is read too. The error is of type Errors.
//
// The profile says only what the document says; Resolve completes it with what
// it extends. Origins are filled.
func Decode(source string, data []byte) (Profile, error) {
	d := &decoder{source: source, origins: Origins{}}
	node := d.parse(data)
	var p Profile
	if node != nil {
		d.mapping("", node, reflect.ValueOf(&p).Elem())
		d.header(node, p)
		d.bounded(p)
		d.disabledAlone(p)
	}
	p.Origins = d.origins
	if len(d.errs) == 0 {
		d.errs = checkValues(p)
	}
	if err := d.errs.orNil(); err != nil {
		return Profile{}, err
	}
	return p, nil
}

// decoder is the state of one Decode.
type decoder struct {
	source  string
	errs    Errors
	origins Origins
}

func (d *decoder) at(n *yaml.Node) Origin {
	return Origin{Source: d.source, Line: n.Line, Column: n.Column}
}

// fail records a mistake at a node.
func (d *decoder) fail(n *yaml.Node, hint, format string, args ...any) {
	d.errs.add(d.at(n), problem.New(hint, format, args...))
}

// parse turns bytes into the one node of the one document; nil after an error.
func (d *decoder) parse(data []byte) *yaml.Node {
	if len(data) > MaxSize {
		d.fail(&yaml.Node{Line: 1, Column: 1}, "split it, and join the parts with extends", "the profile is larger than %d KiB", MaxSize>>10)
		return nil
	}
	if !d.plainText(data) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || (err == nil && len(doc.Content) == 0) {
		d.fail(&yaml.Node{Line: 1, Column: 1}, "begin it with apiVersion: "+APIVersion, "the profile is empty")
		return nil
	}
	if err == nil {
		err = dec.Decode(&second)
		if err == nil {
			d.fail(&second, "put each profile into a file of its own", "a second document in one file")
			return nil
		}
		if errors.Is(err, io.EOF) {
			return doc.Content[0]
		}
	}
	d.syntax(data, err)
	return nil
}

// plainText refuses bytes that are no UTF-8 and control characters, which YAML
// forbids as well but reports without a place.
func (d *decoder) plainText(data []byte) bool {
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if (r == utf8.RuneError && size == 1) || (r < ' ' && r != '\n' && r != '\t' && r != '\r') || r == 0x7f {
			d.fail(&yaml.Node{Line: line, Column: column}, "save the file as plain UTF-8 text", "byte %#02x is not text", data[i])
			return false
		}
		i, column = i+size, column+1
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return true
}

// syntax reports an error of the YAML parser, which begins with
// "yaml: line N: " where it knows the line.
func (d *decoder) syntax(data []byte, err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if number, text, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, message = n, text
			}
		}
	}
	hint := "check the indentation, and quote text that holds ': ' or ' #'"
	lines := bytes.Split(data, []byte("\n"))
	line = min(line, len(lines))
	if line < len(lines) && strings.Contains(message, "tab character") && !indentedByTab(lines[line-1]) && indentedByTab(lines[line]) {
		line++ // the parser counts from zero here
	}
	content := lines[line-1]
	if indentedByTab(content) {
		hint = "indent with spaces; YAML does not allow tabs"
	}
	column := len(content) - len(bytes.TrimLeft(content, " \t")) + 1
	d.fail(&yaml.Node{Line: line, Column: column}, hint, "this is not YAML: %s", message)
}

func indentedByTab(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("\t"))
}

// bounded limits the lists that tightening compares pair by pair.
func (d *decoder) bounded(p Profile) {
	for _, b := range []struct {
		path, what, hint string
		have, most       int
	}{
		{"network.egress", "rules", "join neighbouring prefixes, or allow " + Internet, len(p.Network.Egress), maxEgress},
		{"image.registries", "registries", "name the paths above them", len(p.Image.Registries), mostRegistries},
		{"image.signatures", "signatures", "ask for fewer", len(p.Image.Signatures), mostSignatures},
	} {
		if b.have > b.most {
			d.errs.add(d.origins[b.path], problem.New(b.hint, "%s: more than %d %s", b.path, b.most, b.what))
		}
	}
}

// header checks what heads every document.
func (d *decoder) header(n *yaml.Node, p Profile) {
	if n.Kind != yaml.MappingNode {
		return
	}
	required := []struct{ path, got, want string }{
		{"apiVersion", p.APIVersion, APIVersion},
		{"kind", p.Kind, Kind},
	}
	for _, r := range required {
		at, written := d.origins[r.path]
		switch {
		case !written:
			d.fail(n, "add the line "+r.path+": "+r.want, "the profile does not say its %s", r.path)
		case r.got != r.want:
			d.errs.add(at, problem.New("write "+r.path+": "+r.want, "%s %q is not known", r.path, clip(r.got)))
		}
	}
	if p.Metadata.Name == "" {
		d.fail(n, "add metadata: {name: my-profile}", "the profile has no metadata.name")
	}
}
