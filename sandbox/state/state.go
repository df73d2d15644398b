// Package state keeps what must outlive a launcher that is killed: one record
// a sandbox, the slots of host ids, and the names in use. Everything lives in
// small files below one directory (by default /run/safe-run) and every change
// is a create with O_EXCL, a rename or a remove.
//
//	ids/SLOT          taken slots; the content is the sandbox id
//	names/NAME        taken names; the content is the sandbox id
//	sandboxes/ID/     record.json, which is ended.json once the sandbox has ended and
//	                  its warden removes the rest; told, when its end has been told of;
//	                  the mount point of the root, libcontainer's state
package state

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/plainjson"
	"github.com/safe-run/safe-run/spec/problem"
)

// DefaultRoot is where state is kept. It does not survive a reboot, and
// neither does what it describes.
const DefaultRoot = "/run/safe-run"

// Record is what is known of one sandbox.
type Record struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Slot    int       `json:"slot"`
	Created time.Time `json:"created"`
	// Launcher is the process that owns the sandbox, and LauncherStart its
	// start time in clock ticks (proc(5) stat field 22), so that a reused pid
	// is not taken for it.
	Launcher      int    `json:"launcher"`
	LauncherStart uint64 `json:"launcherStart"`
	// LauncherFile is the program that it runs, as device and inode.
	LauncherFile string `json:"launcherFile,omitempty"`
	// Warden is the process that removes what the launcher leaves.
	Warden int `json:"warden,omitempty"`
	// CgroupsPath and CgroupDriver find the control group.
	CgroupsPath  string `json:"cgroupsPath,omitempty"`
	CgroupDriver string `json:"cgroupDriver,omitempty"`
	Image        string `json:"image,omitempty"`
	Profile      string `json:"profile,omitempty"`
	// Pool is what keeps it prepared, or kept it.
	Pool string `json:"pool,omitempty"`
	// Executed is when the program was executed; before, it is being made.
	Executed time.Time `json:"executed,omitzero"`
	// Command is the program with its arguments, for people: the beginning.
	Command string `json:"command,omitempty"`
	// Ports are the published ports, for people: "127.0.0.1:8080->80/tcp".
	Ports []string `json:"ports,omitempty"`
	// Volumes are those that it has.
	Volumes []Volume `json:"volumes,omitempty"`
	// StopSignal by name and StopTimeout are how the sandbox is asked to end.
	StopSignal  string        `json:"stopSignal,omitempty"`
	StopTimeout time.Duration `json:"stopTimeout,omitempty"`
}

// Volume is a volume that a sandbox has. Store is where it is kept, and
// AutoRemove says that it goes with the sandbox.
type Volume struct {
	Name       string `json:"name"`
	Store      string `json:"store"`
	AutoRemove bool   `json:"autoRemove,omitempty"`
}

// Store is a state directory.
type Store struct{ Root string }

// Open makes the directories of a store when they are missing. They can be
// traversed but not listed by others, because the container's init, already
// an unprivileged user, walks through them to its root.
func Open(root string) (*Store, error) {
	for _, dir := range []string{"", "ids", "names", "sandboxes"} {
		path := filepath.Join(root, dir)
		err := os.MkdirAll(path, 0o711)
		if err == nil {
			// A umask, or whoever made it before, may have closed it.
			err = os.Chmod(path, 0o711)
		}
		if err != nil {
			return nil, problem.New("run safe-run as root", "cannot make the state directory: %w", err)
		}
	}
	return &Store{Root: root}, nil
}

// NewID makes a random id of 64 hexadecimal digits.
func NewID() string {
	var b [32]byte
	// crypto/rand.Read never fails on Linux (Go 1.24).
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Dir is the directory of one sandbox.
func (s *Store) Dir(id string) string { return filepath.Join(s.Root, "sandboxes", id) }

// RuntimeDir is where libcontainer keeps its own state of one sandbox.
func (s *Store) RuntimeDir(id string) string { return filepath.Join(s.Dir(id), "runtime") }

// RootfsDir is the mount point of a sandbox's root, inside the launcher's
// private mount namespace.
func (s *Store) RootfsDir(id string) string { return filepath.Join(s.Dir(id), "rootfs") }

// validName says whether a name is docker's kind: it starts with a letter or a
// digit and is a file's name at the same time.
func validName(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	for i, r := range name {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alphanumeric && (i == 0 || !strings.ContainsRune("_.-", r)) {
			return false
		}
	}
	return true
}

// Take reserves id, a name and a slot for this process; an empty name becomes
// the first digits of the id. slots is the
// number of slots the host has.
func (s *Store) Take(id, name string, slots int) (Record, error) {
	rec := Record{ID: id, Name: name, Created: time.Now().UTC(), Launcher: os.Getpid()}
	if rec.Name == "" {
		rec.Name = rec.ID[:12]
	} else if !validName(rec.Name) {
		return rec, problem.New("use letters, digits, '_', '.' and '-', at most 63", "name %q cannot be used", rec.Name)
	}
	start, err := startTime(rec.Launcher)
	if err != nil {
		return rec, err
	}
	rec.LauncherStart = start
	rec.LauncherFile, _ = programOf(rec.Launcher) // then it is not asked for
	// The directory comes first: a claim that names none is taken back by the
	// next collector, and so is a directory that never got its record.
	if err := os.Mkdir(s.Dir(rec.ID), 0o711); err != nil {
		return rec, err
	}
	rec.Slot = -1
	if err := s.claims(&rec, slots, name != ""); err != nil {
		return rec, errors.Join(err, s.Release(rec))
	}
	return rec, nil
}

// claims takes the name, when it was chosen and not made of the id, and a slot.
func (s *Store) claims(rec *Record, slots int, named bool) error {
	if err := os.WriteFile(s.claimFile(rec.ID), []byte(rec.ID), 0o600); err != nil {
		return err
	}
	if named {
		err := os.Link(s.claimFile(rec.ID), filepath.Join(s.Root, "names", rec.Name))
		if errors.Is(err, os.ErrExist) {
			return nameInUse(rec.Name)
		}
		if err != nil {
			return err
		}
	}
	var err error
	if rec.Slot, err = s.takeSlot(rec.ID, slots); err != nil {
		return err
	}
	return s.Save(*rec)
}

// claimFile is what claims are links to: a name or a slot is taken whole or not
// at all, and the file goes with the sandbox's directory.
func (s *Store) claimFile(id string) string { return filepath.Join(s.Dir(id), "id") }

// Save writes a record, replacing the one before it.
func (s *Store) Save(rec Record) error {
	data, err := plainjson.Marshal(rec)
	if err != nil {
		return err
	}
	tmp := filepath.Join(s.Dir(rec.ID), "record.tmp")
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.recordFile(rec.ID))
}

