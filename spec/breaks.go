package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// switchers are programs that run another one as another user: by a setuid bit,
// which no_new_privs takes away, or as root with CAP_SETUID.
var switchers = []string{"chpst", "doas", "gosu", "pkexec", "runuser", "s6-setuidgid", "setpriv", "setuidgid", "su", "su-exec", "sudo"}

// breaks tells of what cannot work under this plan, as far as that is known
// before anything runs.
func (c *compiler) breaks() error {
	if name := c.switcher(); name != "" && !(c.who.uid == 0 && c.hasCapability("SETUID") && c.hasCapability("SETGID")) {
		c.decide(Decision{
			Setting: "program", Value: name, Source: "command",
			Breaks: name + " cannot change the user: no_new_privs is set, and there is no CAP_SETUID; " +
				"name the user with --user, and start the program itself with --entrypoint",
		})
	}
	for _, p := range c.plan.Network.Publish {
		if int(p.ContainerPort) < c.plan.Network.UnprivilegedPortStart && !c.hasCapability("NET_BIND_SERVICE") {
			c.decide(Decision{
				Setting: "publish", Value: fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol), Source: "flag --publish",
				Breaks: fmt.Sprintf("nothing inside can listen on port %d: below %d it needs CAP_NET_BIND_SERVICE; "+
					"set network.unprivilegedPortStart in the profile, or let it listen on a higher port", p.ContainerPort, c.plan.Network.UnprivilegedPortStart),
			})
		}
	}
	return nil
}

// switcher finds a program that changes the user where the command line starts
// one: by itself, or in the script of a shell's -c.
func (c *compiler) switcher() string {
	args := c.oci.Process.Args
	if name := path.Base(args[0]); slices.Contains(switchers, name) {
		return name
	}
	if len(args) < 3 || args[1] != "-c" {
		return ""
	}
	for _, word := range strings.FieldsFunc(args[2], func(r rune) bool { return strings.ContainsRune(" \t\n;&|()", r) }) {
		if name := path.Base(word); slices.Contains(switchers, name) {
			return name
		}
	}
	return ""
}
