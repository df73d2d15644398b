package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// maxRecord bounds a file that is read: a command line may have 2 MiB.
const maxRecord = 4 << 20

// parseContainer reads what a file says of the container id.
func parseContainer(data []byte, id string) (Container, error) {
	var c Container
	if err := decode(data, &c); err != nil {
		return Container{}, err
	}
	if c.ID != id {
		return Container{}, errors.New("it is about another container")
	}
	if !ValidName(c.Name) {
		return Container{}, errors.New("its name is none")
	}
	c.Log = c.Log.orDefault()
	return c, nil
}

// parseState reads how a container is.
func parseState(data []byte) (State, error) {
	var s State
	if err := decode(data, &s); err != nil {
		return State{}, err
	}
	if !s.Status.known() || s.Pid < 0 {
		return State{}, errors.New("its state is none")
	}
	return s, nil
}

// decode reads one JSON value and nothing after it. Fields of a later version
// are passed over.
func decode(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if dec.Decode(v) != nil {
		return errors.New("it is not JSON of the kind that is expected")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its end")
	}
	return nil
}

// ValidID says whether an id is one: 64 hexadecimal digits.
func ValidID(id string) bool { return len(id) == 64 && hexadecimal(id) }

func hexadecimal(text string) bool {
	return text != "" && len(text) <= 64 && strings.Trim(text, "0123456789abcdef") == ""
}

// ValidName says whether a name is docker's kind: it starts with a letter or a
// digit and is a file's name at the same time.
func ValidName(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	for i, r := range name {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alphanumeric && (i == 0 || !strings.ContainsRune("_.-", r)) {
			return false
		}
	}
	return true
}
