package cli

import (
	"strings"

	"github.com/safe-run/safe-run/spec/quote"
)

// bootUnitName is the unit that starts containers again when the host does.
const bootUnitName = "safe-run-restart.service"

// bootUnit starts what is to run always, as program would. The supervisors stay
// in its control group, and end their containers when it is stopped; a
// container that a person stopped stays so, unless its policy is always.
func bootUnit(program string) (string, error) {
	gc, err := quote.ExecLine(program, "gc")
	if err != nil {
		return "", err
	}
	lines := []string{
		"[Unit]",
		"Description=Start safe-run containers with restart policy always or unless-stopped",
		"Documentation=man:safe-run(1)",
		"Wants=network-online.target",
		"After=network-online.target",
		"RequiresMountsFor=/var/lib/safe-run",
		"",
		"[Service]",
		"Type=oneshot",
		"RemainAfterExit=yes",
		"# One that cannot be started does not keep the others from it.",
		"TimeoutStartSec=15min",
		"# Each supervisor is told to stop its container, and does so in the",
		"# container's own way and time.",
		"KillMode=control-group",
		"TimeoutStopSec=2min",
		"# What was running when the host went down is written down as dead.",
		"ExecStart=-" + gc,
	}
	for _, policy := range []string{restartAlways, restartUnlessStopped} {
		start, err := quote.ExecLine(program, "start", "--all", "--filter", "restart-policy="+policy)
		if err != nil {
			return "", err
		}
		lines = append(lines, "ExecStart=-"+start)
	}
	lines = append(append(lines, hardening...), "", "[Install]", "WantedBy=multi-user.target")
	return strings.Join(lines, "\n") + "\n", nil
}
