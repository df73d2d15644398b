package source

import (
	"net/http"
	"strings"
	"testing"
)

func TestChallenges(t *testing.T) {
	tests := []struct {
		in     string
		scheme []string
		params map[string]string // of the last
	}{
		{`Basic realm="a, b"`, []string{"basic"}, map[string]string{"realm": "a, b"}},
		{`Bearer realm="https://a/t",service=s , scope="x:y:z"`, []string{"bearer"}, map[string]string{"realm": "https://a/t", "service": "s", "scope": "x:y:z"}},
		{`Negotiate, Bearer Realm="q\"uote"`, []string{"negotiate", "bearer"}, map[string]string{"realm": `q"uote`}},
		{`Bearer realm="first", realm="second"`, []string{"bearer"}, map[string]string{"realm": "first"}},
		{`Bearer realm="open`, []string{"bearer"}, nil},
		{`Bearer realm=`, []string{"bearer"}, nil},
		{``, nil, nil},
		{`"`, nil, nil},
	}
	for _, test := range tests {
		all := parseChallenges(test.in)
		if len(all) != len(test.scheme) {
			t.Errorf("%q: %v", test.in, all)
			continue
		}
		for i, c := range all {
			if c.scheme != test.scheme[i] {
				t.Errorf("%q: scheme %q", test.in, c.scheme)
			}
		}
		for name, want := range test.params {
			if got := all[len(all)-1].params[name]; got != want {
				t.Errorf("%q: %s is %q", test.in, name, got)
			}
		}
	}
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull"`)
	f.Add(`Basic realm="x", Negotiate a=b,,,`)
	f.Add(`a b c="\`)
	f.Add(strings.Repeat("a,", 200))
	f.Fuzz(func(t *testing.T, s string) {
		all := challenges(http.Header{"Www-Authenticate": {s, s}})
		if len(all) > maxChallenges {
			t.Errorf("%d challenges", len(all))
		}
		for _, c := range all {
			if c.scheme == "" || c.scheme != strings.ToLower(c.scheme) || len(c.params) > maxChallenges {
				t.Errorf("challenge %+v", c)
			}
		}
	})
}
