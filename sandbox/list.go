package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// Info is what is known of a sandbox from outside.
type Info struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Image    string    `json:"image"`
	Profile  string    `json:"profile"`
	Command  string    `json:"command,omitempty"`
	Created  time.Time `json:"created"`
	Launcher int       `json:"launcher"`
	// Status is "created" until its program has been executed, then "running";
	// "dead" when the launcher is gone and nothing has been collected yet.
	Status string `json:"status"`
	// Ports are the published ports: "127.0.0.1:8080->80/tcp".
	Ports []string `json:"ports,omitempty"`
	// Volumes are the names of those that it has.
	Volumes []string `json:"volumes,omitempty"`
	// Pool is what has prepared it.
	Pool string `json:"pool,omitempty"`
}

// List gives the sandboxes below root, newest first.
func List(root string) ([]Info, error) {
	return ListOthers(root, none)
}

// ListOthers gives those that are not known already.
func ListOthers(root string, known func(id string) bool) ([]Info, error) {
	records, err := records(root, known)
	if err != nil {
		return nil, err
	}
	store := &state.Store{Root: root}
	out := make([]Info, 0, len(records))
	for _, rec := range records {
		info := infoOf(rec)
		if info.Status == "dead" {
			// One whose launcher has just ended as it should is gone by now.
			if _, err := store.Load(rec.ID); err != nil {
				if _, left := store.Left(rec.ID); !left {
					continue
				}
			}
		}
		out = append(out, info)
	}
	return out, nil
}

func infoOf(rec state.Record) Info {
	info := Info{
		ID: rec.ID, Name: rec.Name, Image: rec.Image, Profile: rec.Profile, Command: rec.Command,
		Created: rec.Created, Launcher: rec.Launcher, Status: "running", Ports: rec.Ports, Pool: rec.Pool,
	}
	for _, v := range rec.Volumes {
		info.Volumes = append(info.Volumes, v.Name)
	}
	switch {
	case !rec.Alive():
		info.Status = "dead"
	case rec.Executed.IsZero():
		info.Status = "created"
	}
	return info
}

// none is known.
func none(string) bool { return false }

// records reads the records of sandboxes, but not of known ones.
func records(root string, known func(id string) bool) ([]state.Record, error) {
	store := &state.Store{Root: root}
	ids, err := store.List()
	if err != nil {
		return nil, err
	}
	var out []state.Record
	for _, id := range ids {
		if known(id) {
			continue
		}
		// One that cannot be read is just being made or removed.
		if rec, err := store.Load(id); err == nil {
			out = append(out, rec)
		} else if rec, left := store.Left(id); left {
			out = append(out, rec)
		}
	}
	slices.SortFunc(out, func(a, b state.Record) int { return b.Created.Compare(a.Created) })
	return out, nil
}

// find looks for a sandbox by name, or by the beginning of its id.
func find(root, ref string) (state.Record, error) {
	all, err := records(root, none)
	if err != nil {
		return state.Record{}, err
	}
	var found []state.Record
	for _, rec := range all {
		if rec.Name == ref || rec.ID == ref {
			return rec, nil
		}
		if ref != "" && strings.HasPrefix(rec.ID, ref) {
			found = append(found, rec)
		}
	}
	switch len(found) {
	case 0:
		return state.Record{}, problem.New("`safe-run ps` lists what runs", "no container %q", ref)
	case 1:
		return found[0], nil
	}
	return state.Record{}, problem.New("type more digits, or the name", "%q is the beginning of %d containers' ids", ref, len(found))
}

// Stop asks a sandbox of another process to end: its stop signal first, and
// after its time, or grace when that is not nil, SIGKILL. It returns once the
// launcher has cleaned up and gone.
func Stop(root, ref string, grace *time.Duration) error {
	rec, err := find(root, ref)
	if err != nil {
		return err
	}
	if err := pooled(rec); err != nil && rec.Alive() {
		return err
	}
	// The descriptor names this very process, whatever becomes of its number
	// (pidfd_open(2)); the start time says that it is the launcher still.
	launcher, err := unix.PidfdOpen(rec.Launcher, 0)
	if err != nil || !rec.Alive() {
		return Collect(root, rec.ID)
	}
	defer unix.Close(launcher)
	timeout := rec.StopTimeout
	if grace != nil {
		timeout = *grace
	}
	sig := unix.SignalNum(rec.StopSignal)
	if sig == 0 {
		sig = unix.SIGTERM
	}
	if err := unix.PidfdSendSignal(launcher, sig, nil, 0); err != nil {
		return problem.New("stop it as the user who started it, or as root", "stop %s: %w", rec.Name, err)
	}
	if ended(launcher, timeout) {
		return nil
	}
	// The warden kills what the launcher leaves.
	if err := unix.PidfdSendSignal(launcher, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill %s: %w", rec.Name, err)
	}
	return awaitCollected(root, rec)
}

// ended waits for a process to end.
func ended(pidfd int, timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	for {
		left := time.Until(deadline)
		if left < 0 {
			return false
		}
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(left.Milliseconds())+1)
		if err == nil && n > 0 {
			return true
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
	}
}

// collectTimeout bounds the wait for a warden.
const collectTimeout = 10 * time.Second

// awaitCollected waits until the warden has removed everything.
func awaitCollected(root string, rec state.Record) error {
	store := &state.Store{Root: root}
	for deadline := time.Now().Add(collectTimeout); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := store.Load(rec.ID); err != nil {
			return nil
		}
	}
	return problem.New("run `safe-run gc`", "%s was killed, but not everything of it has been removed", rec.Name)
}
