package kubernetes

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/convert/yamldoc"
)

// container is one of a pod's that is being read.
type container struct {
	pod *pod
	ask convert.Ask
	uid string
	gid string
}

func (c *container) read(v yamldoc.Value) error {
	// The pod's own first; what a container says itself counts.
	if s := c.pod.security; s.Node != nil {
		if err := s.Map(c.security(true), nil); err != nil {
			return err
		}
	}
	if err := v.Map(c.fields(), nil); err != nil {
		return err
	}
	if c.ask.Name == "" || c.ask.Image == "" {
		return v.Fail("write name: and image:", "a container has no name or no image")
	}
	if c.uid != "" {
		c.ask.User = c.uid
		if c.gid != "" {
			c.ask.User += ":" + c.gid
		}
	}
	if g := c.pod.grace; g.Node != nil {
		n, err := g.Int()
		if err != nil || n < 0 || n > 1<<20 {
			return g.Fail("write seconds", "it cannot be a time to stop in")
		}
		c.ask.StopTimeout = new(profiles.Duration(n * 1e9))
	}
	return nil
}

func (c *container) fields() yamldoc.Fields {
	text := func(to *string) func(yamldoc.Value) error {
		return func(v yamldoc.Value) (err error) { *to, err = v.Text(); return err }
	}
	f := yamldoc.Fields{
		"name": text(&c.ask.Name), "image": text(&c.ask.Image),
		"command": func(v yamldoc.Value) (err error) { c.ask.Entrypoint, err = v.Texts(); return err },
		"args":    func(v yamldoc.Value) (err error) { c.ask.Args, err = v.Texts(); return err },
		"workingDir": func(v yamldoc.Value) error {
			dir, err := v.Text()
			c.ask.Flags = append(c.ask.Flags, "--workdir="+dir)
			return err
		},
		"env": c.env, "envFrom": c.missing("envFrom", "it comes from the cluster: --env-file FILE"), "ports": c.ports, "resources": c.resources,
		"volumeMounts": c.mounts, "securityContext": func(v yamldoc.Value) error { return v.Map(c.security(false), nil) },
		"livenessProbe": c.probe, "readinessProbe": nil, "startupProbe": nil,
		"lifecycle":     c.missing("lifecycle", "nothing is run at the start and before the end"),
		"volumeDevices": c.tell(convert.Tightened, "volumeDevices", "a device is the host's own, and is not given"),
	}
	for _, key := range []string{"imagePullPolicy", "resizePolicy", "restartPolicy", "restartPolicyRules", "stdin", "stdinOnce", "tty", "terminationMessagePath", "terminationMessagePolicy", "targetContainerName"} {
		f[key] = nil
	}
	return f
}

func (c *container) missing(key, what string) func(yamldoc.Value) error {
	return c.tell(convert.Missing, key, what)
}

func (c *container) tell(kind convert.Kind, key, what string) func(yamldoc.Value) error {
	return func(v yamldoc.Value) error {
		c.ask.Tell(convert.Finding{Kind: kind, Setting: key, Place: v.Place(), What: what})
		return nil
	}
}

