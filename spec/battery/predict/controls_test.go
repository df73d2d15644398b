package predict_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery/predict"
)

// notControls are parts of a plan that hold no attack, by the beginning of their
// path, each with the reason.
var notControls = map[string]string{
	"profile": "a name", "image": "a name", "decisions": "words for people", "lifecycle": "how it starts and ends",
	"oci.ociVersion": "a version", "oci.hostname": "a name, which goes with its namespace", "oci.annotations": "words for others",
	"oci.process.args": "what runs", "oci.process.env": "what runs", "oci.process.cwd": "where it runs", "oci.process.terminal": "where it runs",
	"oci.root.path": "what runs", "rootfs.source": "what runs", "rootfs.layers": "what runs", "rootfs.files": "what runs",
	"rootfs.dirs": "mount points", "rootfs.fileMounts": "mount points", "rootfs.writableBytes": "of a root that may be written",
	"oci.mounts": "each by its options", "oci.linux.cgroupsPath": "where its limits are", "instance": "who it is",
	"oci.process.user.additionalGids": "of a user who is not root",
	"oci.linux.resources.devices":     "never taken away: what the attacks make would be the host's; in front of it is D03",
	"oci.linux.resources.memory.swap": "goes with the memory's limit",
	"oci.linux.resources.unified":     "how the kernel kills what goes beyond the memory's limit",
	"oci.process.rlimits.RLIMIT_CORE": "what becomes of a crash; no attack of the battery",
	"oci.process.oomScoreAdj":         "who is killed first",
	"oci.linux.namespaces.mount":      "without it every mount of a sandbox would be one of the host's, and none is made so",
	"limits":                          "what the launcher tells of the control group's",
	"mounts nodev":                    "the devices' list and Landlock hold beside it, and D01 and D02 see them go",
	"mounts nosuid":                   "no new privileges holds beside it; P02 sees it hold when those are gone",
	"mounts ro":                       "what is mounted so; the root's own is a control",
	"network":                         "of a profile with a network: the tests of sandbox/network take its rules away one at a time",
	"rootAllowed":                     "goes with the user",
}

// TestControlsAreWhole: each setting of a built-in profile's plan can be taken away
// by one of Controls, whose loss TestVerifyMisses (integration) proves to be noticed,
// or is none. A setting that is new fails here until it is one or the other.
func TestControlsAreWhole(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/plans/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no plans: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		left := settings(t, data)
		for _, c := range predict.Controls() {
			plan := new(spec.Plan)
			if err := json.Unmarshal(data, plan); err != nil {
				t.Fatal(err)
			}
			c.Remove(plan)
			after, err := json.Marshal(plan)
			if err != nil {
				t.Fatal(err)
			}
			now := settings(t, after)
			for name, value := range left {
				if now[name] != value {
					delete(left, name)
				}
			}
		}
		for name := range left {
			if !exempt(name) {
				t.Errorf("%s: %s can be taken away by nobody: add it to Controls, so that a battery has to miss it, or say in notControls why it holds no attack", filepath.Base(path), name)
			}
		}
	}
}

func exempt(name string) bool {
	for at := range notControls {
		if name == at || strings.HasPrefix(name, at+".") {
			return true
		}
	}
	return false
}

// settings are the parts of a plan by name, with what they are.
func settings(t *testing.T, data []byte) map[string]string {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	flatten(out, "", whole)
	plan := new(spec.Plan)
	if err := json.Unmarshal(data, plan); err != nil {
		t.Fatal(err)
	}
	for _, m := range plan.OCI.Mounts {
		for _, o := range m.Options {
			name, value, _ := strings.Cut(o, "=")
			if slices.Contains([]string{"nosuid", "nodev", "noexec", "ro", "size", "nr_inodes"}, name) && m.Destination != "/dev" {
				out["mounts "+name] += m.Destination + value + " "
			}
		}
	}
	return out
}

func flatten(out map[string]string, name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			// A system call filter is one control, whatever is in it; so is Landlock.
			at := strings.TrimPrefix(name+"."+key, ".")
			if at == "oci.linux.seccomp" || at == "landlock" {
				out[at] = fmt.Sprint(inner)
				continue
			}
			flatten(out, at, inner)
		}
	case []any:
		for i, inner := range v {
			if of, ok := inner.(map[string]any); ok && of["type"] != nil && (strings.HasSuffix(name, "namespaces") || strings.HasSuffix(name, "rlimits")) {
				out[name+"."+fmt.Sprint(of["type"])] = fmt.Sprint(of)
				continue
			}
			out[fmt.Sprintf("%s.%d", name, i)] = fmt.Sprint(inner)
		}
	default:
		out[name] = fmt.Sprint(v)
	}
}
