package cli

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// report prints err once: a line, and a hint when there is one.
func report(w io.Writer, p palette, err error) {
	for _, one := range flatten(err) {
		fmt.Fprintf(w, "%s %s\n", p.red("safe-run:"), printable(one.Error()))
		if hint := problem.HintOf(one); hint != "" {
			fmt.Fprintf(w, "%s %s\n", p.cyan("hint:"), printable(hint))
		}
	}
}

// flatten takes errors.Join apart, which is how several mistakes of one file
// are handed up; each is a line of its own.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // only the outermost error is taken apart
	if !ok || !strings.Contains(err.Error(), "\n") {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, flatten(one)...)
	}
	return all
}

// debugEnv asks for the stack of an internal error.
const debugEnv = "SAFE_RUN_DEBUG"

// internalError is what a panic becomes.
func internalError(w io.Writer, debugging bool, reason any) error {
	if debugging {
		fmt.Fprintf(w, "%s", debug.Stack())
		return problem.New("report it with the lines above", "internal error: %v", reason)
	}
	return problem.New("run it again with "+debugEnv+"=1 and report what it prints", "internal error: %v", reason)
}

// exitCode is the code that err ends the program with.
func exitCode(err error, otherwise int) int {
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return otherwise
}
