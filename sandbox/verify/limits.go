package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/spec"
)

// limits tells the probe program how much it would take to go beyond each limit
// of a plan; it has bounds of its own.
func limits(p *spec.Plan) string {
	var out []string
	add := func(name string, n int64) {
		if n > 0 {
			out = append(out, name+"="+strconv.FormatInt(n, 10))
		}
	}
	r := p.OCI.Linux.Resources
	if r.Memory != nil && r.Memory.Limit != nil {
		add("memory", *r.Memory.Limit)
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		add("pids", *r.Pids.Limit)
	}
	if r.CPU != nil && r.CPU.Quota != nil && r.CPU.Period != nil && *r.CPU.Period > 0 {
		add("cpu", *r.CPU.Quota*1000/int64(*r.CPU.Period))
	}
	for _, limit := range p.OCI.Process.Rlimits {
		if limit.Type == "RLIMIT_NOFILE" {
			add("nofile", int64(limit.Hard))
		}
	}
	if at, bytes, inodes := smallestTmpfs(p); at != "" {
		out = append(out, fmt.Sprintf("tmpfs=%s:%d:%d", at, bytes, inodes))
	}
	return strings.Join(out, ",")
}

// smallestTmpfs is the one that is filled with the least work.
func smallestTmpfs(p *spec.Plan) (at string, bytes, inodes int64) {
	for _, m := range p.OCI.Mounts {
		size, files := option(m.Options, "size="), option(m.Options, "nr_inodes=")
		if m.Type != "tmpfs" || m.Destination == "/dev" || size <= 0 || files <= 0 || strings.ContainsAny(m.Destination, ",\n") {
			continue
		}
		if at == "" || size < bytes {
			at, bytes, inodes = m.Destination, size, files
		}
	}
	return at, bytes, inodes
}

func option(options []string, prefix string) int64 {
	i := slices.IndexFunc(options, func(o string) bool { return strings.HasPrefix(o, prefix) })
	if i < 0 {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimPrefix(options[i], prefix), 10, 64)
	return n
}
