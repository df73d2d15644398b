package spec

import (
	"slices"
	"strings"
	"testing"
)

const passwdFile = `root:x:0:0:root:/root:/bin/sh
# a comment
app:x:1000:1001:The App:/home/app:/bin/sh
1234:x:42:43::/home/digits:
broken
:x:1:1::/:
minus:x:-1:5::/:
huge:x:4294967296:5::/:
big:x:70000:70000::/big:
biggroup:x:50:70000::/:
`

const groupFile = `root:x:0:app
app:x:1001:
media:x:2000:other,app
video:x:44:app
0777:x:99:
far:x:70000:app
`

func TestResolveUser(t *testing.T) {
	for _, c := range []struct {
		text   string
		want   identity
		failed string
	}{
		{text: "app", want: identity{uid: 1000, gid: 1001, groups: []uint32{44, 2000}, home: "/home/app", hasGroup: true}},
		{text: "1000", want: identity{uid: 1000, gid: 1001, groups: []uint32{44, 2000}, home: "/home/app", hasGroup: true}},
		{text: "app:video", want: identity{uid: 1000, gid: 44, home: "/home/app", hasGroup: true}},
		{text: "app:7", want: identity{uid: 1000, gid: 7, home: "/home/app", hasGroup: true}},
		{text: "app:0777", want: identity{uid: 1000, gid: 99, home: "/home/app", hasGroup: true}},
		{text: "5000", want: identity{uid: 5000}},
		{text: "5000:5001", want: identity{uid: 5000, gid: 5001, hasGroup: true}},
		{text: "1234", want: identity{uid: 42, gid: 43, home: "/home/digits", hasGroup: true}}, // a name before a number
		{text: "root", want: identity{home: "/root", hasGroup: true}},
		{text: "0", want: identity{home: "/root", hasGroup: true}},
		{text: "nobody", failed: "no user"},
		{text: "app:nogroup", failed: "no group"},
		{text: "minus", failed: "no user"},
		{text: "huge", failed: "no user"},
		{text: "big", failed: "outside"},
		{text: "biggroup", failed: "outside"},
		{text: "65536", failed: "outside"},
		{text: "app:65536", failed: "outside"},
		{text: "4294967296", failed: "no user"},
		{text: "+5", failed: "no user"},
		{text: "", failed: "no user"},
		{text: "app:", failed: "no group"},
		{text: "1:2:3", failed: "no group"},
	} {
		got, err := resolveUser(c.text, []byte(passwdFile), []byte(groupFile))
		if c.failed != "" {
			if err == nil || !strings.Contains(err.Error(), c.failed) {
				t.Errorf("%q: error %v, want one with %q", c.text, err, c.failed)
			}
			continue
		}
		if err != nil || !sameIdentity(got, c.want) {
			t.Errorf("%q: got %+v, %v, want %+v", c.text, got, err, c.want)
		}
	}
}

func sameIdentity(a, b identity) bool {
	return a.uid == b.uid && a.gid == b.gid && slices.Equal(a.groups, b.groups) && a.home == b.home && a.hasGroup == b.hasGroup
}

// TestAccountsAreBounded: what lies behind the bounds is not looked at.
func TestAccountsAreBounded(t *testing.T) {
	late := strings.Repeat("#\n", mostAccountBytes/2) + "late:x:5:5::/:\n"
	if len(parsePasswd([]byte(late))) != 0 {
		t.Error("an account behind the first MiB is seen")
	}
	long := "long:x:5:5:" + strings.Repeat("a", mostAccountLine) + ":/:\nshort:x:6:6::/:\n"
	if got := parsePasswd([]byte(long)); len(got) != 1 || got[0].name != "short" {
		t.Errorf("got %v", got)
	}
	var crowd strings.Builder
	for i := range 500 {
		crowd.WriteString("g:x:" + strings.Repeat("1", 1+i%4) + ":app\n")
	}
	who, err := resolveUser("app", []byte(passwdFile), []byte(crowd.String()))
	if err != nil || len(who.groups) > mostGroups {
		t.Errorf("%d groups, %v", len(who.groups), err)
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add([]byte(passwdFile), []byte(groupFile))
	f.Add([]byte(":::::::\n\n#\nroot"), []byte("a:b:c:d,e,,f"))
	f.Add([]byte("\x00:x:1:1:\xff:/:\r\n"), []byte{})
	f.Fuzz(func(t *testing.T, passwd, groups []byte) {
		for _, a := range parsePasswd(passwd) {
			if a.name == "" || a.uid < 0 || a.gid < 0 || strings.ContainsAny(a.name, ":\n") {
				t.Fatalf("%+v", a)
			}
		}
		for _, g := range parseGroup(groups) {
			if g.name == "" || g.gid < 0 {
				t.Fatalf("%+v", g)
			}
		}
	})
}

func FuzzUser(f *testing.F) {
	for _, text := range []string{"app", "app:video", "0", "0:0", "1234:44", "5000:5001", ":", "-1", "app:app:app", "\x00"} {
		f.Add(text, []byte(passwdFile), []byte(groupFile))
	}
	f.Fuzz(func(t *testing.T, text string, passwd, groups []byte) {
		who, err := resolveUser(text, passwd, groups)
		if err != nil {
			return
		}
		if who.uid >= IDsPerContainer || who.gid >= IDsPerContainer || len(who.groups) > mostGroups {
			t.Fatalf("%+v", who)
		}
		if slices.Contains(who.groups, 0) || slices.Contains(who.groups, who.gid) || !slices.IsSorted(who.groups) {
			t.Fatalf("groups %v of %d", who.groups, who.gid)
		}
	})
}
