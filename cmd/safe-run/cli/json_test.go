package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// TestJSONOnATerminal: what a terminal would act on is escaped, and means the
// same to a program.
func TestJSONOnATerminal(t *testing.T) {
	const hostile = "a\x1b[31m\u009b31m\x7f\u202e\U000e0041\u2028 \u00e4 \U0001f600 <b>\n"
	var out bytes.Buffer
	if err := writeJSON(&out, []string{hostile}); err != nil {
		t.Fatal(err)
	}
	reportJSON(&out, errors.New(hostile))
	if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r != '\n' && unsafeRune(r) }); i >= 0 {
		t.Errorf("not escaped: %q", out.String()[i:])
	}
	for _, plain := range []string{"\u00e4", "\U0001f600", "<b>"} {
		if !strings.Contains(out.String(), plain) {
			t.Errorf("%q was escaped: %s", plain, out.String())
		}
	}
	dec := json.NewDecoder(&out)
	var list []string
	var said failure
	if err := errors.Join(dec.Decode(&list), dec.Decode(&said)); err != nil {
		t.Fatal(err)
	}
	if list[0] != hostile || said.Error != hostile {
		t.Errorf("read back: %q and %q", list[0], said.Error)
	}
}
