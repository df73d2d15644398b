package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// object reads a JSON object by the exact names of its members. A name that is
// there twice is refused: readers differ in which of the two they take.
func object(data []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errors.New("it is not valid JSON")
		}
		name, _ := token.(string)
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("it has %q twice", plain(name))
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("it is not valid JSON")
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("it is cut short")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its JSON object")
	}
	return members, nil
}

// text reads the string at a path of members.
func text(members map[string]json.RawMessage, path ...string) (string, error) {
	for i, name := range path {
		value, ok := members[name]
		if !ok {
			return "", fmt.Errorf("it has no %s", strings.Join(path[:i+1], "."))
		}
		if i == len(path)-1 {
			var s string
			if err := json.Unmarshal(value, &s); err != nil {
				return "", fmt.Errorf("its %s is not a string", strings.Join(path, "."))
			}
			return s, nil
		}
		var err error
		if members, err = object(value); err != nil {
			return "", fmt.Errorf("its %s: %w", strings.Join(path[:i+1], "."), err)
		}
	}
	return "", errors.New("it has no name")
}
