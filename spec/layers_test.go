package spec_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func layers(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("/store/layers/%064x", i))
	}
	return list
}

// TestImageTree: a plan has the tree that the image has, in one directory, in
// layers or not at all.
func TestImageTree(t *testing.T) {
	for _, c := range []struct {
		what   string
		rootfs string
		layers []string
		root   string
		idmap  bool
	}{
		{"a directory", "/images/app", nil, "/images/app", true},
		{"one layer", "", layers(1), layers(1)[0], true},
		{"two layers", "", layers(2), "rootfs", true},
		{"as many as can be", "", layers(spec.MaxLayers), "rootfs", true},
	} {
		in := input(t, "default")
		in.Image.Rootfs, in.Image.Layers = c.rootfs, c.layers
		plan := compile(t, in)
		if r := plan.Rootfs; r.Source != c.rootfs || !slices.Equal(r.Layers, c.layers) || r.IDMap != c.idmap || plan.OCI.Root.Path != c.root {
			t.Errorf("%s: %+v, root %q; want root %q, idmap %v", c.what, r, plan.OCI.Root.Path, c.root, c.idmap)
		}
	}
	in := input(t, "default")
	in.Image.Rootfs, in.Image.Layers = "", layers(2)
	accept(&in, profiles.WeakIDMappedMounts)
	in.Host.OverlayIDMap = spec.No
	if plan := compile(t, in); plan.Rootfs.IDMap {
		t.Error("layers are idmapped on a host that cannot")
	}
}

func TestTooManyLayersIsAProblem(t *testing.T) {
	in := input(t, "default")
	in.Image.Rootfs, in.Image.Layers = "", layers(spec.MaxLayers+1)
	_, err := spec.Compile(in)
	if err == nil || problem.HintOf(err) != "build the image with fewer layers" {
		t.Errorf("%v, hint %q", err, problem.HintOf(err))
	}
}
