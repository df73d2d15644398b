//go:build !cgo || !seccomp

package compiled

import "errors"

// Record needs libseccomp.
func Record(func() error) ([]byte, error) {
	return nil, errors.New("built without libseccomp")
}

// Answer has nobody to answer.
func Answer(Entry) {}

// confineBy has no place where it could be done.
func confineBy([]byte) error { return errors.New("built without libseccomp") }

// Answered says that nobody was.
func Answered() bool { return false }

func library() string { return "" }
