package machine

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/battery"
)

// TestBattery attacks every built-in profile on two kernels, in machines (or the profile
// default, when a part is asked for): nothing
// may be let through that the profile does not name, and no layer may be another
// than predicted.
func TestBattery(t *testing.T) {
	old, recent := need(t)
	t.Parallel()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"verify", "--vm", "--format", "json"}
	args = append(args, "--kernel", old.Image, "--kernel", recent.Image)
	names := builtin.Names()
	if part() {
		names = []string{"default"}
	}
	for _, name := range names {
		args = append(args, "--profile", name)
	}
	cmd := exec.Command(filepath.Join(bin, "safe-run"), args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	for line := range strings.Lines(said.String()) {
		if strings.HasPrefix(line, "NOTE") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, said.String())
	}
	var got struct{ Reports []battery.Report }
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	if len(got.Reports) != 2*len(names) {
		t.Errorf("%d reports of %d profiles on two kernels", len(got.Reports), len(names))
	}
	for _, r := range got.Reports {
		blocked := 0
		for _, one := range r.Results {
			if one.Wrong != "" {
				t.Errorf("%s, Linux %s: %s: %s (%s)", r.Profile, r.Kernel, one.ID, one.Wrong, one.Detail)
			}
			if one.Verdict == battery.Blocked {
				blocked++
			}
		}
		if r.Where != "vm" || r.Partial != "" || blocked < 80 {
			t.Errorf("%s, Linux %s in %q: %d attacks blocked; %s", r.Profile, r.Kernel, r.Where, blocked, r.Partial)
		}
		t.Logf("%s, Linux %s: %d of %d attacks blocked, in %s", r.Profile, r.Kernel, blocked, len(r.Results), r.Took)
	}
}
