package cli

import (
	"context"
	"fmt"
	"path/filepath"

	writer "github.com/safe-run/safe-run/sandbox/install"
)

// check runs a test container under the engine, and says what it showed, and
// what was not looked at.
func (a *app) check(ctx context.Context, o *installOptions, program string) error {
	root, err := filepath.Abs(o.root)
	if err != nil {
		return err
	}
	if root != "/" {
		fmt.Fprintf(a.std.Out, "not checked: no engine is there below %s to run a test container\n", o.shown("/"))
		return nil
	}
	checked, err := writer.Check{Engine: o.engine, Program: program}.Run(ctx)
	for _, line := range checked.Held {
		fmt.Fprintf(a.std.Out, "checked: %s\n", printable(line))
	}
	for _, line := range checked.Left {
		fmt.Fprintf(a.std.Out, "not checked: %s\n", printable(line))
	}
	return err
}
