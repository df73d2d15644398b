package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	tests := []struct {
		name  string
		in    []string
		want  []string // in this order
		not   string
		clean bool
	}{
		{
			name: "a skip is named with its reason, before the closing line",
			in: []string{
				`{"Action":"run","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: not root: nothing was started\n"}`,
				`{"Action":"skip","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}`,
				`{"Action":"pass","Package":"p"}`,
			},
			want:  []string{"NOT CHECKED", "p TestA: a_test.go:7: not root", "ok  \tp\t0.1s"},
			not:   "=== RUN",
			clean: true,
		},
		{
			name: "a failure is printed with its output",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:9: got 2, want 3\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestB"}`,
				`{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			want: []string{"failed: p TestB", "got 2, want 3", "FAIL\tp\t0.1s", "FAILED (1)", "p TestB: b_test.go:9: got 2, want 3"},
		},
		{
			name: "a test that failed only by its subtests is not repeated",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestC/sub","Output":"    c_test.go:3: wrong\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestC/sub"}`,
				`{"Action":"output","Package":"p","Test":"TestC","Output":"--- FAIL: TestC (0.1s)\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestC"}`,
			},
			want: []string{"failed: p TestC/sub", "wrong"},
			not:  "failed: p TestC (",
		},
		{
			name: "a build that fails is a failure",
			in:   []string{`{"Action":"build-output","ImportPath":"p","Output":"x.go:1: bad\n"}`, `{"Action":"build-fail","ImportPath":"p"}`},
			want: []string{"x.go:1: bad"},
		},
		{name: "nothing at all is a failure", in: []string{"go: no such tool"}, want: []string{"go: no such tool", "nothing was tested"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			r := &report{out: &out, output: map[string][]string{}}
			if err := r.read(strings.NewReader(strings.Join(test.in, "\n") + "\n")); err != nil {
				t.Fatal(err)
			}
			if clean := r.finish(); clean != test.clean {
				t.Errorf("finish says %v, want %v", clean, test.clean)
			}
			rest := out.String()
			for _, want := range test.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q where it belongs in:\n%s", want, out.String())
				}
				rest = after
			}
			if test.not != "" && strings.Contains(out.String(), test.not) {
				t.Errorf("the output has %q:\n%s", test.not, out.String())
			}
		})
	}
}
