// Package nomad exports a profile as a job of Nomad 1.5 or newer for its docker
// driver, with the seccomp filter that the clients read.
package nomad

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/seccomp"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/quote"
)

// writer puts a job together.
type writer struct {
	strings.Builder
	s     *export.Subject
	depth int
	ports []port
}

func (w *writer) line(format string, args ...any) {
	w.WriteString(strings.Repeat("  ", w.depth) + fmt.Sprintf(format, args...) + "\n")
}

// block opens a block, and close closes it.
func (w *writer) block(head string) {
	w.line("%s {", head)
	w.depth++
}

func (w *writer) close() {
	w.depth--
	w.line("}")
}

func (w *writer) text(key, value string) { w.line("%s = %s", key, quote.HCL(value)) }

func (w *writer) list(key string, values []string) {
	if len(values) > 0 {
		w.line("%s = %s", key, quote.HCLList(values))
	}
}

// Export gives NAME.nomad.hcl and seccomp.json.
func Export(in export.Input) (export.Result, error) {
	s, err := export.Prepare(in)
	if err != nil {
		return export.Result{}, err
	}
	if err := check(s); err != nil {
		return export.Result{}, err
	}
	filter, err := seccomp.File(s.Profile)
	if err != nil {
		return export.Result{}, err
	}
	w := &writer{s: s, ports: ports(s.Publish)}
	w.job()
	w.lose()
	return export.Result{
		Files:  []export.File{{Path: s.Name + ".nomad.hcl", Data: []byte(w.String())}, filter},
		Losses: s.Losses.List(),
	}, nil
}

// check refuses what Docker or HCL could not take.
func check(s *export.Subject) error {
	for _, r := range s.Rlimits {
		if r.Name == "as" {
			return problem.New("leave it out; resources.memory bounds the whole container", "process.rlimits[as]: Docker has no such ulimit")
		}
	}
	for _, p := range s.Places {
		if !utf8.ValidString(p.Path) {
			return problem.New("choose another path", "%q is not UTF-8, which a job is written in", p.Path)
		}
	}
	for _, word := range healthWords(s.Profile.Health) {
		if !utf8.ValidString(word) {
			return problem.New("choose other words", "health.test: %.60q is not UTF-8, which a job is written in", word)
		}
	}
	return nil
}

// port is one port of the group. Nomad opens it for TCP and for UDP.
type port struct {
	label             string
	static, container uint16
}

// ports are those to publish, once each whatever their protocol.
func ports(all []export.Port) (out []port) {
	for _, p := range all {
		made := port{static: p.HostPort, container: p.ContainerPort}
		made.label = fmt.Sprintf("port-%d", p.ContainerPort)
		if p.HostPort != 0 {
			made.label += fmt.Sprintf("-%d", p.HostPort)
		}
		if !slices.Contains(out, made) {
			out = append(out, made)
		}
	}
	return out
}

// filterPath is where clients read the filter. It is not below /etc/nomad.d,
// whose JSON an agent takes for its own configuration.
func (w *writer) filterPath() string { return "/etc/safe-run/seccomp/" + w.s.Name + ".json" }

func (w *writer) job() {
	s := w.s
	w.line("# %s, under the profile %s. Copy seccomp.json to %s on each client.", s.Name, quote.UnitLine(s.Profile.Metadata.Name), w.filterPath())
	w.block("job " + quote.HCL(s.Name))
	w.list("datacenters", []string{"*"})
	w.text("type", "service")
	w.block("group " + quote.HCL(s.Name))
	w.line("count = %d", max(s.Replicas, 1))
	if len(w.ports) > 0 {
		w.block("network")
		for _, p := range w.ports {
			w.block("port " + quote.HCL(p.label))
			if p.static != 0 {
				w.line("static = %d", p.static)
			}
			w.line("to = %d", p.container)
			w.close()
		}
		w.close()
	}
	w.health()
	w.task()
	w.close()
	w.close()
}

func (w *writer) task() {
	s, p := w.s, w.s.Profile.Process
	w.block("task " + quote.HCL(s.Name))
	w.text("driver", "docker")
	w.text("user", fmt.Sprintf("%d:%d", s.UID, s.GID))
	if p.StopSignal != nil && !realTime(*p.StopSignal) {
		w.text("kill_signal", string(*p.StopSignal))
	}
	if p.StopTimeout != nil {
		w.text("kill_timeout", fmt.Sprintf("%ds", seconds(*p.StopTimeout)))
	}
	w.config()
	w.env()
	w.block("resources")
	w.line("cpu = %d", mhz(s))
	w.line("memory = %d", mebibytes(s))
	w.close()
	w.close()
}

// realTime says whether a signal is one that Nomad has no name for.
func realTime(s profiles.Signal) bool { return strings.HasPrefix(string(s), "SIGRT") }

// seconds rounds up; a check must have one at least.
func seconds(d profiles.Duration) int64 { return (int64(d) + 1e9 - 1) / 1e9 }

// mhz is processor time as Nomad counts it. How fast a client's processors are
// nobody knows here; hardly any is slower than 1 GHz, so that it is never more
// than the profile gives.
func mhz(s *export.Subject) int64 { return max(int64(*s.Profile.Resources.CPUs), 1) }

// leastMemory is the least that Nomad takes, in MiB.
const leastMemory = 10

// mebibytes rounds down.
func mebibytes(s *export.Subject) int64 {
	return max(int64(*s.Profile.Resources.Memory)>>20, leastMemory)
}

// env writes names that are none in HCL as keys of a map.
func (w *writer) env() {
	values := map[string]string{}
	var names []string
	plain := true
	for _, e := range w.s.Env {
		name, value, _ := strings.Cut(e, "=")
		if _, again := values[name]; !again {
			names = append(names, name)
		}
		values[name] = value
		plain = plain && identifier(name)
	}
	if len(names) == 0 {
		return
	}
	if plain {
		w.block("env")
	} else {
		w.block("env =")
	}
	for _, name := range names {
		key := name
		if !plain {
			key = quote.HCL(name)
		}
		w.text(key, values[name])
	}
	w.close()
}

// identifier says whether a name can stand for itself in HCL.
func identifier(name string) bool {
	letters := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return strings.Trim(name, letters+"0123456789") == "" && strings.ContainsAny(name[:1], letters)
}

// sortedLimits are in the order of their names.
func sortedLimits(s *export.Subject) []profiles.Rlimit {
	out := slices.Clone(s.Rlimits)
	slices.SortFunc(out, func(a, b profiles.Rlimit) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
