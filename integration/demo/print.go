package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

func title(text string) { fmt.Printf("\n== %s\n", text) }

// show prints a command as it could be typed.
func show(args []string) { fmt.Println("  $ " + strings.Join(args, " ")) }

func indent(text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		fmt.Println("  " + line)
	}
}

// prefixed sets a program's own words apart.
type prefixed struct{ to io.Writer }

func (p prefixed) Write(data []byte) (int, error) {
	for _, line := range bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n")) {
		fmt.Fprintf(p.to, "  | %s\n", line)
	}
	return len(data), nil
}

// quietly runs a command, and shows what it said only when it fails.
func quietly(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
