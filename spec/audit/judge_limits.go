package audit

import (
	"fmt"

	"github.com/safe-run/safe-run/spec/severity"
)

func memory(f Facts) []opinion {
	return flag(f.Memory, "limited", bad(Place{}, "there is no memory limit", "set one: --memory, resources.limits.memory").as(severity.Medium))
}

func cpu(f Facts) []opinion {
	return flag(f.CPU, "limited", bad(Place{}, "there is no CPU limit", "set one: --cpus, resources.limits.cpu").as(severity.Low))
}

func pids(f Facts) []opinion {
	return flag(f.Pids, "limited", bad(Place{}, "there is no limit of processes", "set one: --pids-limit, resources.pids").as(severity.Medium))
}

func rlimits(f Facts) []opinion {
	out := flag(f.Rlimits, "rlimits are set", bad(Place{}, "no rlimit is set: a core dump may hold its secrets", "set core=0 and a bound of nofile").as(severity.Low))
	if f.Logs.Known || f.Logs.Note != "" {
		out = append(out, flag(f.Logs, "logs are bounded", bad(Place{}, "logs grow without a bound", "bound them: --log-opt max-size=10m").as(severity.Low))...)
	}
	return out
}

func tmpfs(f Facts) []opinion {
	var out []opinion
	for _, t := range f.Tmpfs {
		mend := "mount " + t.Path + " with noexec, nosuid, nodev and a size"
		switch {
		case t.Suid || t.Dev:
			out = append(out, bad(t.At, fmt.Sprintf("the tmpfs at %s honours setuid bits or devices", t.Path), mend).as(severity.Medium))
		case t.Exec:
			out = append(out, bad(t.At, fmt.Sprintf("what is written to the tmpfs at %s can be executed", t.Path), mend).as(severity.Low))
		case !t.Bounded:
			out = append(out, bad(t.At, fmt.Sprintf("the tmpfs at %s has no size: it can be half of the memory", t.Path), mend).as(severity.Low))
		}
	}
	if out == nil {
		what := "there is none"
		if len(f.Tmpfs) > 0 {
			what = fmt.Sprintf("%d bounded, noexec, nosuid and nodev", len(f.Tmpfs))
		}
		out = append(out, holds(Place{}, "%s", what))
	}
	return out
}

func cgroupPlacement(f Facts) []opinion {
	return flag(f.OwnCgroup, "where the runtime puts it", bad(Place{}, "its control group is chosen by hand: limits of the group above may not count", "leave the placement to the runtime").as(severity.Low))
}
