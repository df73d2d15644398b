package spec

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// identity is a user inside the container.
type identity struct {
	uid, gid uint32
	groups   []uint32 // supplementary, sorted, without gid and 0
	home     string   // from passwd; empty when it names none
	hasGroup bool     // gid was found or given, not assumed
}

// resolveUser reads "name", "uid", "name:group" or "uid:gid" as docker does:
// a name is looked up in the image's own files, then a number is taken as it
// is. Without a group the user's own groups apply.
func resolveUser(text string, passwd, groups []byte) (identity, error) {
	userText, groupText, hasGroup := strings.Cut(text, ":")
	who, name, err := findUser(userText, parsePasswd(passwd))
	if err != nil {
		return identity{}, err
	}
	all := parseGroup(groups)
	if hasGroup {
		who.gid, err = findGroup(groupText, all)
		who.hasGroup = true
		return who, err
	}
	for _, g := range all {
		// gid 0 owns files that users are not meant to have; no one is in it
		// by way of a list in the image.
		member := name != "" && slices.Contains(g.members, name)
		if member && g.gid > 0 && g.gid < IDsPerContainer && len(who.groups) < mostGroups {
			who.groups = append(who.groups, uint32(g.gid))
		}
	}
	slices.Sort(who.groups)
	who.groups = slices.Compact(who.groups)
	who.groups = slices.DeleteFunc(who.groups, func(g uint32) bool { return g == who.gid })
	return who, nil
}

func findUser(text string, accounts []account) (who identity, name string, err error) {
	number, isNumber := parseID(text)
	at := slices.IndexFunc(accounts, func(a account) bool { return a.name == text })
	if at < 0 && isNumber {
		at = slices.IndexFunc(accounts, func(a account) bool { return a.uid == number })
	}
	if at < 0 && !isNumber {
		return identity{}, "", problem.New("name a user by number, as in --user 1000",
			"the image's /etc/passwd has no user %q", clip(text))
	}
	if at < 0 {
		who.uid, err = containerID("user", number)
		return who, "", err
	}
	a := accounts[at]
	if who.uid, err = containerID("user", a.uid); err != nil {
		return identity{}, "", err
	}
	if who.gid, err = containerID("group", a.gid); err != nil {
		return identity{}, "", err
	}
	who.home, who.hasGroup = a.home, true
	return who, a.name, nil
}

// homeOf finds the home directory of a user by number; empty when there is none.
func homeOf(uid uint32, passwd []byte) string {
	for _, a := range parsePasswd(passwd) {
		if a.uid == int64(uid) {
			return a.home
		}
	}
	return ""
}

func findGroup(text string, groups []group) (uint32, error) {
	number, isNumber := parseID(text)
	at := slices.IndexFunc(groups, func(g group) bool { return g.name == text })
	switch {
	case at >= 0:
		number = groups[at].gid
	case !isNumber:
		return 0, problem.New("name a group by number, as in --user 1000:1000",
			"the image's /etc/group has no group %q", clip(text))
	}
	return containerID("group", number)
}

// containerID checks that an id is in the range that a container has.
func containerID(what string, n int64) (uint32, error) {
	if n < 0 || n >= IDsPerContainer {
		return 0, problem.New("choose an id below 65536, as in --user 1000:1000",
			"%s id %d is outside the container's range of 65,536 ids", what, n)
	}
	return uint32(n), nil
}

// identity decides who the first process is: the user asked for, or the one
// the image names, or the profile's. Root, and the group root, need the
// profile's leave.
func (c *compiler) identity() error {
	p, image := c.in.Profile.Process, c.in.Image
	rootOK := p.Root != nil && or(p.Root.Allow, false)
	c.plan.RootAllowed = rootOK
	own := identity{
		uid: uint32(or(p.RunAsUser, defaultID)), gid: uint32(or(p.RunAsGroup, defaultID)), hasGroup: true,
	}
	own.home = homeOf(own.uid, image.Passwd)
	d := Decision{Setting: "user", Source: c.source("process.runAsUser"), Why: "the image names no other user"}
	switch {
	case c.in.Request.User != "":
		who, err := resolveUser(c.in.Request.User, image.Passwd, image.Group)
		if err != nil {
			return err
		}
		c.who, d.Source, d.Why = who, "flag --user", ""
		if !who.hasGroup && who.uid != 0 {
			c.who.gid = own.gid
		}
		if !rootOK && (c.who.uid == 0 || c.who.gid == 0) {
			return problem.New("choose another --user, or write process: {root: {allow: true, why: ...}} in the profile",
				"--user %s is root, which profile %s does not allow (process.root)", clip(c.in.Request.User), c.plan.Profile)
		}
	case or(p.UserFrom, profiles.UserFromImage) == profiles.UserFromProfile:
		c.who, d.Why = own, "the profile's user is used whatever the image says"
	default:
		if err := c.imageUser(own, rootOK, &d); err != nil {
			return err
		}
	}
	return c.setUser(d)
}

// imageUser takes the user that the image names. An image that names none
// means root, as it does to docker.
func (c *compiler) imageUser(own identity, rootOK bool, d *Decision) error {
	image := c.in.Image
	text := image.Config.User
	if text == "" {
		text = "0"
	}
	who, err := resolveUser(text, image.Passwd, image.Group)
	if err != nil {
		return problem.New("choose one with --user 1000:1000", "image %s runs as user %q: %w", image.Reference, clip(text), err)
	}
	switch {
	case who.uid == 0 && !rootOK:
		c.who = own
		if image.Config.User != "" {
			d.Why = "the image asks for root"
		}
		return nil
	case who.gid == 0 && !rootOK, !who.hasGroup && who.uid != 0:
		who.gid = own.gid // docker's group for a bare number is root
	}
	c.who, d.Source, d.Why = who, fromImage, fmt.Sprintf("the image names user %s", clip(text))
	return nil
}

func (c *compiler) setUser(d Decision) error {
	user := &c.oci.Process.User
	user.UID, user.GID, user.AdditionalGids = c.who.uid, c.who.gid, c.who.groups
	d.Value = fmt.Sprintf("%d:%d", c.who.uid, c.who.gid)
	for _, g := range c.who.groups {
		d.Value += fmt.Sprintf(",%d", g)
	}
	if c.who.uid == 0 || c.who.gid == 0 {
		d.Weakens = "root inside owns every file of the container; outside it is an ordinary user"
		d.Why = c.why("process.root", or(c.in.Profile.Process.Root, profiles.Allowance{}).Why)
	}
	c.decide(d)
	return nil
}

// clip bounds foreign text that is shown in an error, and keeps it on one line.
func clip(text string) string {
	const most = 64
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
