package pull

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec/problem"
)

// explain makes err the one line that is shown, with the image in front and a
// hint. Names from the image may be part of it: what cannot be printed is
// escaped.
func explain(ref image.Reference, err error) error {
	if errors.Is(err, context.Canceled) {
		again := ""
		if errors.As(err, new(*goesOn)) {
			again = "run it again: it goes on where it was"
		}
		return &problem.Error{What: "image " + ref.String() + ": interrupted", Hint: again, Err: err}
	}
	what := err.Error()
	if !saysWhich(what, ref) {
		what = "image " + ref.String() + ": " + what
	}
	return &problem.Error{What: printable(what), Hint: printable(hint(err)), Err: err}
}

// saysWhich says whether a message begins with the image: as it was written, or
// a bare name as it was found.
func saysWhich(what string, ref image.Reference) bool {
	rest, ok := strings.CutPrefix(what, "image ")
	if !ok || strings.HasPrefix(rest, ref.String()) {
		return ok
	}
	first, _, _ := strings.Cut(rest, " ")
	first, path := strings.TrimSuffix(first, ":"), ref.Full().Path
	return ref.Transport == image.Named && (strings.HasSuffix(first, "/"+path) || strings.HasSuffix(first, ":"+path))
}

// goesOn is an interruption after which the next pull goes on.
type goesOn struct{ error }

func (g *goesOn) Unwrap() error { return g.error }

// resumable says so of an interrupted download; what is on this host is read
// again from its beginning.
func resumable(found *source.Image, err error) error {
	if found.Reference.Transport == image.Docker && errors.Is(err, context.Canceled) {
		return &goesOn{err}
	}
	return err
}

const asRoot = "run as root: an image's files have owners of their own"

func hint(err error) string {
	if h := problem.HintOf(err); h != "" {
		return h
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "free some space, or name a store on another disk with SAFE_RUN_STORE"
	case errors.Is(err, unix.EROFS):
		return "name a store that can be written with SAFE_RUN_STORE"
	case errors.Is(err, fs.ErrPermission):
		return asRoot
	}
	return ""
}

// printable escapes what would not show on one line.
func printable(s string) string {
	var out strings.Builder
	for _, c := range strings.ToValidUTF8(s, "?") {
		if unicode.IsPrint(c) {
			out.WriteRune(c)
		} else {
			fmt.Fprintf(&out, "\\x%02x", c)
		}
	}
	return out.String()
}
