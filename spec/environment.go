package spec

import (
	"fmt"
	"path"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// defaultPath is what docker gives to images that set none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is built from nothing: the host's environment, where tokens
// live, is never inherited. Values are not decisions, because they may be
// secrets.
func (c *compiler) environment() error {
	home := c.who.home
	if !path.IsAbs(home) {
		home = "/"
	}
	env := environment{}
	env.set("PATH", defaultPath)
	env.set("HOSTNAME", c.oci.Hostname)
	env.set("HOME", home)
	if c.in.Request.Terminal {
		env.set("TERM", "xterm")
	}
	for _, list := range []struct {
		of   string
		vars []string
		hint string
	}{
		{"the image's", c.in.Image.Config.Env, "build the image anew"},
		{"the", c.in.Request.Env, "write -e NAME=VALUE"},
	} {
		for _, text := range list.vars {
			name, value, ok := strings.Cut(text, "=")
			if !ok || name == "" {
				return problem.New(list.hint, "%s environment variable %q is not NAME=VALUE", list.of, clip(name))
			}
			if err := checkString("environment variable", text); err != nil {
				return problem.New(list.hint, "%s environment variable %q holds a zero byte or is too long", list.of, clip(name))
			}
			env.set(name, value)
		}
	}
	c.oci.Process.Env = env.list
	c.decide(Decision{
		Setting: "environment", Value: fmt.Sprintf("%d variables", len(env.list)), Source: "image and flags",
		Why: "the host's environment is never inherited",
	})
	return nil
}

// environment keeps variables in the order of their first setting.
type environment struct {
	list []string
	at   map[string]int
}

func (e *environment) set(name, value string) {
	if e.at == nil {
		e.at = map[string]int{}
	}
	if i, ok := e.at[name]; ok {
		e.list[i] = name + "=" + value
		return
	}
	e.at[name] = len(e.list)
	e.list = append(e.list, name+"="+value)
}
