package audit

import (
	"bytes"
	"strconv"
	"strings"
)

// account is who the image runs as.
type account struct {
	uid   int
	gid   int
	known bool
}

// findAccount resolves config.User as runtimes do: a name of /etc/passwd, then
// a number. Nobody named is root.
func findAccount(text string, passwd []byte) account {
	user, group, hasGroup := strings.Cut(text, ":")
	who := account{gid: -1}
	if user == "" {
		who.known = true
	}
	number, numeric := -1, false
	if n, err := strconv.ParseInt(user, 10, 64); err == nil && n >= 0 && n <= 1<<32 {
		number, numeric = int(n), true
	}
	row := passwdRow(passwd, func(name string, _ int) bool { return name == user })
	if row == nil && numeric {
		row = passwdRow(passwd, func(_ string, uid int) bool { return uid == number })
	}
	switch {
	case row != nil:
		who = *row
	case numeric:
		who = account{uid: number, known: true} // and the group 0, as in docker
	case user == "root":
		who = account{known: true}
	}
	if n, err := strconv.Atoi(group); hasGroup && err == nil {
		who.gid = n
	} else if hasGroup {
		who.gid = -1
	}
	return who
}

// passwdRow finds the first account that is wanted.
func passwdRow(passwd []byte, wanted func(name string, uid int) bool) *account {
	for row := range bytes.Lines(passwd) {
		fields := strings.Split(strings.TrimRight(string(row), "\r\n"), ":")
		if len(fields) < 4 || fields[0] == "" {
			continue
		}
		uid, err := strconv.Atoi(fields[2])
		if err != nil || !wanted(fields[0], uid) {
			continue
		}
		gid, err := strconv.Atoi(fields[3])
		if err != nil {
			gid = -1
		}
		return &account{uid: uid, gid: gid, known: true}
	}
	return nil
}

// mayWrite says whether the account may write n. It does not know of groups
// beside its own.
func (who account) mayWrite(n *node) bool {
	switch {
	case !who.known:
		return n.mode&0o002 != 0
	case n.uid == who.uid:
		// An owner can give itself the right to write.
		return true
	case n.gid == who.gid:
		return n.mode&0o020 != 0
	}
	return n.mode&0o002 != 0
}
