package probe

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

const cgroupRoot = "/sys/fs/cgroup"

// cgroup looks at how control groups are mounted (cgroups(7)). The hybrid
// layout, version 1 controllers beside an empty version 2 tree, counts as 1.
func cgroup() spec.Cgroup {
	var fs unix.Statfs_t
	if unix.Statfs(cgroupRoot, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return cgroup2(cgroupRoot)
	}
	return cgroup1(cgroupRoot)
}

func cgroup2(root string) spec.Cgroup {
	c := spec.Cgroup{Version: 2, Driver: "cgroupfs"}
	if data, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")); err == nil {
		c.Controllers = strings.Fields(string(data))
	}
	// Version 2 has neither a devices nor a freezer controller: device rules
	// are a BPF program and freezing is part of the core (cgroup-v2.rst).
	c.Controllers = append(c.Controllers, "devices", "freezer")
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		c.Driver = "systemd"
	}
	// memory.swap.max is in every group but the root; /proc/swaps is there
	// when the kernel can swap at all.
	if slices.Contains(c.Controllers, "memory") {
		_, err := os.Stat("/proc/swaps")
		c.SwapLimit = err == nil
	}
	return c
}

func cgroup1(root string) spec.Cgroup {
	c := spec.Cgroup{Version: 1, Driver: "cgroupfs"}
	for _, name := range []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb"} {
		if _, err := os.Stat(filepath.Join(root, name, "cgroup.procs")); err == nil {
			c.Controllers = append(c.Controllers, name)
		}
	}
	_, err := os.Stat(filepath.Join(root, "memory", "memory.memsw.limit_in_bytes"))
	c.SwapLimit = err == nil
	return c
}
