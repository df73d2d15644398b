package main

import (
	"os"
	"sort"
	"strings"
)

// mount is one line of /proc/self/mountinfo.
type mount struct {
	point   string
	options []string // of this mount
	peers   []string // shared:N, master:N
	fstype  string
}

// mounts parses mountinfo (proc_pid_mountinfo(5)).
func mounts() ([]mount, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var all []mount
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		before, after, _ := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 6 || len(kind) < 1 {
			continue
		}
		options := strings.Split(fields[5], ",")
		sort.Strings(options)
		all = append(all, mount{point: fields[4], options: options, peers: fields[6:], fstype: kind[0]})
	}
	return all, nil
}

// mountAt gives the type and options of what is mounted on a path, without those
// of time keeping and of the mapping of ids, which have looks of their own.
func mountAt(args []string) (string, error) {
	all, err := mounts()
	if err != nil {
		return "", err
	}
	found := "none"
	for _, m := range all { // the last one is on top
		if m.point != args[0] {
			continue
		}
		var kept []string
		for _, option := range m.options {
			if !strings.HasSuffix(option, "atime") && option != "idmapped" {
				kept = append(kept, option)
			}
		}
		found = m.fstype + " " + strings.Join(kept, ",")
	}
	return found, nil
}

// propagation names the mounts from which events come or to which they go.
func propagation([]string) (string, error) {
	all, err := mounts()
	if err != nil {
		return "", err
	}
	var tied []string
	for _, m := range all {
		if len(m.peers) > 0 {
			tied = append(tied, m.point+"="+strings.Join(m.peers, ","))
		}
	}
	if len(tied) == 0 {
		return "private", nil
	}
	return strings.Join(tied, " "), nil
}
