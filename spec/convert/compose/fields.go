package compose

import (
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/convert/yamldoc"
	"github.com/safe-run/safe-run/spec/quote"
)

// fields are those of a service, of the specification of 2026.
func (w *writer) fields() yamldoc.Fields {
	const (
		others  = "containers do not reach each other"
		builds  = "safe-run builds nothing"
		io      = "input and output are not limited"
		noAct   = "it is for tools around the service"
		devices = "a device is the host's own, and is not given"
	)
	f := yamldoc.Fields{
		"image":      func(v yamldoc.Value) (err error) { w.image, err = v.Text(); return err },
		"command":    func(v yamldoc.Value) (err error) { w.args, err = command(v); return err },
		"entrypoint": func(v yamldoc.Value) (err error) { w.entry, err = command(v); return err },
		"user":       w.text("user", "user"), "working_dir": w.text("working_dir", "workdir"), "hostname": w.text("hostname", "hostname"),
		"read_only": w.toggle("read_only", "read-only"), "privileged": w.toggle("privileged", "privileged"), "init": w.toggle("init", "init"),
		"tty": w.toggle("tty", "tty"), "stdin_open": w.toggle("stdin_open", "interactive"), "cap_add": w.list("cap_add", "cap-add"),
		"cap_drop": w.list("cap_drop", "cap-drop"), "security_opt": w.list("security_opt", "security-opt"), "tmpfs": w.list("tmpfs", "tmpfs"),
		"environment": w.pairs("environment", "env"), "labels": w.pairs("labels", "label"), "sysctls": w.pairs("sysctls", "sysctl"),
		"env_file": w.envFiles, "mem_limit": w.text("mem_limit", "memory"), "memswap_limit": w.text("memswap_limit", "memory-swap"),
		"cpus": w.text("cpus", "cpus"), "cpu_quota": w.text("cpu_quota", "cpu-quota"), "cpu_period": w.text("cpu_period", "cpu-period"),
		"pids_limit": w.text("pids_limit", "pids-limit"), "shm_size": w.text("shm_size", "shm-size"), "ulimits": w.ulimits,
		"oom_score_adj": w.text("oom_score_adj", "oom-score-adj"), "stop_signal": w.text("stop_signal", "stop-signal"), "stop_grace_period": w.grace,
		"restart": w.text("restart", "restart"), "network_mode": w.text("network_mode", "network"), "ports": w.ports, "volumes": w.volumes,
		"devices": w.tightened("devices", devices), "device_cgroup_rules": w.tightened("device_cgroup_rules", devices), "gpus": w.tightened("gpus", devices),
		"pid": w.text("pid", "pid"), "ipc": w.text("ipc", "ipc"), "uts": w.text("uts", "uts"), "userns_mode": w.text("userns_mode", "userns"),
		"cgroup": w.text("cgroup", "cgroupns"), "cgroup_parent": w.text("cgroup_parent", "cgroup-parent"), "healthcheck": w.health, "deploy": w.deploy,
		"use_api_socket": w.toggle("use_api_socket", "use-api-socket"), "container_name": w.text("container_name", "name"), "platform": w.missing("platform", "images are for this machine's architecture"),
		"configs": w.missing("configs", "mount the file: -v FILE:/path:ro"), "secrets": w.missing("secrets", "mount the file: -v FILE:/run/secrets/NAME:ro"),
		"build": w.missing("build", builds), "pull_policy": nil, "expose": nil, "profiles": nil, "attach": nil, "annotations": w.missing("annotations", noAct),
		"scale": w.missing("scale", "one container is run"), "logging": w.missing("logging", "logs are kept in json-file's form"), "runtime": w.missing("runtime", "safe-run is the runtime"),
	}
	for _, key := range []string{"depends_on", "links", "external_links", "networks"} {
		f[key] = w.missing(key, others)
	}
	for _, key := range []string{"blkio_config", "storage_opt", "cpu_shares", "cpu_rt_runtime", "cpu_rt_period", "cpuset", "mem_reservation", "mem_swappiness", "oom_kill_disable", "cpu_count", "cpu_percent"} {
		f[key] = w.missing(key, io)
	}
	for _, key := range []string{"develop", "extends", "provider", "models", "post_start", "pre_stop", "label_file", "isolation", "credential_spec", "volumes_from",
		"group_add", "dns", "dns_opt", "dns_search", "domainname", "extra_hosts", "mac_address"} {
		f[key] = w.missing(key, "it has no counterpart")
	}
	return f
}

func (w *writer) envFiles(v yamldoc.Value) error {
	one := func(v yamldoc.Value) error {
		if v.Node.Kind == yaml.MappingNode {
			v = v.Get("path")
		}
		return w.text("env_file", "env-file")(v)
	}
	if v.Node.Kind == yaml.SequenceNode {
		return v.List(one)
	}
	return one(v)
}

func (w *writer) ulimits(v yamldoc.Value) error {
	return v.Map(nil, func(key, value yamldoc.Value) (bool, error) {
		limits, err := "", error(nil)
		if value.Node.Kind != yaml.MappingNode {
			limits, err = value.Text()
		} else {
			var soft, hard int64
			err = value.Map(yamldoc.Fields{
				"soft": func(v yamldoc.Value) (err error) { soft, err = v.Int(); return err },
				"hard": func(v yamldoc.Value) (err error) { hard, err = v.Int(); return err },
			}, nil)
			limits = strconv.FormatInt(soft, 10) + ":" + strconv.FormatInt(hard, 10)
		}
		w.add(value, "ulimits", "ulimit", key.Node.Value+"="+limits)
		return true, err
	})
}

