package cli

import (
	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/profiles"
)

// group is a heading in the list of flags.
type group string

// The groups, in the order of the help text.
const (
	groupPolicy  group = "Policy"
	groupProcess group = "Process"
	groupFiles   group = "Files"
	groupNetwork group = "Network"
	groupLimits  group = "Limits"
	groupLife    group = "Lifetime and terminal"
)

var groups = []group{groupPolicy, groupProcess, groupFiles, groupNetwork, groupLimits, groupLife}

// A runFlag is one flag of run, spec and explain. Its spelling is docker's
// where docker has it.
type runFlag struct {
	name, short string
	arg         string // what the value is called; empty for a switch
	group       group  // empty: accepted, but not in the help text
	usage       string
	set         func(*runBuilder, string) error
}

// runFlags is the table of all flags that can be had; refused.go has the rest.
var runFlags = []runFlag{
	{"profile", "", "NAME|FILE", groupPolicy, "policy to run under: a profile's name, or a path to one (default \"default\")", text(func(b *runBuilder) *string { return &b.o.Profile })},
	{"accept", "", "WEAKENING", groupPolicy, "run although this host cannot enforce something; the error that stops you names it", (*runBuilder).accept},
	{"cap-add", "", "NAME", groupPolicy, "give the first process a capability", (*runBuilder).capAdd},
	{"cap-drop", "", "NAME|ALL", groupPolicy, "take a capability of the profile away", (*runBuilder).capDrop},
	{"read-only", "", "", groupPolicy, "the image cannot be written; --read-only=false writes to memory", (*runBuilder).readOnly},
	{"security-opt", "", "OPTION", "", "", (*runBuilder).securityOpt},

	{"env", "e", "NAME[=VALUE]", groupProcess, "set a variable; without a value it is passed on. Nothing else of your environment is", (*runBuilder).env},
	{"env-file", "", "FILE", groupProcess, "set the variables in a file of NAME=VALUE lines", (*runBuilder).envFile},
	{"workdir", "w", "DIR", groupProcess, "directory to start in", (*runBuilder).workdir},
	{"user", "u", "USER[:GROUP]", groupProcess, "user to run as, by number or by name in the image", text(func(b *runBuilder) *string { return &b.o.Request.User })},
	{"entrypoint", "", "PROGRAM", groupProcess, "run this instead of the image's entrypoint", (*runBuilder).entrypoint},
	{"hostname", "h", "NAME", groupProcess, "host name inside", text(func(b *runBuilder) *string { return &b.o.Request.Hostname })},
	{"label", "l", "KEY[=VALUE]", groupProcess, "attach a label", (*runBuilder).label},
	{"label-file", "", "FILE", groupProcess, "attach the labels in a file of KEY=VALUE lines", (*runBuilder).labelFile},
	{"init", "", "", groupProcess, "run a first process that forwards signals and reaps zombies", (*runBuilder).init},
	{"oom-score-adj", "", "N", groupProcess, "how soon the kernel kills it when memory runs out, 0 to 1000", (*runBuilder).oomScoreAdj},

	{"volume", "v", "[HOST|NAME:]CONTAINER[:ro,exec]", groupFiles, "mount a host directory or file, or a volume by its name; noexec unless exec is asked for", (*runBuilder).volume},
	{"mount", "", "KEY=VALUE,...", groupFiles, "the same in long: type=bind|volume,source=,target=,readonly or type=tmpfs,target=,tmpfs-size=", (*runBuilder).mount},
	{"tmpfs", "", "DIR[:size=64m,mode=1777]", groupFiles, "writable memory at DIR", (*runBuilder).tmpfs},
	{"shm-size", "", "SIZE", groupFiles, "size of /dev/shm", (*runBuilder).shmSize},

	{"publish", "p", "[IP:]HOST:CONTAINER[/udp]", groupNetwork, "reach a port of the container through the host", (*runBuilder).publish},
	{"egress", "", "DEST[:PORT[/udp]]", groupNetwork, "let the container connect to internet, an address or a CIDR", (*runBuilder).egress},
	{"network", "", "none|bridge", groupNetwork, "connect the container, or do not", (*runBuilder).network},
	{"net", "", "none|bridge", "", "", (*runBuilder).network},
	{"expose", "", "PORT[/udp]", "", "", (*runBuilder).expose},

	{"memory", "m", "SIZE", groupLimits, "memory, for example 512m", (*runBuilder).memory},
	{"memory-swap", "", "SIZE", groupLimits, "memory and swap together", (*runBuilder).memorySwap},
	{"cpus", "", "N", groupLimits, "processors, for example 0.5", (*runBuilder).cpus},
	{"pids-limit", "", "N", groupLimits, "processes and threads", (*runBuilder).pids},
	{"ulimit", "", "NAME=SOFT[:HARD]", groupLimits, "limit of each process, for example nofile=1024:4096", (*runBuilder).ulimit},
	{"cgroup-parent", "", "PATH", groupLimits, "control group to run below", text(func(b *runBuilder) *string { return &b.o.Request.CgroupParent })},

	{"interactive", "i", "", groupLife, "keep standard input open", toggle(func(b *runBuilder) *bool { return &b.o.Stdin })},
	{"tty", "t", "", groupLife, "give the container a terminal", toggle(func(b *runBuilder) *bool { return &b.o.TTY })},
	{"pull", "", "WHEN", groupLife, "look outside of the store for the image: always, missing or never (default missing)", (*runBuilder).pull},
	{"name", "", "NAME", groupLife, "what to call the container", text(func(b *runBuilder) *string { return &b.o.Name })},
	{"cidfile", "", "FILE", groupLife, "write the container's id to a new file", (*runBuilder).cidfile},
	{"stop-signal", "", "SIGNAL", groupLife, "signal that asks it to stop", (*runBuilder).stopSignal},
	{"stop-timeout", "", "SECONDS", groupLife, "time between that and SIGKILL", (*runBuilder).stopTimeout},
	{"detach-keys", "", "KEYS", groupLife, "keys that leave a container with a terminal running (default \"" + defaultDetachKeys + "\")", (*runBuilder).detachKeys},
	{"sig-proxy", "", "", groupLife, "pass signals on to the container (default true)", toggle(func(b *runBuilder) *bool { return &b.o.SigProxy })},
	{"detach", "d", "", groupLife, "run it in the background and print its id", toggle(func(b *runBuilder) *bool { return &b.o.Detach })},
	{"restart", "", "POLICY", groupLife, "with -d, start it again when it ends: no, on-failure[:MAX], always or unless-stopped", (*runBuilder).restart},
	{"log-opt", "", "max-size=SIZE", groupLife, "with -d, size of a file of the log, and how many there are: max-size=10m, max-file=3", (*runBuilder).logOpt},
	{"log-driver", "", "json-file", "", "", (*runBuilder).logDriver},
	{"health-cmd", "", "COMMAND", groupLife, "with -d, what a shell of the container runs to see whether it does its work, in place of the image's", (*runBuilder).healthCmd},
	{"health-interval", "", "TIME", groupLife, "time between two checks (default 30s)", healthTime(func(h *profiles.Health) **profiles.Duration { return &h.Interval })},
	{"health-timeout", "", "TIME", groupLife, "how long a check may take (default 30s)", healthTime(func(h *profiles.Health) **profiles.Duration { return &h.Timeout })},
	{"health-retries", "", "N", groupLife, "how many checks in a row fail before it is unhealthy (default 3)", (*runBuilder).healthRetries},
	{"health-start-period", "", "TIME", groupLife, "time after the start in which a check may fail", healthTime(func(h *profiles.Health) **profiles.Duration { return &h.StartPeriod })},
	{"health-start-interval", "", "TIME", groupLife, "time between two checks until then (default 5s)", healthTime(func(h *profiles.Health) **profiles.Duration { return &h.StartInterval })},
	{"no-healthcheck", "", "", groupLife, "run no check, whatever the image says", (*runBuilder).noHealthcheck},
	{"sdnotify", "", "WHEN", groupLife, "under systemd, when it is ready: runtime (it runs), container (it says so), healthy, or ignore (default runtime)", (*runBuilder).sdnotify},
	{"rm", "", "", groupLife, "remove the container when it ends; always so without -d", (*runBuilder).remove},
	{"pool", "", "NAME", groupLife, "run in a sandbox that `safe-run pool` has prepared, which has the image; it comes first", (*runBuilder).pool},
	{"explain", "", "", groupLife, "say what is refused the moment it happens, and all of it at the end", toggle(func(b *runBuilder) *bool { return &b.o.Explain })},
	{"quiet", "q", "", groupLife, "do not say how the container ended", toggle(func(b *runBuilder) *bool { return &b.o.Quiet })},
}

