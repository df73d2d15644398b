package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/quote"
)

// unit is what `generate systemd` was asked for.
type unit struct {
	container ledger.Container
	// Program is the absolute path of safe-run.
	Program string
	// New runs the container anew, and does not start the one of the ledger.
	New bool
	// EnvFile is where the container's variables are; empty when it has none.
	EnvFile string
	// ByName calls it by its name in place of its id.
	ByName                 bool
	Restart                string // systemd's; empty: as the container's
	StopTimeout            *time.Duration
	After, Wants, Requires []string
	Header                 bool
}

// ref is how the unit calls the container, and stem the unit's name.
func (u unit) ref() string {
	if u.New || u.ByName {
		return u.container.Name
	}
	return u.container.ID
}

func (u unit) stem() string {
	if u.ByName {
		return "container-" + u.container.Name
	}
	return "container-" + u.container.ID[:12]
}

// stopMargin is what safe-run may take to clean up after a container that had
// to be killed.
const stopMargin = 30 * time.Second

// systemdRestarts are the values of Restart= (systemd.service(5)).
var systemdRestarts = []string{"no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog"}

// render writes the unit.
func (u unit) render() (string, error) {
	var b strings.Builder
	if u.Header {
		fmt.Fprintf(&b, "# %s.service\n# made by safe-run generate systemd, for container %s (%.12s)\n\n", u.stem(), u.container.Name, u.container.ID)
	}
	fmt.Fprintf(&b, "[Unit]\nDescription=safe-run container %s\nDocumentation=man:safe-run(1)\n", u.container.Name)
	for _, list := range []struct {
		setting string
		units   []string
	}{
		{"Wants", append([]string{"network-online.target"}, u.Wants...)},
		{"Requires", u.Requires},
		{"After", slices.Concat([]string{"network-online.target"}, u.After)},
	} {
		if len(list.units) > 0 {
			fmt.Fprintf(&b, "%s=%s\n", list.setting, strings.Join(list.units, " "))
		}
	}
	b.WriteString("RequiresMountsFor=/var/lib/safe-run\n")
	b.WriteString(u.startLimit())
	service, err := u.service()
	if err != nil {
		return "", err
	}
	return b.String() + "\n[Service]\n" + service + "\n[Install]\nWantedBy=multi-user.target\n", nil
}

// restart is systemd's word for the container's policy.
func (u unit) restart() string {
	switch {
	case u.Restart != "":
		return u.Restart
	case u.container.Restart.Policy == restartAlways, u.container.Restart.Policy == restartUnlessStopped:
		return "always"
	case u.container.Restart.Policy == restartOnFailure:
		return "on-failure"
	}
	return "no"
}

// startLimit has systemd give up as late as the container's policy does.
func (u unit) startLimit() string {
	switch most := u.container.Restart.Max; {
	case u.Restart != "":
		return ""
	case u.restart() == "always", u.restart() == "on-failure" && most == 0:
		return "StartLimitIntervalSec=0\n"
	case u.restart() == "on-failure":
		return fmt.Sprintf("StartLimitIntervalSec=1h\nStartLimitBurst=%d\n", most+1)
	}
	return ""
}

// service is the [Service] section.
func (u unit) service() (string, error) {
	dir, err := quote.UnitValue("the directory", u.container.Dir)
	if err != nil {
		return "", err
	}
	start, err := u.execStart()
	if err != nil {
		return "", err
	}
	stop, err := quote.ExecLine(u.stopCommand()...)
	if err != nil {
		return "", err
	}
	gc, err := quote.ExecLine(u.Program, "gc")
	if err != nil {
		return "", err
	}
	grace := u.container.StopTimeout
	if u.StopTimeout != nil {
		grace = *u.StopTimeout
	}
	lines := append(u.kind(),
		"Restart="+u.restart(),
		"RestartSec=1",
		fmt.Sprintf("TimeoutStopSec=%d", int((grace+stopMargin+time.Second-1)/time.Second)),
		"# An image may have to be fetched.",
		"TimeoutStartSec=15min",
		"# How a program ends that its stop signal ended.",
		"SuccessExitStatus="+u.stoppedStatus(),
		"# The launcher is asked to end; what it leaves is killed.",
		"KillMode=mixed",
		"WorkingDirectory="+dir,
		"ExecStart="+start,
		"ExecStop=-"+stop,
		"# For when the launcher and its warden were killed together.",
		"ExecStopPost=-"+gc,
	)
	return strings.Join(append(lines, hardening...), "\n") + "\n", nil
}

