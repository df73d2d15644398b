package cli

import (
	"reflect"
	"strings"
	"testing"
)

func TestReadEnding(t *testing.T) {
	tests := []struct {
		said string
		want ending
	}{
		{`{"code":0}`, ending{}},
		{`{"code":3}`, ending{Code: 3}},
		{`{"code":137,"line":"killed","hint":"more"}`, ending{Code: 137, Line: "killed", Hint: "more"}},
	}
	for _, test := range tests {
		if got := readEnding(strings.NewReader(test.said)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("the owner says %s: %+v, want %+v", test.said, got, test.want)
		}
	}
	for _, said := range []string{"", "{", `{"code":`} {
		if got := readEnding(strings.NewReader(said)); got.Code != exitLauncher || got.Line == "" || got.Hint == "" {
			t.Errorf("the owner is killed after %q: %+v, want the launcher's code and why", said, got)
		}
	}
}
