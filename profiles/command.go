package profiles

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/safe-run/safe-run/spec/problem"
	"go.yaml.in/yaml/v3"
)

// Command is a program with its arguments, or one text for a shell. It holds
// them as JSON, so that two that do the same are the same.
type Command string

// The most words of a command, and bytes of all of them.
const (
	MostWords     = 1024
	MostWordBytes = 64 << 10
)

const commandHint = `write one text for the shell, or a list: [/bin/check, --fast]`

// ShellCommand is a text that a shell runs.
func ShellCommand(text string) (Command, error) {
	c := Command(plainJSON(text))
	return c, c.check()
}

// WordsCommand is a program with its arguments.
func WordsCommand(words []string) (Command, error) {
	if words == nil {
		words = []string{}
	}
	c := Command(plainJSON(words))
	return c, c.check()
}

// plainJSON writes text as it is, also where HTML would want it otherwise.
func plainJSON(v any) string {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // text can be written
	return strings.TrimSuffix(out.String(), "\n")
}

// Shell is the text for a shell; false for a program with its arguments.
func (c Command) Shell() (text string, ok bool) {
	return text, json.Unmarshal([]byte(c), &text) == nil
}

// Words are a program with its arguments; nil for a text.
func (c Command) Words() (words []string) {
	if json.Unmarshal([]byte(c), &words) != nil {
		return nil
	}
	return words
}

// check refuses what cannot be run, and what nobody would see.
func (c Command) check() error {
	words := c.Words()
	if text, ok := c.Shell(); ok {
		words = []string{text}
	}
	size := 0
	for _, w := range words {
		size += len(w)
		if r, hidden := invisible(w); hidden {
			return problem.New("remove the character", "the command holds the invisible character %U", r)
		}
	}
	switch {
	case len(words) == 0 || words[0] == "":
		return problem.New(commandHint, "the command is empty")
	case len(words) > MostWords:
		return problem.New("put it into a script", "the command has more than %d words", MostWords)
	case size > MostWordBytes:
		return problem.New("put it into a script", "the command is longer than %d bytes", MostWordBytes)
	}
	return nil
}

// invisible finds a character that is not seen; those that a script has lines
// from are.
func invisible(text string) (rune, bool) {
	for _, r := range text {
		if !unicode.IsGraphic(r) && r != '\n' && r != '\t' {
			return r, true
		}
	}
	return 0, false
}

// UnmarshalText implements encoding.TextUnmarshaler: a text for the shell.
func (c *Command) UnmarshalText(text []byte) (err error) {
	*c, err = ShellCommand(string(text))
	return err
}

// MarshalJSON implements json.Marshaler.
func (c Command) MarshalJSON() ([]byte, error) { return []byte(c), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (c *Command) UnmarshalJSON(data []byte) (err error) {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*c, err = ShellCommand(text)
		return err
	}
	var words []string
	if err := json.Unmarshal(data, &words); err != nil {
		return err
	}
	*c, err = WordsCommand(words)
	return err
}

// command fills a Command that is written as a list.
func (d *decoder) command(path string, n *yaml.Node, v reflect.Value) {
	if !d.plain(path, n) {
		return
	}
	words := make([]string, len(n.Content))
	for i, item := range n.Content {
		at := entry(path, strconv.Itoa(i))
		if !d.want(at, item, yaml.ScalarNode, "write one word in each place") {
			return
		}
		if item.ShortTag() != "!!str" {
			d.text(at, item, reflect.ValueOf(&words[i]).Elem()) // says what is wrong
			return
		}
		words[i] = item.Value
	}
	c, err := WordsCommand(words)
	if err != nil {
		d.reject(path, n, err)
		return
	}
	v.Set(reflect.ValueOf(&c))
}

// commandNode writes a command as Decode reads it.
func commandNode(c Command) *yaml.Node {
	if text, ok := c.Shell(); ok {
		return textNode(text)
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, w := range c.Words() {
		n.Content = append(n.Content, textNode(w))
	}
	return n
}
