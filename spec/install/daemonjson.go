package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

const runtimesKey = "runtimes"

// MergeRuntime adds a runtime to Docker's daemon.json. Everything else stays as
// it was written, byte for byte: the file is a person's. One that holds nothing
// is an empty object, as dockerd has it.
func MergeRuntime(data []byte, name, path string) ([]byte, error) {
	entry := fmt.Sprintf(`{"path": %q}`, path)
	if len(bytes.TrimSpace(data)) == 0 {
		return fmt.Appendf(nil, "{\n    %q: {\n        %q: %s\n    }\n}\n", runtimesKey, name, entry), nil
	}
	if err := valid(data); err != nil {
		return nil, err
	}
	o := objectAt(data, bytes.IndexByte(data, '{'))
	switch at := o.find(runtimesKey); len(at) {
	case 0:
		return o.add(runtimesKey, func(indent, step string) string {
			if step == "" {
				return fmt.Sprintf("{%q: %s}", name, entry)
			}
			return fmt.Sprintf("{%[1]s%[2]s%[3]q: %[4]s%[1]s}", indent, step, name, entry)
		}), nil
	case 1:
		return addRuntime(data, at[0], name, entry)
	default:
		return nil, problem.New("keep one of them", "%s: %s is there %d times", place(data, at[1].key), runtimesKey, len(at))
	}
}

// addRuntime adds an entry to the runtimes that are there.
func addRuntime(data []byte, at member, name, entry string) ([]byte, error) {
	value := data[at.value:at.end]
	if string(value) == "null" {
		return bytes.Join([][]byte{data[:at.value], fmt.Appendf(nil, "{%q: %s}", name, entry), data[at.end:]}, nil), nil
	}
	if value[0] != '{' {
		return nil, problem.New("dockerd does not read it either: mend it first", "%s: %s is no object", place(data, at.value), runtimesKey)
	}
	runtimes := objectAt(data, at.value)
	there := runtimes.find(name)
	for _, m := range there {
		if !sameJSON(data[m.value:m.end], []byte(entry)) {
			return nil, problem.New("take it out, and install again", "%s: there is a runtime %s already, and it is another", place(data, m.key), name)
		}
	}
	if len(there) > 0 {
		return data, nil
	}
	return runtimes.add(name, func(string, string) string { return entry }), nil
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// valid says whether it is one JSON object, and where not.
func valid(data []byte) error {
	const hint = "dockerd does not read it either: mend it first"
	var tree map[string]json.RawMessage
	err := json.Unmarshal(data, &tree)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		// The offset is that behind the byte which is wrong.
		return problem.New(hint, "%s: %w", place(data, max(0, int(syntax.Offset)-1)), err)
	case err != nil || tree == nil:
		return problem.New(hint, "%s: it is no JSON object", place(data, 0))
	}
	return nil
}

// place is a file, an offset and a line.
func place(data []byte, offset int) string {
	return fmt.Sprintf("%s: offset %d (line %d)", daemonJSON, offset, 1+bytes.Count(data[:min(offset, len(data))], []byte("\n")))
}

// member is one of an object, by its offsets.
type member struct{ key, value, end int }

// object is a JSON object within a text that is known to be valid.
type object struct {
	data    []byte
	open    int
	members []member
	close   int
}

// objectAt finds the members of the object that opens at an offset. The text is
// valid, and so nothing is out of bounds.
func objectAt(data []byte, open int) object {
	o := object{data: data, open: open}
	i := skipSpace(data, open+1)
	for data[i] != '}' {
		m := member{key: i}
		i = skipSpace(data, skipValue(data, i)) // at the colon
		m.value = skipSpace(data, i+1)
		m.end = skipValue(data, m.value)
		o.members = append(o.members, m)
		if i = skipSpace(data, m.end); data[i] == ',' {
			i = skipSpace(data, i+1)
		}
	}
	o.close = i
	return o
}

func (o object) find(name string) []member {
	var found []member
	for _, m := range o.members {
		var key string
		if json.Unmarshal(o.data[m.key:skipValue(o.data, m.key)], &key) == nil && key == name {
			found = append(found, m)
		}
	}
	return found
}

// add puts a member behind the others, laid out as the first one is. The value
// is told how its lines begin, and one step further in; both are empty where the
// object is on one line.
func (o object) add(name string, value func(indent, step string) string) []byte {
	at, before, indent := o.open+1, "", lastLine(o.data[o.open+1:o.close])
	if n := len(o.members); n > 0 {
		at, before, indent = o.members[n-1].end, ",", lastLine(o.data[o.open+1:o.members[0].key])
	}
	step := strings.TrimLeft(indent, "\r\n")
	switch {
	case indent == "" && before != "":
		before = ", "
	case indent != "" && step == "":
		step = "    "
		if before == "" {
			indent += step
		}
	}
	text := before + indent + fmt.Sprintf("%q: ", name) + value(indent, step)
	return bytes.Join([][]byte{o.data[:at], []byte(text), o.data[at:]}, nil)
}

// lastLine is the last line of white space, with how it was begun; empty when
// there is but one.
func lastLine(space []byte) string {
	at := bytes.LastIndexByte(space, '\n')
	if at > 0 && space[at-1] == '\r' {
		at--
	}
	if at < 0 {
		return ""
	}
	return string(space[at:])
}

func skipSpace(data []byte, i int) int {
	for data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r' {
		i++
	}
	return i
}

// skipValue goes behind the value that begins at an offset.
func skipValue(data []byte, i int) int {
	depth := 0
	for {
		switch data[i] {
		case '"':
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			i++
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			i++
		default: // a number or a word
			for i < len(data) && strings.IndexByte(",:]} \t\n\r", data[i]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}
