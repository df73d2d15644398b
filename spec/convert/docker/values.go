package docker

import (
	"encoding/csv"
	"path"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/problem"
)

func (r *reader) name(value string) error {
	r.ask.Name = value
	r.ask.Flags = append(r.ask.Flags, "--name="+value)
	return nil
}

func (r *reader) user(value string) error { r.ask.User = value; return nil }

func (r *reader) readOnly(value string) error {
	r.ask.ReadOnly, _ = strconv.ParseBool(value)
	return nil
}

func (r *reader) readOnlyTmpfs(string) error { return nil }

func (r *reader) privileged(value string) error {
	r.ask.Privileged, _ = strconv.ParseBool(value)
	return nil
}

func (r *reader) init(value string) error {
	on, _ := strconv.ParseBool(value)
	r.ask.Init = &on
	return nil
}

func (r *reader) capAdd(value string) error {
	r.ask.Capabilities = append(r.ask.Capabilities, value)
	return nil
}

func (r *reader) capDrop(value string) error {
	if strings.EqualFold(value, "ALL") {
		r.ask.DropAll = true
	}
	return nil
}

func (r *reader) entrypoint(value string) error {
	r.ask.Entrypoint = []string{value}
	return nil
}

// securityOpt reads key=value, key:value and key alone.
func (r *reader) securityOpt(value string) error {
	return SecurityOpt(&r.ask, r.files, value, r.place())
}

// SecurityOpt reads one option of --security-opt, which compose has as well.
func SecurityOpt(ask *convert.Ask, files Files, value, place string) error {
	key, rest, ok := strings.Cut(value, "=")
	if !ok {
		key, rest, _ = strings.Cut(value, ":")
	}
	missing := func(what string) {
		ask.Tell(convert.Finding{Kind: convert.Missing, Setting: "security-opt " + key, Value: rest, Place: place, What: what})
	}
	switch key {
	case "no-new-privileges":
		ask.NoNewPrivs = rest == "" || rest == "true"
	case "seccomp":
		ask.Said("seccomp", "security-opt seccomp", place)
		switch rest {
		case "unconfined":
			ask.Unconfined = true
		case "builtin", "":
		default:
			data := []byte(rest)
			if !strings.HasPrefix(strings.TrimSpace(rest), "{") {
				var err error
				if data, err = files(rest); err != nil {
					return problem.New("run it where the file is, or leave the option out", "%.80s: %w", rest, err)
				}
			}
			filter, err := convert.ReadFilter(rest, data)
			if err != nil {
				return err
			}
			ask.Seccomp, ask.Unconfined = filter, false
		}
	case "apparmor", "label", "proc-opts":
		missing("safe-run needs no security module; where the host has one its own policy applies")
	case "mask":
		ask.Masked = append(ask.Masked, CleanPaths(strings.Split(rest, ":"))...)
	case "systempaths", "unmask":
		ask.Tell(convert.Finding{Kind: convert.Tightened, Setting: "security-opt " + key, Value: rest, Place: place,
			What: "it showed what the kernel tells of the host; it stays hidden"})
	default:
		return problem.New("write one of: no-new-privileges, seccomp, apparmor, label, mask", "there is no option %.40q", key)
	}
	return nil
}

// CleanPaths leaves out what is no path that a profile can name.
func CleanPaths(list []string) (out []string) {
	for _, p := range list {
		if path.IsAbs(p) && p != "/" && len(p) < 4096 {
			out = append(out, path.Clean(p))
		}
	}
	return out
}

func (r *reader) namespace(value string) error {
	r.ask.Tell(NamespaceFinding("--"+r.flag.name, value, r.place()))
	r.noShm = r.noShm || r.flag.name == "ipc" && value == "none"
	return nil
}

// NamespaceFinding says what becomes of a namespace that is chosen.
func NamespaceFinding(setting, value, place string) convert.Finding {
	f := convert.Finding{Kind: convert.Missing, Setting: setting, Value: value, Place: place, What: "a container always has one of its own"}
	if value == "host" || strings.HasPrefix(value, "container:") || strings.HasPrefix(value, "service:") {
		f.Kind, f.What = convert.Tightened, "it shared what others have; here a container has one of its own"
	}
	return f
}

func (r *reader) device(value string) error {
	r.ask.Tell(convert.Finding{Kind: convert.Tightened, Setting: "--" + r.flag.name, Value: value, Place: r.place(),
		What: "a device is the host's own, and is not given", Do: "run what needs it outside, and mount what it makes"})
	return nil
}

func (r *reader) apiSocket(string) error {
	r.ask.Tell(convert.Finding{Kind: convert.Tightened, Setting: "--use-api-socket", Place: r.place(), What: "whoever talks to the engine is root on the host; it is left out"})
	return nil
}

