package leaks

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mark is in the name of everything that safe-run makes on a host.
const mark = "safe-run"

// mounts gives the mount points that this process sees. The sandbox's mounts are
// in a namespace of their own, so none may ever show up here.
func mounts() (map[string]string, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if fields[4] == "/run/netns" {
			continue // ip-netns(8) makes it once and keeps it
		}
		_, kind, _ := strings.Cut(lines.Text(), " - ")
		found[fields[4]] += strings.Fields(kind)[0] + " " // one for each layer
	}
	return found, lines.Err()
}

// cgroups gives the groups of safe-run in every hierarchy.
func cgroups() (map[string]string, error) {
	found := map[string]string{}
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed while we looked
			}
			return err
		}
		if entry.IsDir() && strings.Contains(path, mark) {
			found[path] = ""
		}
		return nil
	})
	return found, err
}

// namespaces gives the names that ip-netns(8) gave.
func namespaces() (map[string]string, error) {
	return names("/run/netns")
}

// records gives what is in the directories of /run/safe-run. Lock files are
// kept there so that locking has no race.
func records() (map[string]string, error) {
	found := map[string]string{}
	err := filepath.WalkDir("/run/"+mark, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		below := strings.Count(strings.TrimPrefix(path, "/run/"+mark), "/")
		if err == nil && (below > 1 || below == 1 && !entry.IsDir()) && !strings.HasSuffix(path, "lock") {
			found[path] = ""
		}
		return err
	})
	return found, err
}

func names(dir string) (map[string]string, error) {
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	for _, entry := range entries {
		found[filepath.Join(dir, entry.Name())] = ""
	}
	return found, err
}

// processes gives those of safe-run, and those in a pid namespace that is not
// ours: whatever a container started.
func processes() (map[string]string, error) {
	home, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, entry := range entries {
		dir := filepath.Join("/proc", entry.Name())
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || strings.Trim(entry.Name(), "0123456789") != "" {
			continue // not a process, or one that has just ended
		}
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		space, err := os.Readlink(filepath.Join(dir, "ns", "pid"))
		foreign := err == nil && space != home
		base := filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
		if foreign || strings.HasPrefix(base, mark) || strings.HasPrefix(string(comm), mark) {
			found[entry.Name()] = strings.TrimSpace(string(comm)) + " " + exe
		}
	}
	return found, nil
}

// descriptors gives the open files of this process. Pipes and sockets are
// counted together, for their numbers differ each time; files without a name
// belong to Go's poller.
func descriptors() (map[string]string, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", entry.Name()))
		if err != nil {
			continue // the directory that was being read
		}
		if kind, _, _ := strings.Cut(target, ":["); kind != "anon_inode" && !strings.HasPrefix(target, "anon_inode:") {
			counts[kind]++
		}
	}
	found := map[string]string{}
	for target, n := range counts {
		found[target] = fmt.Sprint(n)
	}
	return found, nil
}

// sysctls gives the kernel settings that a container's network may need.
func sysctls() (map[string]string, error) {
	found := map[string]string{}
	for _, name := range []string{
		"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/all/route_localnet",
		"net/ipv4/conf/all/rp_filter", "net/ipv4/ip_unprivileged_port_start",
		"kernel/core_pattern", "user/max_user_namespaces", "vm/memfd_noexec",
	} {
		value, err := os.ReadFile("/proc/sys/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // this kernel is built without it
		}
		if err != nil {
			return nil, err
		}
		found[name] = strings.TrimSpace(string(value))
	}
	return found, nil
}
