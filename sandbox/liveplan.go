package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/plainjson"
	"github.com/safe-run/safe-run/spec/problem"
)

// planFile is what is kept of a plan while its sandbox runs, beside the record.
const planFile = "plan.json"

// mostPlan bounds it.
const mostPlan = 4 << 20

// keepPlan writes a plan down for those who join or look at the sandbox, whole
// or not at all, because somebody may be waiting for it. The filter, most of a
// plan, is left out: libcontainer's own state has it.
func keepPlan(dir string, plan *spec.Plan, ports []spec.Port) error {
	data, err := shortPlan(plan, ports)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, planFile)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// planLater is how long a program runs before its plan is written down. That
// costs as much as a twentieth of a launch, and hardly anybody joins sooner.
const planLater = 2 * time.Millisecond

// keepPlanLater keeps the plan beside the program, and not at all when that is
// over by then. Who comes sooner waits; see Live.readPlan.
func (c *Cmd) keepPlanLater() {
	select {
	case <-time.After(planLater):
		_ = keepPlan(c.Lease.store.Dir(c.Lease.ID), c.Plan, c.Ports) // who wants it finds none, and says so
	case <-c.ended:
	}
}

func shortPlan(plan *spec.Plan, ports []spec.Port) ([]byte, error) {
	short, oci, linux := *plan, *plan.OCI, *plan.OCI.Linux
	linux.Seccomp = nil
	oci.Linux, short.OCI, short.Network.Publish = &linux, &oci, ports
	return plainjson.Marshal(short)
}

// KeepPlan writes the plan that a container runs with into the ledger, as it is
// kept beside the sandbox.
func KeepPlan(book *ledger.Ledger, id string, plan *spec.Plan, ports []spec.Port) error {
	data, err := shortPlan(plan, ports)
	if err != nil {
		return err
	}
	return book.KeepPlan(id, data)
}

// KeptPlan is the plan that a container of the ledger ran with last, or was made
// with, with the limits that it has now.
func KeptPlan(book *ledger.Ledger, c ledger.Container) (*spec.Plan, error) {
	data, err := book.Plan(c.ID)
	if err != nil {
		return nil, err
	}
	plan, err := parsePlan(data)
	if err == nil {
		set, _ := limitsFor(plan, c.Limits)
		noteLimits(plan, set)
	}
	return plan, err
}

// planPatience is how long a plan is waited for that is not written down, though
// its container runs.
const planPatience = 10 * time.Second

func (l *Live) readPlan() (*spec.Plan, error) {
	plan, err := readPlan(l.store.Dir(l.record.ID))
	for end := time.Now().Add(planPatience); errors.Is(err, os.ErrNotExist) && time.Now().Before(end) && l.store.Live(l.record.ID); {
		time.Sleep(time.Millisecond)
		plan, err = readPlan(l.store.Dir(l.record.ID))
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, notRunning(l.record.Name)
	}
	if err != nil {
		return nil, problem.New("stop it, and start it again", "what is known of %s cannot be read: %w", l.record.Name, err)
	}
	return plan, nil
}

func readPlan(dir string) (*spec.Plan, error) {
	f, err := os.Open(filepath.Join(dir, planFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostPlan+1))
	if err != nil {
		return nil, err
	}
	return parsePlan(data)
}

func parsePlan(data []byte) (*spec.Plan, error) {
	var plan spec.Plan
	var err error
	if len(data) > mostPlan {
		err = errors.New("it is too large")
	} else {
		err = json.Unmarshal(data, &plan)
	}
	if err == nil && (plan.OCI == nil || plan.OCI.Process == nil || plan.OCI.Linux == nil || plan.OCI.Linux.Resources == nil) {
		err = errors.New("it is not whole")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", planFile, err)
	}
	return &plan, nil
}