func (r *reader) memory(value string) error  { return size(value, &r.ask.Memory) }
func (r *reader) shmSize(value string) error { return size(value, &r.ask.Shm) }
func (r *reader) publish(value string) error {
	r.ask.Publish = append(r.ask.Publish, value)
	return nil
}
func (r *reader) stopSignal(value string) error {
	return parse(value, profiles.ParseSignal, &r.ask.StopSignal)
}

func size(value string, to **profiles.Bytes) error { return parse(value, profiles.ParseBytes, to) }

func parse[T any](value string, read func(string) (T, error), to **T) error {
	v, err := read(value)
	if err == nil {
		*to = &v
	}
	return err
}

func (r *reader) memorySwap(value string) error {
	if value == "-1" {
		r.ask.Tell(convert.Finding{Kind: convert.Tightened, Setting: "--memory-swap", Value: value, Place: r.place(), What: "it could use all swap of the host; here none"})
		return nil
	}
	b, err := profiles.ParseBytes(value)
	r.memorySwapSet = new(int64(b))
	return err
}

func (r *reader) cpus(value string) error {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || f < 0 || f > 8192 {
		return problem.New("write a number of processors: 0.5, 2", "%.20q is not a number of processors", value)
	}
	if f > 0 {
		r.ask.CPUs = new(profiles.MilliCPU(f * 1000))
	}
	return nil
}

func (r *reader) cpuQuota(value string) error  { return number(value, &r.quota) }
func (r *reader) cpuPeriod(value string) error { return number(value, &r.period) }

func number(value string, to *int64) error {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return problem.New("write a whole number", "%.20q is not a number", value)
	}
	*to = n
	return nil
}

func (r *reader) pids(value string) error {
	r.ask.Pids = new(int64)
	return number(value, r.ask.Pids)
}

func (r *reader) oomScoreAdj(value string) error {
	r.ask.OOMScoreAdj = new(int64)
	return number(value, r.ask.OOMScoreAdj)
}

func (r *reader) stopTimeout(value string) error {
	var n int64
	if err := number(value, &n); err != nil {
		return err
	}
	r.ask.StopTimeout = new(profiles.Duration(min(max(n, 0), 1<<20) * 1e9))
	return nil
}

func (r *reader) sysctl(value string) error { return Sysctl(&r.ask, value, r.place()) }

// Sysctl reads NAME=VALUE.
func Sysctl(ask *convert.Ask, value, place string) error {
	name, text, _ := strings.Cut(value, "=")
	if name != "net.ipv4.ip_unprivileged_port_start" {
		ask.Tell(convert.Finding{Kind: convert.Missing, Setting: "sysctl", Value: value, Place: place, What: "settings of the kernel are not changed"})
		return nil
	}
	ask.PortStart = new(int64)
	return number(strings.TrimSpace(text), ask.PortStart)
}

func (r *reader) ulimit(value string) error {
	name, limits, ok := strings.Cut(value, "=")
	soft, hard, both := strings.Cut(limits, ":")
	if !both {
		hard = soft
	}
	l := profiles.Rlimit{Name: name, Soft: new(int64), Hard: new(int64)}
	if err := number(soft, l.Soft); !ok || err != nil {
		return problem.New("write --ulimit nofile=1024:4096", "%.40q is not a limit", value)
	}
	if err := number(hard, l.Hard); err != nil {
		return err
	}
	r.ask.Rlimits = append(r.ask.Rlimits, l)
	return nil
}

func (r *reader) network(value string) error {
	r.ask.Network = value
	name, _, _ := strings.Cut(value, ":")
	switch name {
	case "none", "host":
	case "container":
		r.ask.Tell(convert.Finding{Kind: convert.Tightened, Setting: "--network", Value: value, Place: r.place(), What: "it shared another container's network; here it has one of its own"})
		r.ask.Network = "bridge"
	default:
		r.ask.Network = "bridge"
	}
	return nil
}

func (r *reader) noHealth(value string) error {
	if on, _ := strconv.ParseBool(value); on {
		r.ask.Health = profiles.Health{Disabled: &on}
	}
	return nil
}

func (r *reader) healthCmd(value string) error {
	if strings.HasPrefix(value, `["CMD",`) { // podman's
		var c profiles.Command
		if err := c.UnmarshalJSON([]byte("[" + strings.TrimPrefix(value, `["CMD",`))); err == nil {
			r.ask.Health.Test = &c
			return nil
		}
	}
	return parse(value, profiles.ShellCommand, &r.ask.Health.Test)
}

func (r *reader) healthRetries(value string) error {
	r.ask.Health.Retries = new(int64)
	return number(value, r.ask.Health.Retries)
}

func (r *reader) healthTime(value string) error {
	h := &r.ask.Health
	to := map[string]**profiles.Duration{
		"health-interval": &h.Interval, "health-timeout": &h.Timeout, "health-start-period": &h.StartPeriod, "health-start-interval": &h.StartInterval,
	}[r.flag.name]
	return parse(value, profiles.ParseDuration, to)
}

