package profiles

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/safe-run/safe-run/spec/problem"
)

// mostErrors bounds how many mistakes of one document are reported together.
const mostErrors = 20

// Errors are the mistakes of one profile, in the order they were found. Each is
// a *problem.Error with its own hint; problem.HintOf gives the first one's.
type Errors []*problem.Error

// Error prints one mistake a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single mistakes.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, err := range e {
		out[i] = err
	}
	return out
}

// orNil is e as an error, or nil when there are no mistakes.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// add appends a mistake at a place, unless there are enough already.
func (e *Errors) add(at Origin, err *problem.Error) {
	if len(*e) >= mostErrors {
		return
	}
	err.What, err.Hint = at.prefix()+visible(err.What), visible(err.Hint)
	*e = append(*e, err)
}

// visible writes what a terminal would act on, or not show, as escapes: errors
// repeat text from documents that nobody has checked yet.
func visible(s string) string {
	var out strings.Builder
	for _, r := range s {
		if unicode.IsGraphic(r) {
			out.WriteRune(r)
		} else {
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return out.String()
}

// String is "file:line:column", as much of it as is known.
func (o Origin) String() string {
	switch {
	case o.Line == 0:
		return o.Source
	case o.Column == 0:
		return fmt.Sprintf("%s:%d", o.Source, o.Line)
	}
	return fmt.Sprintf("%s:%d:%d", o.Source, o.Line, o.Column)
}

func (o Origin) prefix() string {
	if o.Source == "" {
		return ""
	}
	return o.String() + ": "
}

// Origin is the place where the setting at path was written, or else the
// nearest thing around it that was written.
func (p Profile) Origin(path string) Origin {
	for {
		if o, ok := p.Origins[path]; ok {
			return o
		}
		cut := parentEnd(path)
		if cut <= 0 {
			return Origin{}
		}
		path = path[:cut]
	}
}

// parentEnd finds where the last step of a path begins. Keys in brackets may
// hold dots and brackets themselves.
func parentEnd(path string) int {
	if !strings.HasSuffix(path, "]") {
		dot := strings.LastIndexByte(path, '.')
		if closing := strings.LastIndexByte(path, ']'); dot < closing {
			return closing + 1
		}
		return dot
	}
	return strings.IndexByte(path, '[')
}
