package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/safe-run/safe-run/spec/plainjson"
)

// An event is kept as one line of JSON. What a line may hold is bounded, because
// labels are whatever somebody wrote, and a file of events may be damaged.
const (
	// MaxLine bounds a line in bytes, with its end.
	MaxLine = 64 << 10

	maxWord       = 64 // of a type or an action
	maxID         = 512
	maxAttributes = 512
	maxKey        = 256
	maxValue      = 4 << 10
)

// errNone says that a line is no event's.
var errNone = errors.New("it is no event")

// Line is the event as a line. Attributes that have no room are left out, the
// longest first; nil when it is no event at all.
func (e Event) Line() []byte {
	kept := maps.Clone(e.Attributes)
	maps.DeleteFunc(kept, func(key, value string) bool { return !fits(key, value) })
	byLength := slices.SortedFunc(maps.Keys(kept), func(a, b string) int {
		if n := len(a) + len(kept[a]) - len(b) - len(kept[b]); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	for len(byLength) > maxAttributes {
		delete(kept, byLength[len(byLength)-1])
		byLength = byLength[:len(byLength)-1]
	}
	e.Time, e.Attributes = e.Time.UTC(), kept
	if !e.valid() {
		return nil
	}
	for {
		line, err := plainjson.Marshal(e)
		switch {
		case err != nil:
			return nil
		case len(line) < MaxLine:
			return append(line, '\n')
		case len(byLength) == 0:
			return nil
		}
		delete(kept, byLength[len(byLength)-1])
		byLength = byLength[:len(byLength)-1]
	}
}

// Parse reads a line, with its end or without it.
func Parse(line []byte) (Event, error) {
	if len(line) > MaxLine {
		return Event{}, errNone
	}
	var e Event
	dec := json.NewDecoder(bytes.NewReader(line))
	if dec.Decode(&e) != nil || !e.valid() {
		return Event{}, errNone
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Event{}, errNone
	}
	e.Time = e.Time.UTC()
	return e, nil
}

func (e Event) valid() bool {
	if !word(e.Type) || !word(e.Action) || e.ID == "" || len(e.ID) > maxID || !utf8.ValidString(e.ID) {
		return false
	}
	if year := e.Time.UTC().Year(); year < 1970 || year > 9999 || len(e.Attributes) > maxAttributes {
		return false
	}
	for key, value := range e.Attributes {
		if !fits(key, value) {
			return false
		}
	}
	return true
}

// word says whether text is one of the kind that types and actions are.
func word(text string) bool {
	return text != "" && len(text) <= maxWord && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz_") == ""
}

func fits(key, value string) bool {
	return key != "" && len(key) <= maxKey && len(value) <= maxValue && utf8.ValidString(key) && utf8.ValidString(value)
}