func (r *reader) tmpfs(value string) error {
	t, err := Tmpfs(value)
	r.ask.Tmpfs = append(r.ask.Tmpfs, t)
	return err
}

// Tmpfs reads PATH[:OPTION,...].
func Tmpfs(value string) (profiles.Tmpfs, error) {
	target, options, _ := strings.Cut(value, ":")
	t := profiles.Tmpfs{Path: path.Clean(target)}
	if !path.IsAbs(target) || t.Path == "/" {
		return t, problem.New("write a path from /", "%.60q is not a place for a tmpfs", target)
	}
	for _, o := range strings.Split(options, ",") {
		key, text, _ := strings.Cut(o, "=")
		var err error
		switch key {
		case "exec":
			t.Exec = new(true)
		case "noexec":
			t.Exec = new(false)
		case "size":
			err = size(text, &t.Size)
		case "mode":
			err = parse(text, profiles.ParseMode, &t.Mode)
		case "nr_inodes":
			t.Inodes = new(int64)
			err = number(text, t.Inodes)
		}
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

func (r *reader) volume(value string) error {
	m, err := Volume(value)
	if err != nil {
		return err
	}
	m.Source2 = convert.Source{Setting: "--volume", Place: r.place()}
	r.ask.Mounts = append(r.ask.Mounts, m)
	return nil
}

// Volume reads [SOURCE:]TARGET[:OPTIONS].
func Volume(value string) (convert.Mount, error) {
	parts := strings.Split(value, ":")
	m := convert.Mount{Target: parts[0], Volume: true}
	if len(parts) > 3 || value == "" {
		return m, problem.New("write -v SOURCE:TARGET[:ro]", "%.80q is not a mount", value)
	}
	if len(parts) > 1 {
		m.Source, m.Target = parts[0], parts[1]
		m.Volume = !strings.ContainsAny(m.Source[:min(1, len(m.Source))], "/.~")
	}
	if len(parts) == 3 {
		for _, o := range strings.Split(parts[2], ",") {
			m.ReadOnly = m.ReadOnly || o == "ro" || o == "readonly"
		}
	}
	if !path.IsAbs(m.Target) {
		return m, problem.New("write an absolute path inside", "%.80q is not a mount", value)
	}
	if path.IsAbs(m.Source) {
		m.Source = path.Clean(m.Source)
	}
	return m, nil
}

// mount reads --mount's type=bind,source=,target=.
func (r *reader) mount(value string) error {
	fields, err := csv.NewReader(strings.NewReader(value)).Read()
	if err != nil {
		return problem.New("write --mount type=bind,source=/a,target=/b", "%.80q is not a mount", value)
	}
	m := convert.Mount{Volume: true, Source2: convert.Source{Setting: "--mount", Place: r.place()}}
	kind, t := "volume", profiles.Tmpfs{}
	for _, f := range fields {
		key, text, _ := strings.Cut(f, "=")
		switch strings.ToLower(key) {
		case "type":
			kind = text
		case "source", "src":
			m.Source = text
		case "target", "dst", "destination":
			m.Target = path.Clean(text)
		case "readonly", "ro":
			m.ReadOnly = text != "false" && text != "0"
		case "tmpfs-size":
			err = size(text, &t.Size)
		case "tmpfs-mode":
			err = parse(text, profiles.ParseMode, &t.Mode)
		}
		if err != nil {
			return err
		}
	}
	if !path.IsAbs(m.Target) || m.Target == "/" {
		return problem.New("write target=/path", "%.80q names no place inside", value)
	}
	switch kind {
	case "tmpfs":
		t.Path = m.Target
		r.ask.Tmpfs = append(r.ask.Tmpfs, t)
		return nil
	case "bind":
		m.Volume = false
		m.Source = path.Clean(m.Source)
	case "volume":
	default:
		r.ask.Tell(convert.Finding{Kind: convert.Missing, Setting: "--mount", Value: value, Place: r.place(), What: "there are no mounts of type " + kind})
		return nil
	}
	r.ask.Mounts = append(r.ask.Mounts, m)
	return nil
}

// finish does what needs more than one flag.
func (r *reader) finish() error {
	if r.ask.Shm == nil && !r.noShm {
		r.ask.Shm = new(profiles.Bytes(64 << 20)) // docker's
	}
	if r.quota > 0 && r.ask.CPUs == nil {
		period := r.period
		if period <= 0 {
			period = 100000
		}
		r.ask.CPUs = new(profiles.MilliCPU(min(r.quota, 1<<40) * 1000 / period))
	}
	if r.memorySwapSet != nil && r.ask.Memory != nil {
		swap := profiles.Bytes(*r.memorySwapSet) - *r.ask.Memory
		if swap < 0 {
			return problem.New("give --memory-swap at least the size of --memory", "--memory-swap is less than --memory")
		}
		r.ask.Swap = &swap
	}
	return nil
}
