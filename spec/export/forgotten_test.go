package export_test

import (
	"testing"

	"github.com/safe-run/safe-run/spec/export/apparmor"
	"github.com/safe-run/safe-run/spec/export/compose"
	"github.com/safe-run/safe-run/spec/export/docker"
	"github.com/safe-run/safe-run/spec/export/exporttest"
	"github.com/safe-run/safe-run/spec/export/nomad"
	"github.com/safe-run/safe-run/spec/export/oci"
	"github.com/safe-run/safe-run/spec/export/podman"
	"github.com/safe-run/safe-run/spec/export/seccomp"
)

// targets that a container runs from. All that a profile says is expressed in
// their files, or is a loss.
var targets = map[string]exporttest.Export{
	"apparmor": apparmor.Export, "compose": compose.Export, "docker": docker.Export, "nomad": nomad.Export, "oci": oci.Export, "podman": podman.Export,
	"seccomp": seccomp.Export,
}

// TestNoFieldForgotten changes every field of a profile, one at a time, and wants
// a difference in the files or in the losses of every target.
func TestNoFieldForgotten(t *testing.T) {
	for name, exported := range targets {
		t.Run(name, func(t *testing.T) {
			forgotten, err := exporttest.Forgotten(exported)
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range forgotten {
				t.Errorf("%s is neither expressed nor told as a loss", field)
			}
		})
	}
}
