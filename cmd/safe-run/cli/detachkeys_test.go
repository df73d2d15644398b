package cli

import (
	"fmt"
	"testing"
)

func TestParseDetachKeys(t *testing.T) {
	tests := []struct{ text, want string }{
		{"ctrl-p,ctrl-q", `"\x10\x11"`},
		{"CTRL-P", `"\x10"`},
		{"a,~", `"a~"`},
		{"ctrl-[,ctrl-@,ctrl-_", `"\x1b\x00\x1f"`},
		{"", `""`},
		{"ctrl-", `"ctrl-" is not a key`},
		{"ctrl-1", `"ctrl-1" is not a key`},
		{"ab", `"ab" is not a key`},
		{"a,", `"" is not a key`},
		{"é", `"é" is not a key`},
		{"a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", "17 keys are more than the 16 that a sequence can have"},
	}
	for _, test := range tests {
		keys, err := parseDetachKeys(test.text)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprintf("%q", keys)
		}
		if got != test.want {
			t.Errorf("%q: got %s, want %s", test.text, got, test.want)
		}
	}
}
