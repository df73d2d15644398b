// Package compose exports a profile as a service of a compose.yaml (Compose
// Specification), with the seccomp filter that it names.
package compose

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/docker"
	"github.com/safe-run/safe-run/spec/export/engine"
	"github.com/safe-run/safe-run/spec/export/seccomp"
)

// dialect is that of Docker Compose, with its engine below it.
var dialect = engine.Dialect{
	Target: "compose", Masked: engine.DockerMasked, ReadOnly: engine.DockerReadOnly, HealthWords: true, StartInterval: true,
	Load: "load it: skopeo copy IMAGE docker-daemon:NAME:TAG, and export NAME:TAG",
}

// Export gives compose.yaml and seccomp.json.
func Export(in export.Input) (export.Result, error) {
	s, err := export.Prepare(in)
	if err != nil {
		return export.Result{}, err
	}
	if err := engine.Check(s); err != nil {
		return export.Result{}, err
	}
	filter, err := seccomp.File(s.Profile)
	if err != nil {
		return export.Result{}, err
	}
	dialect.Lose(s)
	docker.LoseFilter(s.Losses)
	if s.Profile.Health.StartInterval != nil {
		s.Losses.Different("health.startInterval", s.Profile.Health.StartInterval.String(), "Docker before 25 does not know it", "use Docker 25 or newer")
	}
	network := "default"
	service := service(s)
	top := mapping("name", text(s.Name), "services", mapping(s.Name, service))
	if s.Connected {
		put(service, "networks", list(network))
		put(top, "networks", mapping(network, mapping("driver", text("bridge"), "driver_opts",
			mapping("com.docker.network.bridge.enable_icc", text("false")))))
	} else {
		put(service, "network_mode", text("none"))
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(top); err != nil {
		return export.Result{}, err
	}
	return export.Result{
		Files:  []export.File{{Path: "compose.yaml", Data: b.Bytes()}, filter},
		Losses: s.Losses.List(),
	}, nil
}

// service is one service, in the order in which people read them.
func service(s *export.Subject) *yaml.Node {
	p := s.Profile
	out := mapping("image", text(s.ImageName()))
	if s.Command != nil {
		put(out, "entrypoint", list(s.Command...))
	}
	if s.Args != nil {
		put(out, "command", list(s.Args...))
	}
	if len(s.Env) > 0 {
		put(out, "environment", list(s.Env...))
	}
	put(out, "user", text(fmt.Sprintf("%d:%d", s.UID, s.GID)))
	put(out, "read_only", plain(strconv.FormatBool(s.ReadOnly)))
	put(out, "cap_drop", list("ALL"))
	if len(s.Capabilities) > 0 {
		put(out, "cap_add", list(s.Capabilities...))
	}
	put(out, "security_opt", list("no-new-privileges:true", "seccomp:./"+seccomp.FileName))
	var tmpfs []string
	for _, place := range s.Places {
		tmpfs = append(tmpfs, place.Path+":"+dialect.TmpfsOptions(place))
	}
	if len(tmpfs) > 0 {
		put(out, "tmpfs", list(tmpfs...))
	}
	put(out, "mem_limit", plain(strconv.FormatInt(int64(*p.Resources.Memory), 10)))
	put(out, "memswap_limit", plain(strconv.FormatInt(int64(*p.Resources.Memory)+int64(*p.Resources.Swap), 10)))
	put(out, "cpus", plain(p.Resources.CPUs.String()))
	put(out, "pids_limit", plain(strconv.FormatInt(*p.Resources.Pids, 10)))
	ulimits := mapping()
	for _, l := range s.Rlimits {
		put(ulimits, l.Name, mapping("soft", plain(strconv.FormatInt(*l.Soft, 10)), "hard", plain(strconv.FormatInt(*l.Hard, 10))))
	}
	put(out, "ulimits", ulimits)
	put(out, "ipc", text("private"))
	put(out, "cgroup", text("private"))
	put(out, "sysctls", mapping("net.ipv4.ip_unprivileged_port_start", text(engine.PortStart(s))))
	life(out, s)
	return out
}

func life(out *yaml.Node, s *export.Subject) {
	p := s.Profile.Process
	var ports []string
	for _, port := range s.Publish {
		ports = append(ports, engine.Publish(port))
	}
	if len(ports) > 0 {
		put(out, "ports", list(ports...))
	}
	if s.Init {
		put(out, "init", plain("true"))
	}
	if p.StopSignal != nil {
		put(out, "stop_signal", text(string(*p.StopSignal)))
	}
	if p.StopTimeout != nil {
		put(out, "stop_grace_period", text(strconv.FormatInt(engine.Seconds(*p.StopTimeout), 10)+"s"))
	}
	if p.OOMScoreAdj != nil {
		put(out, "oom_score_adj", plain(strconv.FormatInt(*p.OOMScoreAdj, 10)))
	}
	if check := health(s.Profile.Health); check != nil {
		put(out, "healthcheck", check)
	}
	if s.Replicas > 1 {
		put(out, "scale", plain(strconv.Itoa(s.Replicas)))
	}
}

func health(h profiles.Health) *yaml.Node {
	if h.Disabled != nil && *h.Disabled {
		return mapping("disable", plain("true"))
	}
	out := mapping()
	if h.Test != nil {
		if line, ok := h.Test.Shell(); ok {
			put(out, "test", list("CMD-SHELL", line))
		} else {
			put(out, "test", list(append([]string{"CMD"}, h.Test.Words()...)...))
		}
	}
	for _, t := range []struct {
		key   string
		value *profiles.Duration
	}{{"interval", h.Interval}, {"timeout", h.Timeout}, {"start_period", h.StartPeriod}, {"start_interval", h.StartInterval}} {
		if t.value != nil {
			put(out, t.key, text(t.value.String()))
		}
	}
	if h.Retries != nil {
		put(out, "retries", plain(strconv.FormatInt(*h.Retries, 10)))
	}
	if len(out.Content) == 0 {
		return nil
	}
	return out
}

// mapping makes a map of keys and values in turn.
func mapping(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i < len(pairs); i += 2 {
		put(n, pairs[i].(string), pairs[i+1].(*yaml.Node))
	}
	return n
}

func put(n *yaml.Node, key string, value *yaml.Node) {
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
}

// text is a string. Compose puts variables of its environment in place of $NAME,
// in every string: $$ is a dollar.
func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ReplaceAll(s, "$", "$$")}
}

func plain(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

func list(texts ...string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, s := range texts {
		n.Content = append(n.Content, text(s))
	}
	return n
}
