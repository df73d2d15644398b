package cli

import (
	"math"
	"strconv"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// parseSize reads a size as docker does: 512m, 1.5g, 65536; units are powers
// of 1024. Zero and unlimited (-1) are refused: a limit is always there.
func parseSize(text string) (profiles.Bytes, error) {
	if text == "-1" || text == "0" {
		return 0, problem.New("name the size that is needed, for example 512m", "%s would be without a limit", text)
	}
	size, err := profiles.ParseBytes(text)
	if err == nil && size <= 0 {
		err = problem.New("write it as 512m or 1.5g", "%q is less than one byte", text)
	}
	return size, err
}

// parseCount reads a whole number of at least least.
func parseCount(text string, least int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, problem.New("write a whole number", "%q is not a number", text)
	}
	if n < least || n > math.MaxInt32 {
		return 0, problem.New("write a number in between", "%d is not from %d to %d", n, least, math.MaxInt32)
	}
	return n, nil
}
