// The directive below keeps Go's runtime from holding two cgroup files open,
// which would look like inherited descriptors.

//go:debug containermaxprocs=0

// Command peek is the program that the tests run inside a container: it says
// what it sees and tries what it is told to. It is one static file, so that it
// can be a whole image.
//
//	peek status CapEff        0000000000000000
//	peek mount /tmp           tmpfs nodev,noexec,nosuid,rw
//	peek call bpf 0 0 0       EPERM
//
// Each command prints one line: what was asked for, or "ok", or the name of the
// error. The exit code is 0 whenever the question could be asked at all, so that
// a refused attempt is a result and not a failure.
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
)

// command looks or tries, and returns the line to print.
type command struct {
	usage string
	run   func(args []string) (string, error)
	min   int // arguments that must be there
}

var commands map[string]command

// Filled in init because some commands start others through this map.
func init() {
	commands = map[string]command{}
	for _, group := range []map[string]command{looks, tries, attempts, endings, nets, streams, hostiles, joins, services} {
		for name, c := range group {
			commands[name] = c
		}
	}
}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	c, known := commands[os.Args[1]]
	args := os.Args[2:]
	if !known || len(args) < c.min {
		usage()
	}
	line, err := c.run(args)
	if err != nil {
		line = errName(err)
	}
	if line != "" {
		fmt.Println(line)
	}
}

func usage() {
	var lines []string
	for name, c := range commands {
		lines = append(lines, "  peek "+strings.TrimSpace(name+" "+c.usage))
	}
	sort.Strings(lines)
	fmt.Fprintln(os.Stderr, "usage:\n"+strings.Join(lines, "\n"))
	os.Exit(64) // EX_USAGE, a code that no test expects
}
