package cli

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/safe-run/safe-run/spec/problem"
)

// IO is where a command reads from and writes to. They are files, because a
// container gets them as they are.
type IO struct {
	In       *os.File
	Out, Err *os.File
	// Front is the socket to the process that lends its terminal, in an owner;
	// see owner.go.
	Front *os.File
	// Order is what a supervisor is to do; nil in every other process. See
	// detach.go.
	Order *Order
	// served is what a service manager gave to this process.
	served served
}

// format is how output is written.
type format string

// The formats.
const (
	formatTable format = "table"
	formatJSON  format = "json"
)

// parseFormat reads the value of --format.
func parseFormat(text string) (format, error) {
	switch f := format(text); f {
	case formatTable, formatJSON:
		return f, nil
	}
	return "", problem.New("write --format json or --format table", "%q is not an output format", text)
}

// formatOf gives the --format of a command.
func formatOf(fs *pflag.FlagSet) (format, error) {
	text, err := fs.GetString("format")
	if err != nil {
		return "", fmt.Errorf("read --format: %w", err)
	}
	return parseFormat(text)
}

// The width of output that nobody watches, and the bounds of what is watched.
const (
	plainWidth = 100
	minWidth   = 60
	maxWidth   = 120
)

// width is the number of columns to fill on f.
func width(f *os.File) int {
	if !term.IsTerminal(int(f.Fd())) {
		return plainWidth
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return plainWidth
	}
	return min(max(w, minWidth), maxWidth)
}

// palette paints text, or leaves it alone.
type palette bool

// paletteFor paints on terminals only, and never when NO_COLOR is set
// (no-color.org) or the terminal says it cannot.
func paletteFor(f *os.File) palette {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	return palette(term.IsTerminal(int(f.Fd())))
}

func (p palette) paint(code, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p palette) bold(text string) string   { return p.paint("1", text) }
func (p palette) red(text string) string    { return p.paint("1;31", text) }
func (p palette) cyan(text string) string   { return p.paint("36", text) }
func (p palette) yellow(text string) string { return p.paint("33", text) }
