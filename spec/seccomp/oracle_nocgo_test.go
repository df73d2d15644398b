//go:build !cgo

package seccomp_test

import "testing"

func TestFilterIsTheModel(t *testing.T) {
	t.Skip("NOT CHECKED: the filter against its model; needs cgo and libseccomp-dev")
}
