// Package light makes the Go runtime of a container's init cost little. Its
// constructor runs before Go does in whoever imports it, and does nothing in
// what is not libcontainer's init.
package light

// #cgo LDFLAGS: -Wl,--wrap=pthread_create
// #include "light.h"
import "C"
