package main

import (
	"slices"
	"testing"
)

func TestCountCalls(t *testing.T) {
	const trace = `7<safe-run> execve("/bin/x", ["x"], 0x7 /* 3 vars */) = 0
7<safe-run> clone(child_stack=NULL <unfinished ...>
8<runc:[2:INIT]> close(3)                = 0
7<safe-run> <... clone resumed>)    = 8
8<runc:[2:INIT]> write(1, "a> b", 4) = 4
8<runc:[2:INIT]> +++ exited with 0 +++
7<safe-run> --- SIGCHLD {si_signo=SIGCHLD} ---
7<safe-run> exit_group(0)       = ?
`
	got, err := countCalls([]byte(trace))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.names, []string{"safe-run", "runc:[2:INIT]"}) || got.of["safe-run"] != 3 || got.of["runc:[2:INIT]"] != 2 {
		t.Errorf("%v", got)
	}
	if _, err := countCalls([]byte("strace: attached\n")); err == nil {
		t.Error("what strace itself says is taken for a call")
	}
}