// security reads a securityContext, the pod's or the container's own.
func (c *container) security(ofPod bool) yamldoc.Fields {
	number := func(to *string, key string) func(yamldoc.Value) error {
		return func(v yamldoc.Value) error {
			n, err := v.Int()
			*to = strconv.FormatInt(n, 10)
			c.ask.Said(key, "securityContext."+key, v.Place())
			return err
		}
	}
	toggle := func(key, name string, set func(bool)) func(yamldoc.Value) error {
		return func(v yamldoc.Value) error {
			on, err := v.Bool()
			c.ask.Said(key, "securityContext."+name, v.Place())
			set(on)
			return err
		}
	}
	f := yamldoc.Fields{
		"runAsUser": number(&c.uid, "user"), "runAsGroup": number(&c.gid, "user"), "runAsNonRoot": nil, "seLinuxOptions": nil,
		"seccompProfile": c.seccomp, "appArmorProfile": c.missing("appArmorProfile", "safe-run needs no security module; where the host has one its own policy applies"), "windowsOptions": nil,
	}
	if ofPod {
		f["sysctls"] = func(v yamldoc.Value) error { return v.List(c.sysctl) }
		for _, key := range []string{"fsGroup", "fsGroupChangePolicy", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"} {
			f[key] = nil
		}
		return f
	}
	f["privileged"] = toggle("privileged", "privileged", func(on bool) { c.ask.Privileged = on })
	f["readOnlyRootFilesystem"] = toggle("read-only", "readOnlyRootFilesystem", func(on bool) { c.ask.ReadOnly = on })
	f["allowPrivilegeEscalation"] = toggle("no-new-privileges", "allowPrivilegeEscalation", func(on bool) { c.ask.NoNewPrivs = !on })
	f["capabilities"] = c.capabilities
	f["procMount"] = func(v yamldoc.Value) error {
		if kind, err := v.Text(); err != nil || kind == "Default" {
			return err
		}
		return c.tell(convert.Tightened, "procMount", "it showed what the kernel tells of the host; it stays hidden")(v)
	}
	return f
}

func (c *container) capabilities(v yamldoc.Value) error {
	c.ask.Said("cap-add", "securityContext.capabilities.add", v.Place())
	c.ask.Said("cap-drop", "securityContext.capabilities", v.Place())
	return v.Map(yamldoc.Fields{
		"add": func(v yamldoc.Value) (err error) { c.ask.Capabilities, err = v.Texts(); return err },
		"drop": func(v yamldoc.Value) error {
			list, err := v.Texts()
			for _, name := range list {
				c.ask.DropAll = c.ask.DropAll || strings.EqualFold(name, "ALL")
			}
			return err
		},
	}, nil)
}

func (c *container) seccomp(v yamldoc.Value) error {
	var kind, local string
	err := v.Map(yamldoc.Fields{
		"type":             func(v yamldoc.Value) (err error) { kind, err = v.Text(); return err },
		"localhostProfile": func(v yamldoc.Value) (err error) { local, err = v.Text(); return err },
	}, nil)
	if err != nil {
		return err
	}
	c.ask.Said("seccomp", "seccompProfile", v.Place())
	c.ask.Seccomp, c.ask.Unconfined = nil, false
	switch kind {
	case "Unconfined":
		c.ask.Unconfined = true
	case "RuntimeDefault":
	case "Localhost":
		data, err := c.pod.files(local)
		if err != nil {
			c.ask.Tell(convert.Finding{Kind: convert.Missing, Setting: "seccompProfile", Value: local, Place: v.Place(),
				What: "the filter lies on the nodes and is not here; the default's list takes its place", Do: "copy it from /var/lib/kubelet/seccomp/" + local + " to beside the manifest"})
			return nil
		}
		if c.ask.Seccomp, err = convert.ReadFilter(local, data); err != nil {
			return err
		}
	default:
		return v.Fail("write RuntimeDefault, Localhost or Unconfined", "%.40q is no type of a seccompProfile", kind)
	}
	return nil
}

func (c *container) sysctl(v yamldoc.Value) error {
	name, err := v.Get("name").Text()
	if err != nil {
		return err
	}
	if name != "net.ipv4.ip_unprivileged_port_start" {
		return c.missing("sysctls", "settings of the kernel are not changed")(v)
	}
	n, err := v.Get("value").Int()
	c.ask.PortStart = &n
	return err
}

