// Package problem is the error that a person sees: one line that says what
// failed and to what, and a hint with the next step.
package problem

import (
	"errors"
	"fmt"
)

// Error is one line and a hint.
type Error struct {
	What string // what failed, and to what; one line, no full stop
	Hint string // the next step, as a command where there is one; may be empty
	Err  error  // the cause, for errors.Is; may be nil
}

// New makes an Error with a hint. A %w verb keeps the cause.
func New(hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{What: err.Error(), Hint: hint, Err: errors.Unwrap(err)}
}

// Error implements error.
func (e *Error) Error() string { return e.What }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// HintOf finds the outermost hint of err and of what it wraps; empty when
// there is none.
func HintOf(err error) string {
	for {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
}
