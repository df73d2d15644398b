package spec

import (
	"bytes"
	"strconv"
	"strings"
)

// The files are the image's, so they are hostile: what is longer than this is
// not looked at, and lines that are not entries are skipped as the C library
// does.
const (
	mostAccountBytes = 1 << 20
	mostAccountLine  = 4096
	mostGroups       = 64 // of one user; the kernel takes 65,536
)

// account is a line of passwd(5).
type account struct {
	name     string
	uid, gid int64
	home     string
}

// group is a line of group(5).
type group struct {
	name    string
	gid     int64
	members []string
}

// fields calls each with the fields of every line that has at least n.
func fields(file []byte, n int, each func([]string)) {
	file = file[:min(len(file), mostAccountBytes)]
	for line := range bytes.Lines(file) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || len(line) > mostAccountLine || line[0] == '#' {
			continue
		}
		if parts := strings.Split(string(line), ":"); len(parts) >= n && parts[0] != "" {
			each(parts)
		}
	}
}

func parsePasswd(file []byte) []account {
	var out []account
	fields(file, 4, func(f []string) {
		uid, uidOK := parseID(f[2])
		gid, gidOK := parseID(f[3])
		if !uidOK || !gidOK {
			return
		}
		a := account{name: f[0], uid: uid, gid: gid}
		if len(f) > 5 {
			a.home = f[5]
		}
		out = append(out, a)
	})
	return out
}

func parseGroup(file []byte) []group {
	var out []group
	fields(file, 3, func(f []string) {
		gid, ok := parseID(f[2])
		if !ok {
			return
		}
		g := group{name: f[0], gid: gid}
		if len(f) > 3 {
			g.members = strings.Split(f[3], ",")
		}
		out = append(out, g)
	})
	return out
}

// parseID reads a decimal id of at most 32 bits, without signs and spaces.
func parseID(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return int64(n), err == nil
}
