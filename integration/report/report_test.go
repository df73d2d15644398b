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
			want: []string{"--- FAIL: p TestB (0.0s)", "got 2, want 3", "FAIL\tp\t0.1s", "FAILED (1)", "p TestB: b_test.go:9: got 2, want 3"},
		},
		{
			name: "a test that failed only by its subtests is not repeated",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestC/sub","Output":"    c_test.go:3: wrong\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestC/sub"}`,
				`{"Action":"output","Package":"p","Test":"TestC","Output":"--- FAIL: TestC (0.1s)\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestC"}`,
			},
			want: []string{"--- FAIL: p TestC/sub", "wrong"},
			not:  "--- FAIL: p TestC (",
		},
		{
			name: "a build that fails is a failure",
			in:   []string{`{"Action":"build-output","ImportPath":"p","Output":"x.go:1: bad\n"}`, `{"Action":"build-fail","ImportPath":"p"}`},
			want: []string{"x.go:1: bad"},
		},
		{
			name: "a build that fails is said once, with its package",
			in: []string{`{"Action":"build-output","ImportPath":"p [p.test]","Output":"x.go:1: bad\n"}`, `{"Action":"build-fail","ImportPath":"p [p.test]"}`,
				`{"Action":"start","Package":"p"}`, `{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}`, `{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`},
			want: []string{"x.go:1: bad", "FAILED (1)", "p [p.test]: it does not build"},
		},
		{
			name: "a package that fails beside its tests",
			in: []string{`{"Action":"start","Package":"p"}`, `{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Output":"after all tests: a mount is left\n"}`, `{"Action":"fail","Package":"p"}`},
			want: []string{"--- FAIL: p (0.0s)\nafter all tests: a mount is left", "FAILED (1)", "p: after all tests: a mount is left"},
		},
		{
			name: "a package that fails and says nothing",
			in:   []string{`{"Action":"start","Package":"p"}`, `{"Action":"pass","Package":"p","Test":"TestA"}`, `{"Action":"fail","Package":"p"}`},
			want: []string{"FAILED (1)", "p: it failed, and none of its tests did"},
		},
		{
			name: "a package whose end never came",
			in:   []string{`{"Action":"start","Package":"p"}`, `{"Action":"pass","Package":"p","Test":"TestA"}`, `{"Action":"start","Package":"q"}`, `{"Action":"pass","Package":"q"}`},
			want: []string{"FAILED (1)", "p: it has begun, and its end never came"},
		},
		{
			name: "a run that ends badly, and says nothing",
			in:   []string{`{"Action":"start","Package":"q"}`, `{"Action":"pass","Package":"q"}`, `go test ended with 1`},
			want: []string{"FAILED (1)", "go test ended with 1, and names nothing"},
		},
		{
			name: "the second of two runs ends badly, and says nothing",
			in: []string{`{"Action":"fail","Package":"p","Test":"TestA"}`, `{"Action":"fail","Package":"p"}`, `go test ended with 1`,
				`{"Action":"start","Package":"q"}`, `{"Action":"pass","Package":"q"}`, `go test ended with 2`},
			want: []string{"FAILED (2)", "p TestA", "go test ended with 2, and names nothing"},
		},
		{
			name: "a test without words fails with its name",
			in:   []string{`{"Action":"fail","Package":"p","Test":"TestA"}`, `{"Action":"fail","Package":"p"}`},
			want: []string{"--- FAIL: p TestA", "FAILED (1)", "p TestA: "},
		},
		{
			name: "a note is read at the end",
			in: []string{`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: NOTE: denials are counted so\n"}`, `{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Test":"TestB","Output":"    a_test.go:9: NOTE: denials are counted so\n"}`, `{"Action":"pass","Package":"p","Test":"TestB"}`,
				`{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}`, `{"Action":"pass","Package":"p"}`},
			want: []string{"NOTE: denials are counted so", "ok  \tp"}, clean: true,
		},
		{name: "nothing at all is a failure", in: []string{"go: no such tool"}, want: []string{"go: no such tool", "nothing was tested"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(strings.Join(test.in, "\n") + "\n")); err != nil {
				t.Fatal(err)
			}
			r.missing()
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