func (c *container) env(v yamldoc.Value) error {
	return v.List(func(item yamldoc.Value) error {
		var name, value string
		from := false
		err := item.Map(yamldoc.Fields{
			"name":      func(v yamldoc.Value) (err error) { name, err = v.Text(); return err },
			"value":     func(v yamldoc.Value) (err error) { value, err = v.Text(); return err },
			"valueFrom": func(yamldoc.Value) error { from = true; return nil },
		}, nil)
		switch {
		case err != nil:
			return err
		case name == "" || strings.Contains(name, "="):
			return item.Fail("write name: NAME", "%.60q cannot be a variable's name", name)
		case from:
			return c.missing("env."+name, "its value comes from the cluster: -e "+name+"=...")(item)
		}
		c.ask.Flags = append(c.ask.Flags, "--env="+name+"="+value)
		return nil
	})
}

// ports: a Service reaches every port of a pod, whether it is listed or not.
func (c *container) ports(v yamldoc.Value) error {
	return v.List(func(item yamldoc.Value) error {
		var port int64
		protocol := "tcp"
		err := item.Map(yamldoc.Fields{
			"containerPort": func(v yamldoc.Value) (err error) { port, err = v.Int(); return err },
			"protocol": func(v yamldoc.Value) error {
				text, err := v.Text()
				protocol = strings.ToLower(text)
				return err
			},
			"name": nil, "hostPort": nil, "hostIP": nil,
		}, nil)
		if err != nil {
			return err
		}
		if port < 1 || port > 65535 {
			return item.Fail("write containerPort: 8080", "%d is not a port", port)
		}
		if protocol != "tcp" && protocol != "udp" {
			return c.missing("ports", protocol+" is not published")(item)
		}
		c.ask.Said("publish", "ports", item.Place())
		c.ask.Publish = append(c.ask.Publish, fmt.Sprintf("127.0.0.1:%d:%d/%s", port, port, protocol))
		return nil
	})
}

func (c *container) resources(v yamldoc.Value) error {
	return v.Map(yamldoc.Fields{"requests": nil, "claims": nil, "limits": func(v yamldoc.Value) error {
		return v.Map(yamldoc.Fields{
			"memory": func(v yamldoc.Value) error {
				n, err := quantity(v, 1)
				c.ask.Memory = new(profiles.Bytes(n))
				return err
			},
			"cpu": func(v yamldoc.Value) error {
				n, err := quantity(v, 1000)
				c.ask.CPUs = new(profiles.MilliCPU(min(n, 8192000)))
				return err
			},
		}, func(key, value yamldoc.Value) (bool, error) {
			return true, c.missing("resources.limits."+key.Node.Value, "it is not limited")(value)
		})
	}}, nil)
}

// suffixes of quantities (apimachinery's resource.Quantity).
var suffixes = map[string]*big.Rat{
	"": big.NewRat(1, 1), "m": big.NewRat(1, 1000), "u": big.NewRat(1, 1e6), "n": big.NewRat(1, 1e9), "k": big.NewRat(1e3, 1), "M": big.NewRat(1e6, 1), "G": big.NewRat(1e9, 1),
	"T": big.NewRat(1e12, 1), "P": big.NewRat(1e15, 1), "Ki": big.NewRat(1<<10, 1), "Mi": big.NewRat(1<<20, 1), "Gi": big.NewRat(1<<30, 1), "Ti": big.NewRat(1<<40, 1), "Pi": big.NewRat(1<<50, 1),
}

// quantity reads 64Mi, 500m, 1.5, in units of 1/parts, rounded down.
func quantity(v yamldoc.Value, parts int64) (int64, error) {
	text, err := v.Text()
	if err != nil {
		return 0, err
	}
	number := strings.TrimRight(text, "munkMGTPKi")
	factor, known := suffixes[text[len(number):]]
	if value, ok := new(big.Rat).SetString(number); ok && known && len(number) < 24 && !strings.ContainsAny(number, "/eE_xXpP") && value.Sign() >= 0 {
		value.Mul(value, factor)
		value.Mul(value, big.NewRat(parts, 1))
		if whole := new(big.Int).Quo(value.Num(), value.Denom()); whole.IsInt64() {
			return whole.Int64(), nil
		}
	}
	return 0, v.Fail("write 64Mi, 500m or 1.5", "%.40q is not a quantity", text)
}

