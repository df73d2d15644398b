package profiles

import (
	"reflect"

	"github.com/safe-run/safe-run/spec/problem"
)

// wrap records an error that some parser gave, with its hint.
func (c *checker) wrap(at string, err error) {
	c.fail(at, problem.HintOf(err), "%w", err)
}

const whyHint = "add a why: with the reason, for those who read the profile later"

// reasons checks that each allowance says why.
func (c *checker) reasons() {
	p := c.p
	if root := p.Process.Root; root != nil && root.Allow != nil && *root.Allow && root.Why == "" {
		c.fail("process.root", whyHint, "root is allowed without a reason")
	}
	if s := p.Process.SocketActivation; s != nil && s.Allow != nil && *s.Allow && s.Why == "" {
		c.fail("process.socketActivation", whyHint, "sockets of the host are allowed without a reason")
	}
	if ro := p.Rootfs.ReadOnly; ro != nil && !*ro && p.Rootfs.Why == "" {
		c.fail("rootfs.readOnly", whyHint, "the root filesystem is writable without a reason")
	}
	for _, t := range p.Mounts.Tmpfs {
		if t.Exec != nil && *t.Exec && t.Why == "" {
			c.fail(entry("mounts.tmpfs", t.Path)+".exec", whyHint, "programs may be run from a tmpfs without a reason")
		}
	}
	if m := p.Network.Mode; m != nil && *m != NetworkNone && p.Network.Why == "" {
		c.fail("network.mode", whyHint, "a network without a reason")
	}
	c.entryReasons("", reflect.ValueOf(p))
}

// entryReasons checks the entries that are allowances by being there: those of
// types whose why is not optional.
func (c *checker) entryReasons(path string, v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		value, at := v.Field(f.index), join(path, f.name)
		switch {
		case value.Kind() == reflect.Struct:
			c.entryReasons(at, value)
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct:
			for i := range value.Len() {
				if whyMissing(value.Index(i)) {
					c.fail(entry(at, keyOf(value.Index(i))), whyHint, "allowed without a reason")
				}
			}
		}
	}
}

func whyMissing(v reflect.Value) bool {
	for _, f := range fieldsOf(v.Type()) {
		if f.name == "why" {
			return f.must && v.Field(f.index).Len() == 0
		}
	}
	return false
}

// related checks settings against each other.
func (c *checker) related() {
	p := c.p.Process
	for _, r := range p.Rlimits {
		at := entry("process.rlimits", r.Name)
		switch {
		case r.Soft == nil || r.Hard == nil:
			c.fail(at, "write both soft and hard", "one of soft and hard is missing")
		case *r.Soft > *r.Hard:
			c.fail(at+".soft", "lower soft, or raise hard", "%d is above the hard limit %d", *r.Soft, *r.Hard)
		}
	}
	rootAllowed := p.Root != nil && p.Root.Allow != nil && *p.Root.Allow
	if p.RunAsUser != nil && *p.RunAsUser == 0 && !rootAllowed {
		c.fail("process.runAsUser", "choose another user, or allow root: {allow: true, why: ...}", "user 0 is root, which is not allowed")
	}
	c.startable()
	c.gateRelated()
}

// setLists are the paths of the lists that p itself sets.
func setLists(p Profile) []string {
	var set []string
	var visit func(path string, v reflect.Value)
	visit = func(path string, v reflect.Value) {
		for _, f := range fieldsOf(v.Type()) {
			value, at := v.Field(f.index), join(path, f.name)
			switch {
			case value.Kind() == reflect.Slice && isSet(value):
				set = append(set, at)
			case value.Kind() == reflect.Struct:
				visit(at, value)
			}
		}
	}
	visit("", reflect.ValueOf(p))
	return set
}
