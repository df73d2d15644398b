package probe

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/syndtr/gocapability/capability"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

func uintptrOf(p *uint32) uintptr { return uintptr(unsafe.Pointer(p)) }

// capabilities are those in effect for this process.
func capabilities() []string {
	caps, err := capability.NewPid2(0)
	if err != nil || caps.Load() != nil {
		return nil
	}
	var out []string
	for _, c := range capability.List() {
		if caps.Get(capability.EFFECTIVE, c) {
			out = append(out, strings.ToUpper(c.String()))
		}
	}
	return out
}

// rlimitNumbers are the limits a profile can name (getrlimit(2)).
var rlimitNumbers = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK,
	"msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE,
	"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

func rlimits() map[string]uint64 {
	out := make(map[string]uint64, len(rlimitNumbers))
	for name, number := range rlimitNumbers {
		var limit unix.Rlimit
		if unix.Getrlimit(number, &limit) == nil {
			out[name] = limit.Max
		}
	}
	return out
}

// The default range of ids: above those that systemd hands to containers
// (up to 0x6FFEFFFF) and below its foreign range (from 0x7FFE0000), in 4,094
// spans of 65,536 (systemd, "Users, Groups, UIDs and GIDs on systemd systems").
const (
	firstID = 0x70000000
	countID = 0x7FFE0000 - firstID
)

// IDs takes the range that /etc/subuid gives to "safe-run", where the
// administrator chose one, or the default.
func IDs() spec.IDRange {
	def := spec.IDRange{First: firstID, Count: countID}
	data, err := os.ReadFile("/etc/subuid")
	if err != nil {
		return def
	}
	for line := range strings.Lines(string(data)) {
		parts := strings.Split(strings.TrimSpace(line), ":")
		if len(parts) != 3 || parts[0] != "safe-run" {
			continue
		}
		first, err1 := strconv.ParseUint(parts[1], 10, 32)
		count, err2 := strconv.ParseUint(parts[2], 10, 32)
		if err1 == nil && err2 == nil && first > 0 && first+count <= 1<<32-1 {
			return spec.IDRange{First: uint32(first), Count: uint32(count)}
		}
	}
	return def
}
