package integration

import (
	"strings"
	"testing"
)

// TestRegistriesConf: mirrors, what is blocked and what a bare name means are
// as registries.conf says, and an image of a mirror is judged by the name that
// was written.
func TestRegistriesConf(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	digest := h.push("mirror/app:1", withPeek(t, "mirrored"))
	h.push("searched:1", withPeek(t, "searched"))
	m.write("home/.config/containers/registries.conf", `
unqualified-search-registries = ["`+h.host+`"]
[[registry]]
prefix = "registry.invalid/acme"
location = "registry.invalid/acme"
[[registry.mirror]]
location = "`+h.host+`/mirror"
[[registry]]
prefix = "`+h.host+`/blocked"
location = "`+h.host+`/blocked"
blocked = true
[aliases]
"short" = "`+h.host+`/mirror/app"
`)
	h.push("blocked/app:1", withPeek(t, "blocked"))
	const name = "docker://registry.invalid/acme/app:1"
	for _, test := range []struct{ policy, name, want string }{
		{"", name, "mirrored"},
		{"", "registry.invalid/acme/app@" + digest.String(), "mirrored"},
		{"image: {registries: [registry.invalid/acme]}", name, "mirrored"},
		{"", "short:1", "mirrored"},
		{"", "searched:1", "searched"},
	} {
		says(t, m.run(append(profile(t, test.policy), test.name)...), test.want, test.policy+" "+test.name)
		says(t, m.alone(append(profile(t, test.policy), test.name)...), test.want, test.policy+" "+test.name+", warm")
	}
	refused(t, m.run(append(profile(t, "image: {registries: ["+h.host+"]}"), name)...), "the mirror's own name", "may be run from")
	refused(t, m.run(h.name("blocked/app:1")), "what is blocked", "blocked")
	refused(t, m.run("docker://registry.invalid/acme/other:1"), "what neither has", "registry.invalid")
	refused(t, m.run("nosuch:1"), "a bare name that nobody has", "nosuch")
	if r := m.run("docker://" + strings.ToUpper(h.host) + "/Mirror/App:1"); r.code != 125 {
		t.Errorf("a name in capitals: exit code %d\n%s", r.code, r.err)
	}
}
