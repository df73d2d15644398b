package cli

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// flags are the flags of one command, each with all its names.
type flags struct {
	set   *flag.FlagSet
	known []Flag
}

func newFlags() *flags {
	f := &flags{set: flag.NewFlagSet("", flag.ContinueOnError)}
	f.set.SetOutput(io.Discard)
	return f
}

// each declares a flag by every name of "long, l".
func (f *flags) each(names, usage string, declare func(name string)) {
	all := strings.Split(names, ", ")
	for _, name := range all {
		declare(name)
	}
	if usage == "" {
		return // there for who still gives it
	}
	value, is := f.set.Lookup(all[0]).Value.(interface{ IsBoolFlag() bool })
	f.known = append(f.known, Flag{Names: all, Usage: usage, Value: !is || !value.IsBoolFlag()})
}

// shown are the lines of help.
func (f *flags) shown() string {
	var lines []string
	for _, one := range f.known {
		var typed []string
		for _, name := range one.Names {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			typed = append(typed, dashes+name)
		}
		lines = append(lines, fmt.Sprintf("%-28s %s", strings.Join(typed, ", "), one.Usage))
	}
	return strings.Join(lines, "\n   ")
}

func (f *flags) bool(to *bool, names, usage string) {
	f.each(names, usage, func(name string) { f.set.BoolVar(to, name, false, "") })
}

func (f *flags) text(to *string, names, value, usage string) {
	f.each(names, usage, func(name string) { f.set.StringVar(to, name, value, "") })
}

func (f *flags) number(to *int, names, usage string) {
	f.each(names, usage, func(name string) { f.set.IntVar(to, name, 0, "") })
}

func (f *flags) duration(to *time.Duration, names string, value time.Duration, usage string) {
	f.each(names, usage, func(name string) { f.set.DurationVar(to, name, value, "") })
}

func (f *flags) list(to *[]string, names, usage string) {
	f.each(names, usage, func(name string) {
		f.set.Func(name, "", func(value string) error {
			*to = append(*to, value)
			return nil
		})
	})
}

func (f *flags) numbers(to *[]int64, names, usage string) {
	f.each(names, usage, func(name string) {
		f.set.Func(name, "", func(value string) error {
			n, err := strconv.ParseInt(value, 10, 64)
			*to = append(*to, n)
			return err
		})
	})
}

// given says whether a flag was on the command line.
func (f *flags) given(name string) bool {
	found := false
	f.set.Visit(func(one *flag.Flag) { found = found || one.Name == name })
	return found
}

// parse reads flags and gives the arguments. Flags may come after arguments,
// unless inOrder; "--" ends them.
func (f *flags) parse(args []string, inOrder bool) ([]string, error) {
	var rest []string
	for {
		if err := f.set.Parse(args); err != nil {
			return nil, err
		}
		left := f.set.Args()
		ended := len(left) < len(args) && args[len(args)-len(left)-1] == "--"
		if inOrder || ended || len(left) == 0 {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// printable keeps foreign text on one line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// help says what the program is and does.
func (a *app) help(f *flags) {
	var verbs []string
	for _, v := range a.verbs() {
		verbs = append(verbs, fmt.Sprintf("%-12s %s", v.name, v.usage))
	}
	slices.Sort(verbs)
	fmt.Fprintf(a.std.Out, `NAME:
   %s - Open Container Initiative runtime

%s

USAGE:
   %s [global options] command [command options] [arguments...]

VERSION:
   %s

COMMANDS:
   %s

GLOBAL OPTIONS:
   %s
`, a.name, about, a.name, version(), strings.Join(verbs, "\n   "), f.shown())
}

func (a *app) verbHelp(v *verb, f *flags) {
	fmt.Fprintf(a.std.Out, `NAME:
   %s %s - %s

USAGE:
   %s %s [command options] %s

OPTIONS:
   %s
`, a.name, v.name, v.usage, a.name, v.name, v.args, f.shown())
}
