// Package doctor looks at the host for `safe-run doctor`: it reads, asks programs
// for their versions, and changes nothing. What it sees is judged in
// spec/audit/host.
package doctor

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/audit/host"
)

// Where is what is looked at; tests look elsewhere.
type Where struct {
	// Root is in front of every path: "" is this host.
	Root string
	// Path is a list of directories of programs, as in $PATH.
	Path string
}

// Look looks. What cannot be seen is left out, or unknown: a doctor does not fail.
func Look(ctx context.Context, at Where, seen spec.Host) host.Facts {
	f := host.Facts{
		Host: seen, Root: os.Geteuid() == 0, Notify: notify(), Landlock: landlock(),
		Sysctls: at.sysctls(), Favordynmods: at.favordynmods(),
		Runtimes: at.runtimes(ctx),
	}
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		f.SubIDs = append(f.SubIDs, at.subIDs(file)...)
	}
	f.Accounts = at.accounts(seen.IDs)
	for _, path := range []string{"/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock"} {
		f.Sockets = append(f.Sockets, at.file(path))
	}
	for _, path := range []string{"/run/safe-run", "/var/lib/safe-run", "/etc/safe-run"} {
		f.Dirs = append(f.Dirs, at.file(path))
	}
	return f
}

func (at Where) join(path string) string { return filepath.Join(at.Root, path) }

// names of the sysctls that are judged.
var names = []string{
	"kernel.unprivileged_bpf_disabled", "kernel.kptr_restrict", "kernel.dmesg_restrict", "kernel.yama.ptrace_scope", "kernel.io_uring_disabled",
	"kernel.unprivileged_userns_clone", "dev.tty.legacy_tiocsti", "kernel.core_pattern", "user.max_user_namespaces",
}

func (at Where) sysctls() map[string]string {
	out := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(at.join("/proc/sys"), strings.ReplaceAll(name, ".", "/")))
		if err == nil {
			out[name] = strings.TrimSpace(string(data))
		}
	}
	return out
}

// favordynmods reads the options of /sys/fs/cgroup.
func (at Where) favordynmods() spec.Tri {
	answer := spec.Unknown
	at.lines("/proc/self/mounts", func(line string) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[2] != "cgroup2" {
			return
		}
		answer = spec.No
		for _, option := range strings.Split(fields[3], ",") {
			if option == "favordynmods" {
				answer = spec.Yes
			}
		}
	})
	return answer
}

// lines gives the lines of a file; none when it cannot be read.
func (at Where) lines(path string, each func(string)) {
	f, err := os.Open(at.join(path))
	if err != nil {
		return
	}
	defer f.Close()
	const most = 100_000
	scanner := bufio.NewScanner(f)
	for n := 0; n < most && scanner.Scan(); n++ {
		each(scanner.Text())
	}
}

// subIDs reads subuid(5).
func (at Where) subIDs(file string) []host.SubID {
	var out []host.SubID
	at.lines(file, func(line string) {
		parts := strings.Split(strings.TrimSpace(line), ":")
		if len(parts) != 3 {
			return
		}
		first, err := strconv.ParseUint(parts[1], 10, 32)
		count, err2 := strconv.ParseUint(parts[2], 10, 32)
		if err == nil && err2 == nil {
			out = append(out, host.SubID{File: file, Owner: parts[0], First: first, Count: count})
		}
	})
	return out
}

// accounts finds users and groups whose ids are containers'.
func (at Where) accounts(own spec.IDRange) []string {
	var out []string
	for _, file := range []string{"/etc/passwd", "/etc/group"} {
		at.lines(file, func(line string) {
			parts := strings.Split(line, ":")
			if len(parts) < 3 {
				return
			}
			id, err := strconv.ParseUint(parts[2], 10, 32)
			if err == nil && id >= uint64(own.First) && id < uint64(own.First)+uint64(own.Count) && len(out) < 20 {
				out = append(out, parts[0])
			}
		})
	}
	return out
}

// file looks at one, without following a link.
func (at Where) file(path string) host.File {
	out := host.File{Path: path}
	var st unix.Stat_t
	if unix.Lstat(at.join(path), &st) != nil {
		out.Missing = true
		return out
	}
	out.Mode, out.UID, out.GID = os.FileMode(st.Mode&0o7777), st.Uid, st.Gid
	at.lines("/etc/group", func(line string) {
		parts := strings.Split(line, ":")
		if len(parts) == 4 && parts[2] == strconv.FormatUint(uint64(st.Gid), 10) {
			out.Group = parts[0]
			for _, member := range strings.Split(parts[3], ",") {
				if member != "" && member != "root" && st.Gid != 0 {
					out.Members = append(out.Members, member)
				}
			}
		}
	})
	return out
}
