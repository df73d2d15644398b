package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/volume"
)

// TestNameless: a volume without a name gets one, which the command line that
// is kept has in its place, and goes with a container that nobody keeps.
func TestNameless(t *testing.T) {
	t.Setenv("SAFE_RUN_VOLUMES", "/srv/volumes")
	for args, goes := range map[string]bool{"": true, "-d": false, "-d --rm": true} {
		line := append(strings.Fields(args), "-v", "/x:", "-v", "data:/y", "dir:/root")
		if _, err := parseRun(line); err == nil {
			t.Error("-v /x: was taken for something")
		}
		line = append(strings.Fields(args), "-v", "/x", "--mount", "type=volume,target=/z,readonly,volume-label=a=b", "-v", "data:/y", "dir:/root")
		o, err := parseRun(line)
		if err != nil {
			t.Fatal(err)
		}
		v := o.Request.Volumes
		if len(v) != 3 || !volume.ValidName(v[0].Name) || len(v[0].Name) != 64 || v[0].Name == v[1].Name || v[0].Source != "/srv/volumes/"+v[0].Name+"/_data" {
			t.Fatalf("%q: %+v", args, v)
		}
		if !v[0].Anonymous || v[0].AutoRemove != goes || v[2].Anonymous || v[2].AutoRemove || v[1].Labels["a"] != "b" {
			t.Errorf("%q: %+v", args, v)
		}
		if args != "-d" {
			continue
		}
		want := []string{"--mount=type=volume,source=" + v[0].Name + ",target=/x", "--mount=type=volume,source=" + v[1].Name + ",target=/z,readonly,volume-label=a=b", "--volume=data:/y", "--", "dir:/root"}
		if !slices.Equal(o.Again, want) {
			t.Errorf("again: %q, want %q", o.Again, want)
		}
		again, err := parseRun(append([]string{"-d"}, o.Again...))
		if err != nil || again.Request.Volumes[0].Name != v[0].Name || again.Request.Volumes[0].Anonymous {
			t.Errorf("again: %+v, %v", again.Request.Volumes, err)
		}
		again.knowVolumes(ledger.Container{AutoRemove: true, Volumes: []ledger.Volume{{Name: v[0].Name, Anonymous: true}, {Name: "data"}}})
		if v := again.Request.Volumes; !v[0].Anonymous || !v[0].AutoRemove || v[1].AutoRemove || v[2].AutoRemove {
			t.Errorf("with what the ledger knows: %+v", v)
		}
	}
}

func TestVolumeFilters(t *testing.T) {
	r := volumeRow{Name: "data", Driver: "local", Labels: map[string]string{"app": "db", "empty": ""}, dangling: true}
	for text, want := range map[string]bool{
		"name=at": true, "name=x": false, "name=x name=data": true, "driver=local": true, "driver=nfs": false,
		"label=app": true, "label=app=db": true, "label=app=web": false, "label=none": false, "label=app label=empty": true,
		"label=app label=none": false, "label!=app": false, "label!=none": true, "dangling=true": true, "dangling=false": false, "dangling=1 name=data": true,
	} {
		f, err := parseVolumeFilters(strings.Fields(text))
		if err != nil || f.match(r) != want {
			t.Errorf("%s: %t, %v; want %t", text, !want, err, want)
		}
	}
	for _, text := range []string{"", "name", "name=", "size=1", "dangling=maybe"} {
		if _, err := parseVolumeFilters([]string{text}); err == nil {
			t.Errorf("%q was taken for a filter", text)
		}
	}
}
