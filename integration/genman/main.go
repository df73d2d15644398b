// Command genman writes the man pages of safe-run from its verbs and flags:
// genman DIR. It is a program of its own so that the launcher does not link a
// renderer of documents.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra/doc"

	"github.com/safe-run/safe-run/cmd/safe-run/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: genman DIR")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "genman: %v\n", err)
		os.Exit(1)
	}
}

// generate writes one page a verb into dir. The pages do not depend on the day
// they are made.
func generate(dir string) error {
	root := cli.Root()
	root.DisableAutoGenTag = true
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "safe-run", Manual: "safe-run"}, dir)
}