// hardening is what systemd can take away from the launcher. It is little: the
// container is confined by its profile, and the launcher makes the namespaces,
// mounts and control groups.
var hardening = []string{
	"# No Delegate=: the container has a control group of its own, beside this one.",
	"# Nothing that it runs gains privileges by a file's setuid bit.",
	"NoNewPrivileges=yes",
	"# Neither kernel modules, nor raw access to the hardware, nor a reboot.",
	"CapabilityBoundingSet=~CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_BOOT",
	"# ProtectSystem=, ProtectHome=, PrivateTmp= and their like would hide what the",
	"# container may mount; SystemCallFilter=, LockPersonality= and other filters",
	"# would be the container's too, beside its own, for each system call.",
}

// kind is how systemd knows that the container runs.
func (u unit) kind() []string {
	switch {
	case u.recorded("sdnotify") == notifyIgnore:
		return []string{"# The container was made with --sdnotify=ignore.", "Type=exec"}
	case u.New:
		return []string{"Type=notify", "NotifyAccess=main"}
	}
	return []string{"Type=notify", "# The container's supervisor, which is a child of the main process, says that it runs.", "NotifyAccess=all"}
}

// recorded is the last value of a flag of the container's command line.
func (u unit) recorded(flag string) (value string) {
	for _, arg := range u.flags() {
		if text, ok := strings.CutPrefix(arg, "--"+flag+"="); ok {
			value = text
		}
	}
	return value
}

// flags are the flags of the container's command line; see runBuilder.again.
func (u unit) flags() []string {
	if at := slices.Index(u.container.Args, "--"); at >= 0 {
		return u.container.Args[:at]
	}
	return nil
}

// stoppedStatus is how safe-run ends when the stop signal ended the program.
func (u unit) stoppedStatus() string {
	sig, ok := sandbox.SignalNumber(u.container.StopSignal)
	if !ok {
		sig = stopSignal("")
	}
	return strconv.Itoa(128 + int(sig))
}

func (u unit) stopCommand() []string {
	args := []string{u.Program, "stop", "--ignore"}
	if u.StopTimeout != nil {
		args = append(args, "--time="+strconv.Itoa(int(*u.StopTimeout/time.Second)))
	}
	return append(args, u.ref())
}

// execStart is the command that the unit runs.
func (u unit) execStart() (string, error) {
	if !u.New {
		return quote.ExecLine(u.Program, "start", "--attach", u.ref())
	}
	flags := u.flags()
	if flags == nil && (len(u.container.Args) == 0 || u.container.Args[0] != "--") {
		return "", problem.New("leave out --new", "the record of %s has no command line", u.container.Name)
	}
	args := []string{u.Program, "run", "--name=" + u.container.Name}
	if u.recorded("sdnotify") == notifyHealthy {
		return "", problem.New("leave out --new", "%s was made with --sdnotify=healthy, and one that runs in the foreground of a unit is not checked", u.container.Name)
	}
	if u.recorded("sdnotify") == "" {
		args = append(args, "--sdnotify="+notifyRuntime)
	}
	if u.EnvFile != "" {
		args = append(args, "--env-file="+u.EnvFile)
	}
	for _, flag := range flags {
		// Variables are in their file, and there is nobody who types.
		if !strings.HasPrefix(flag, "--env=") && !strings.HasPrefix(flag, "--interactive=") {
			args = append(args, flag)
		}
	}
	return quote.ExecLine(append(args, u.container.Args[len(flags):]...)...)
}

// variables are the container's, that were given by flags.
func (u unit) variables() (out []string) {
	for _, flag := range u.flags() {
		if entry, ok := strings.CutPrefix(flag, "--env="); ok {
			out = append(out, entry)
		}
	}
	return out
}