// occurrence is one flag on a command line, in order.
type occurrence struct {
	name  string
	value string
	set   func(*runBuilder, string) error
}

// addRunFlags declares every flag of run on fs. Values are only collected, so
// that a command line can be taken apart before it is understood.
func addRunFlags(fs *pflag.FlagSet) *[]occurrence {
	fs.SortFlags = false
	fs.SetInterspersed(false) // what follows the image belongs to the command
	seen := &[]occurrence{}
	for _, f := range runFlags {
		declare(fs, f, seen)
	}
	for _, r := range refusedFlags {
		declare(fs, runFlag{name: r.name, short: r.short, arg: r.arg, set: r.set}, seen)
	}
	return seen
}

func declare(fs *pflag.FlagSet, f runFlag, seen *[]occurrence) {
	flag := fs.VarPF(&collector{flag: f, seen: seen}, f.name, f.short, f.usage)
	flag.Hidden = f.group == ""
	if f.arg == "" {
		flag.NoOptDefVal = "true"
	}
	flag.Annotations = map[string][]string{groupKey: {string(f.group)}, argKey: {f.arg}}
}

// The annotations of a flag that the help text is made from.
const (
	groupKey = "safe-run-group"
	argKey   = "safe-run-arg"
)

// collector is a pflag.Value that remembers each occurrence.
type collector struct {
	flag runFlag
	seen *[]occurrence
}

// Set implements pflag.Value.
func (c *collector) Set(value string) error {
	*c.seen = append(*c.seen, occurrence{c.flag.name, value, c.flag.set})
	return nil
}

// String implements pflag.Value; there is no default to show.
func (c *collector) String() string { return "" }

// Type implements pflag.Value.
func (c *collector) Type() string {
	if c.flag.arg == "" {
		return "bool"
	}
	return c.flag.arg
}
