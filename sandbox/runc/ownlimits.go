package runc

import (
	"encoding/json"
	"os"
	"slices"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

// lowersOwn says whether the processes of a container have to lower their limits
// themselves. libcontainer does it from outside (prlimit(2)), for which the kernel
// wants CAP_SYS_RESOURCE over the user namespace of who is lowered
// (check_prlimit_permission() in kernel/sys.c). One that the engine has made may
// belong to the container's root and not to the host's, as those of containerd's
// pods do; over it, who does not have the capability has none.
func lowersOwn(config *configs.Config) bool {
	return config.Namespaces.PathOf(configs.NEWUSER) != "" && os.Geteuid() == 0 && !hasSysResource()
}

func hasSysResource() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// filtered gives a container whose processes lower their limits themselves a
// filter, if it has none: they do it where one is made.
func filtered(config *configs.Config) {
	if lowersOwn(config) && config.Seccomp == nil {
		config.Seccomp = allowsAll()
	}
}

// ownLimits moves the limits of a process to what init does itself. They stay
// libcontainer's where one would be raised, which it says better that it cannot.
func ownLimits(config *configs.Config, process *libcontainer.Process) error {
	if len(process.Rlimits) == 0 || config.Seccomp == nil || !lowersOwn(config) {
		return nil
	}
	own := compiled.Confinement{}
	if rules := landlockOf(config); rules != nil {
		if err := json.Unmarshal(rules, &own); err != nil {
			return err
		}
	}
	for _, l := range process.Rlimits {
		var have unix.Rlimit
		if err := unix.Getrlimit(l.Type, &have); err != nil || l.Hard > have.Max || l.Soft > l.Hard {
			return err
		}
		own.Limits = append(own.Limits, compiled.Limit{Type: l.Type, Soft: l.Soft, Hard: l.Hard})
	}
	text, err := json.Marshal(own)
	if err != nil {
		return err
	}
	process.Rlimits = nil
	config.Labels = slices.Concat([]string{landlockLabel + string(text)}, config.Labels)
	return nil
}
