package runc

import (
	"encoding/json"

	"github.com/opencontainers/runc/libcontainer"
)

// Warm has encoding/json prepare, in the background, for what libcontainer tells
// init and keeps of a container: a millisecond, once, that init would wait for.
func Warm() {
	go func() { _, _ = json.Marshal(libcontainer.State{}) }()
}
