package pull

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// childStore and childImage tell a child of the tests what to unpack.
const (
	childStore = "UNPACK_TEST_STORE"
	childImage = "UNPACK_TEST_IMAGE"
)

// asChild unpacks what the environment says, when it says something.
func asChild() (code int, child bool) {
	reference := os.Getenv(childImage)
	if reference == "" {
		return 0, false
	}
	if _, err := Pull(context.Background(), reference, Options{Store: os.Getenv(childStore)}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// childCommand is a process that unpacks reference into store.
func childCommand(reference, store string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{childStore + "=" + store, childImage + "=" + reference}
	cmd.Stderr = os.Stderr
	return cmd
}