func (w *writer) grace(v yamldoc.Value) error {
	text, err := v.Text()
	if err != nil {
		return err
	}
	d, err := profiles.ParseDuration(text)
	if err != nil {
		return v.Fail("write 10s", "%w", err)
	}
	w.add(v, "stop_grace_period", "stop-timeout", strconv.FormatInt((int64(d)+1e9-1)/1e9, 10))
	return nil
}

// ports reads short and long syntax.
func (w *writer) ports(v yamldoc.Value) error {
	return v.List(func(item yamldoc.Value) error {
		if item.Node.Kind == yaml.ScalarNode {
			return w.text("ports", "publish")(item)
		}
		var target, published, ip, protocol string
		read := func(to *string) func(yamldoc.Value) error {
			return func(v yamldoc.Value) (err error) { *to, err = v.Text(); return err }
		}
		err := item.Map(yamldoc.Fields{"target": read(&target), "published": read(&published), "host_ip": read(&ip), "protocol": read(&protocol), "mode": nil, "name": nil, "app_protocol": nil}, nil)
		if err != nil {
			return err
		}
		if target == "" {
			return item.Fail("write target: 80", "the port has no target")
		}
		text := target
		if published != "" || ip != "" {
			text = published + ":" + text
		}
		if ip != "" {
			text = ip + ":" + text
		}
		if protocol != "" {
			text += "/" + protocol
		}
		w.add(item, "ports", "publish", text)
		return nil
	})
}

// volumes reads short and long syntax.
func (w *writer) volumes(v yamldoc.Value) error {
	return v.List(func(item yamldoc.Value) error {
		if item.Node.Kind == yaml.ScalarNode {
			return w.text("volumes", "volume")(item)
		}
		var kind, source, target string
		var readOnly bool
		size, mode := "", ""
		read := func(to *string) func(yamldoc.Value) error {
			return func(v yamldoc.Value) (err error) { *to, err = v.Text(); return err }
		}
		err := item.Map(yamldoc.Fields{
			"type": read(&kind), "source": read(&source), "target": read(&target), "consistency": nil, "bind": nil, "volume": nil, "image": nil,
			"read_only": func(v yamldoc.Value) (err error) { readOnly, err = v.Bool(); return err },
			"tmpfs": func(v yamldoc.Value) error {
				return v.Map(yamldoc.Fields{"size": read(&size), "mode": read(&mode)}, nil)
			},
		}, nil)
		if err != nil {
			return err
		}
		switch kind {
		case "tmpfs":
			text := target + ":noexec"
			if size != "" {
				text += ",size=" + size
			}
			if n, err := strconv.ParseUint(mode, 0, 32); err == nil {
				text += ",mode=0" + strconv.FormatUint(n, 8)
			}
			w.add(item, "volumes", "tmpfs", text)
		case "bind", "volume":
			text := source + ":" + target
			if source == "" {
				text = target
			} else if kind == "bind" && !path.IsAbs(source) && !strings.HasPrefix(source, ".") && !strings.HasPrefix(source, "~") {
				text = "./" + text
			}
			if readOnly {
				text += ":ro"
			}
			w.add(item, "volumes", "volume", text)
		default:
			return w.missing("volumes", "there are no mounts of type "+kind)(item)
		}
		return nil
	})
}

func (w *writer) health(v yamldoc.Value) error {
	return v.Map(yamldoc.Fields{
		"disable": w.toggle("healthcheck.disable", "no-healthcheck"), "interval": w.text("healthcheck.interval", "health-interval"),
		"timeout": w.text("healthcheck.timeout", "health-timeout"), "retries": w.text("healthcheck.retries", "health-retries"),
		"start_period": w.text("healthcheck.start_period", "health-start-period"), "start_interval": w.text("healthcheck.start_interval", "health-start-interval"),
		"test": w.test,
	}, nil)
}

func (w *writer) test(v yamldoc.Value) error {
	if v.Node.Kind == yaml.ScalarNode {
		return w.text("healthcheck.test", "health-cmd")(v)
	}
	words, err := v.Texts()
	if err != nil || len(words) == 0 {
		return err
	}
	switch kind := words[0]; {
	case kind == "NONE":
		w.add(v, "healthcheck.test", "no-healthcheck", "true")
	case kind == "CMD-SHELL" && len(words) == 2:
		w.add(v, "healthcheck.test", "health-cmd", words[1])
	case kind == "CMD" && len(words) > 1:
		// A program with its arguments; the reader of flags takes podman's form.
		w.add(v, "healthcheck.test", "health-cmd", quote.JSONWords(words))
	default:
		return v.Fail("write [CMD, /bin/check], [CMD-SHELL, text] or [NONE]", "the check is of no kind that there is")
	}
	return nil
}

// deploy has limits once more; what is for a cluster has no counterpart.
func (w *writer) deploy(v yamldoc.Value) error {
	gone := w.missing("deploy", "it is for a cluster")
	return v.Map(yamldoc.Fields{
		"resources": func(v yamldoc.Value) error {
			return v.Map(yamldoc.Fields{
				"reservations": w.missing("deploy.resources.reservations", "resources are limited, not reserved"),
				"limits": func(v yamldoc.Value) error {
					return v.Map(yamldoc.Fields{"cpus": w.text("deploy.resources.limits.cpus", "cpus"), "memory": w.text("deploy.resources.limits.memory", "memory"),
						"pids": w.text("deploy.resources.limits.pids", "pids-limit")}, extension)
				},
			}, extension)
		},
		"replicas": gone, "mode": gone, "placement": gone, "restart_policy": gone, "update_config": gone, "rollback_config": gone, "endpoint_mode": gone, "labels": gone,
	}, extension)
}