// mounts: an emptyDir is a place in memory; a path of the host is a mount.
func (c *container) mounts(v yamldoc.Value) error {
	return v.List(func(item yamldoc.Value) error {
		var name, target string
		readOnly := false
		err := item.Map(yamldoc.Fields{
			"name":      func(v yamldoc.Value) (err error) { name, err = v.Text(); return err },
			"mountPath": func(v yamldoc.Value) (err error) { target, err = v.Text(); return err },
			"readOnly":  func(v yamldoc.Value) (err error) { readOnly, err = v.Bool(); return err },
			"subPath":   nil, "subPathExpr": nil, "mountPropagation": nil, "recursiveReadOnly": nil,
		}, nil)
		if err != nil {
			return err
		}
		volume, there := c.pod.volumes[name]
		if !there || !strings.HasPrefix(target, "/") || target == "/" {
			return item.Fail("write name: of one of the pod's volumes and mountPath: /path", "there is no volume %.60q that could be mounted at %.60q", name, target)
		}
		return c.mount(volume, item, target, readOnly)
	})
}

func (c *container) mount(volume, item yamldoc.Value, target string, readOnly bool) error {
	at := convert.Source{Setting: "volumes", Place: item.Place()}
	if empty := volume.Get("emptyDir"); !empty.Null() {
		t := profiles.Tmpfs{Path: strings.TrimRight(target, "/"), Exec: new(false)}
		if size := empty.Get("sizeLimit"); !size.Null() {
			n, err := quantity(size, 1)
			if err != nil {
				return err
			}
			t.Size = new(profiles.Bytes(max(n, 4096)))
		}
		c.ask.Said("tmpfs", "emptyDir", item.Place())
		c.ask.Tmpfs = append(c.ask.Tmpfs, t)
		return nil
	}
	if host := volume.Get("hostPath"); !host.Null() {
		source, err := host.Get("path").Text()
		if err != nil || !strings.HasPrefix(source, "/") {
			return host.Fail("write path: /path", "a hostPath has no absolute path")
		}
		c.ask.Mounts = append(c.ask.Mounts, convert.Mount{Source: source, Target: target, ReadOnly: readOnly, Source2: at})
		return nil
	}
	return c.missing("volumes", "it comes from the cluster; mount a file, a directory or a volume with -v SOURCE:"+target)(item)
}

// probe keeps a program that is run; what is asked over the network has no
// counterpart.
func (c *container) probe(v yamldoc.Value) error {
	command := v.Get("exec").Get("command")
	if command.Null() {
		return c.missing("livenessProbe", "only a program can be a check: health.test")(v)
	}
	words, err := command.Texts()
	if err != nil {
		return err
	}
	test, err := profiles.WordsCommand(words)
	if err != nil {
		return command.Fail("write [/bin/check]", "%w", err)
	}
	c.ask.Health.Test = &test
	for key, to := range map[string]**profiles.Duration{
		"periodSeconds": &c.ask.Health.Interval, "timeoutSeconds": &c.ask.Health.Timeout, "initialDelaySeconds": &c.ask.Health.StartPeriod,
	} {
		if seconds := v.Get(key); !seconds.Null() {
			n, err := seconds.Int()
			if err != nil || n < 0 || n > 1<<20 {
				return seconds.Fail("write seconds", "it cannot be a time")
			}
			*to = new(profiles.Duration(max(n, 1) * 1e9))
		}
	}
	if times := v.Get("failureThreshold"); !times.Null() {
		n, err := times.Int()
		if err != nil || n < 1 || n > profiles.MostRetries {
			return times.Fail("write a number", "it cannot fail so often")
		}
		c.ask.Health.Retries = &n
	}
	return nil
}
