package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	const text = "ok   0.1s one\r\nFAIL 1.0s two\n| because\n| of this\nnot checked three\nnoise\n"
	r := report{name: "guest", took: time.Minute}
	r.read(text)
	if r.complete {
		t.Error("complete without its end")
	}
	r.read("end\n")
	var out bytes.Buffer
	if r.print(&out) {
		t.Error("all is well, though a check failed")
	}
	for _, words := range []string{"one", "because\n      of this", "three", "1 ok, 1 failed, 1 NOT CHECKED"} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("nothing of %q in\n%s", words, out.String())
		}
	}
	for name, r := range map[string]report{
		"nothing":    {},
		"no success": {checks: []check{{verdict: verdictMissing}}},
		"broken":     {checks: []check{{verdict: verdictOK}}, broken: "it hung"},
	} {
		if r.print(&out) {
			t.Errorf("%s: all is well", name)
		}
	}
	if well := (report{checks: []check{{verdict: verdictOK}}}); !well.print(&out) {
		t.Error("one check that succeeded is not enough")
	}
}

func TestQuoted(t *testing.T) {
	if got := quoted([]string{"a", "b c", "it's"}); got != `a 'b c' 'it'\''s'` {
		t.Errorf("got %s", got)
	}
}
