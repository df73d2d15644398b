package cli

import (
	"time"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// The flags here are policy: they become fields of a profile that is laid over
// the one named with --profile, and the administrator's floor bounds them.

func (b *runBuilder) accept(name string) error {
	b.o.Layer.Accept = append(b.o.Layer.Accept, profiles.Accept{Name: name, Why: b.why()})
	b.layer("accept[" + name + "]")
	return nil
}

func (b *runBuilder) capAdd(value string) error {
	if value == "ALL" || value == "all" {
		return &refusal{flag: "--cap-add ALL",
			why:     "root in a container with every capability reaches nearly all code of the kernel",
			instead: "name the ones that the program needs, for example --cap-add NET_ADMIN"}
	}
	name, err := profiles.ParseCapability(value)
	if err != nil {
		return err
	}
	b.o.Layer.Process.Capabilities = append(b.o.Layer.Process.Capabilities, profiles.Capability{Name: name, Why: b.why()})
	b.layer("process.capabilities[" + name + "]")
	return nil
}

func (b *runBuilder) readOnly(value string) error {
	on, err := parseBool(value)
	if err != nil {
		return err
	}
	b.o.Layer.Rootfs.ReadOnly = &on
	b.layer("rootfs.readOnly")
	if !on {
		b.o.Layer.Rootfs.Why = b.why()
		b.layer("rootfs.why")
	}
	return nil
}

func (b *runBuilder) init(value string) error {
	on, err := parseBool(value)
	b.o.Layer.Process.Init = &on
	b.layer("process.init")
	return err
}

func (b *runBuilder) stopSignal(value string) error {
	sig, err := profiles.ParseSignal(value)
	b.o.Layer.Process.StopSignal = &sig
	b.layer("process.stopSignal")
	return err
}

func (b *runBuilder) stopTimeout(value string) error {
	seconds, err := parseCount(value, 0)
	b.o.Layer.Process.StopTimeout = new(profiles.Duration(time.Duration(seconds) * time.Second))
	b.layer("process.stopTimeout")
	return err
}

func (b *runBuilder) oomScoreAdj(value string) error {
	n, err := parseCount(value, -1000)
	if err != nil {
		return err
	}
	if n < 0 {
		return &refusal{flag: "--oom-score-adj " + value,
			why:     "the kernel would kill the host's other processes before this container",
			instead: "write 0 to 1000, and give the container the --memory it needs"}
	}
	b.o.Layer.Process.OOMScoreAdj = &n
	b.layer("process.oomScoreAdj")
	return nil
}

func (b *runBuilder) ulimit(value string) error {
	limit, err := parseUlimit(value)
	if err != nil {
		return err
	}
	b.o.Layer.Process.Rlimits = append(b.o.Layer.Process.Rlimits, limit)
	b.layer("process.rlimits[" + limit.Name + "]")
	return nil
}

func (b *runBuilder) memory(value string) error {
	size, err := parseSize(value)
	b.o.Layer.Resources.Memory = &size
	b.layer("resources.memory")
	return err
}

func (b *runBuilder) memorySwap(value string) error {
	size, err := parseSize(value)
	b.swap = &size
	return err
}

func (b *runBuilder) cpus(value string) error {
	cpus, err := profiles.ParseMilliCPU(value)
	if err == nil && cpus == 0 {
		err = problem.New("name the number of processors, for example 0.5", "0 would be without a limit")
	}
	b.o.Layer.Resources.CPUs = &cpus
	b.layer("resources.cpus")
	return err
}

func (b *runBuilder) pids(value string) error {
	if value == "-1" || value == "0" {
		return problem.New("name the number of processes, for example 512", "%s would be without a limit", value)
	}
	n, err := parseCount(value, 1)
	b.o.Layer.Resources.Pids = &n
	b.layer("resources.pids")
	return err
}

func (b *runBuilder) tmpfs(value string) error {
	t, err := parseTmpfs(value)
	if err != nil {
		return err
	}
	return b.addTmpfs(t)
}

func (b *runBuilder) shmSize(value string) error {
	size, err := parseSize(value)
	if err != nil {
		return err
	}
	return b.addTmpfs(profiles.Tmpfs{Path: "/dev/shm", Size: &size})
}

func (b *runBuilder) addTmpfs(t profiles.Tmpfs) error {
	t.Why = b.why()
	b.o.Layer.Mounts.Tmpfs = append(b.o.Layer.Mounts.Tmpfs, t)
	b.layer("mounts.tmpfs[" + t.Path + "]")
	return nil
}

func (b *runBuilder) egress(value string) error {
	egress, err := parseEgress(value)
	if err != nil {
		return err
	}
	egress.Why = b.why()
	b.o.Layer.Network.Egress = append(b.o.Layer.Network.Egress, egress)
	b.layer("network.egress[" + egress.String() + "]")
	return nil
}

// network connects the container. A bridge that no socket can be opened for
// would be of no use, so the address families of IP come with it.
func (b *runBuilder) network(value string) error {
	mode := profiles.NetworkMode(value)
	switch mode {
	case profiles.NetworkNone:
	case profiles.NetworkBridge, "default":
		mode = profiles.NetworkBridge
		b.o.Layer.Network.Why = b.why()
		b.layer("network.why")
		for _, family := range []string{"AF_INET", "AF_INET6"} {
			b.o.Layer.Seccomp.AddressFamilies = append(b.o.Layer.Seccomp.AddressFamilies,
				profiles.Family{Name: family, Why: b.why()})
			b.layer("seccomp.addressFamilies[" + family + "]")
		}
	default:
		return refuseNetwork(value)
	}
	b.o.Layer.Network.Mode = &mode
	b.layer("network.mode")
	return nil
}