// Load reads a record.
func (s *Store) Load(id string) (Record, error) { return s.read(id, "record.json") }

func (s *Store) read(id, name string) (Record, error) {
	var rec Record
	data, err := os.ReadFile(filepath.Join(s.Dir(id), name))
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(data, &rec); err != nil {
		return rec, fmt.Errorf("record of %s: %w", id, err)
	}
	if rec.ID != id {
		return rec, fmt.Errorf("record of %s names %q", id, rec.ID)
	}
	return rec, nil
}

// List gives the ids that have a directory, records or not.
func (s *Store) List() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.Root, "sandboxes"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var ids []string
	for _, e := range entries {
		if validID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}

// Known says whether there is anything of a sandbox.
func (s *Store) Known(id string) bool {
	_, err := os.Stat(s.Dir(id))
	return err == nil
}

// Live says whether the launcher of a sandbox runs, or may be about to say so; of
// one that has ended, whether somebody is removing it.
func (s *Store) Live(id string) bool {
	if rec, err := s.Load(id); err == nil {
		return rec.Alive()
	}
	if rec, err := s.Ended(id); err == nil {
		return rec.attended()
	}
	return s.Young(id)
}

// Young says whether a sandbox was begun within the last minute. One without a
// record may be about to get it.
func (s *Store) Young(id string) bool {
	info, err := os.Stat(s.Dir(id))
	// Either way: the clock may have been set back since.
	return err == nil && time.Since(info.ModTime()).Abs() < time.Minute
}

func validID(s string) bool {
	if len(s) != 64 {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil && strings.ToLower(s) == s
}

// Release gives back slot and name and forgets the sandbox. It is idempotent.
func (s *Store) Release(rec Record) error {
	var errs []error
	if rec.Slot >= 0 {
		errs = append(errs, unclaim(s.SlotFile(rec.Slot), rec.ID))
	}
	errs = append(errs, s.giveBack(rec)...)
	errs = append(errs, os.RemoveAll(s.Dir(rec.ID)))
	return errors.Join(errs...)
}

// SlotFile is the claim of a slot. Its content is the id of the sandbox that has it.
func (s *Store) SlotFile(slot int) string { return filepath.Join(s.Root, "ids", fmt.Sprint(slot)) }

// unclaim removes path when it is held by id. Those who remove take turns: one
// who read the file just before another removed it would remove the claim of
// whoever came next, and two sandboxes would have the same range of ids.
func unclaim(path, id string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return ignoreMissing(err)
	}
	defer dir.Close() // and unlocks
	if err := lock(dir); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return ignoreMissing(err)
	}
	if string(data) != id {
		return nil
	}
	return os.Remove(path)
}

// lock waits for the others, who hold it for a few system calls.
func lock(dir *os.File) error {
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// ReleaseClaims gives back every slot and name that names a sandbox without a
// directory: what a launcher leaves that is killed between two steps of Take
// or Release.
func (s *Store) ReleaseClaims() error {
	var errs []error
	for _, sub := range []string{"ids", "names"} {
		dir := filepath.Join(s.Root, sub)
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		errs = append(errs, err)
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			id, err := os.ReadFile(path)
			if err != nil || !validID(string(id)) {
				continue
			}
			if _, err := os.Stat(s.Dir(string(id))); errors.Is(err, os.ErrNotExist) {
				errs = append(errs, unclaim(path, string(id)))
			} else if sub == "names" {
				errs = append(errs, s.releaseStale(e.Name(), string(id)))
			}
		}
	}
	return errors.Join(errs...)
}

// Alive says whether the launcher of rec still runs.
func (rec Record) Alive() bool {
	start, err := startTime(rec.Launcher)
	return err == nil && start == rec.LauncherStart && rec.runsIn(rec.Launcher)
}

// runsIn says whether a process runs the launcher's program, as far as that may
// be seen and was written down.
func (rec Record) runsIn(pid int) bool {
	file, err := programOf(pid)
	return rec.LauncherFile == "" || file == rec.LauncherFile || errors.Is(err, os.ErrPermission)
}

// programOf is the file that a process runs, also when it has been replaced or
// removed since.
func programOf(pid int) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/exe", pid), &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino), nil
}

// StartTime is when a process was started, in clock ticks since the host was;
// with it a process number means one process only.
func StartTime(pid int) (uint64, error) { return startTime(pid) }

// startTime reads field 22 of /proc/PID/stat. The second field, the command in
// parentheses, may hold spaces and parentheses of its own.
func startTime(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat is cut short", pid)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, unix.ESRCH
	}
	var start uint64
	_, err = fmt.Sscan(fields[19], &start)
	return start, err
}
