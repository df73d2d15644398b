package kubernetes

import (
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
)

// idsPerPod is what a pod with a user namespace has.
const idsPerPod = 65536

// nobody is the user where nothing else is said: distroless images call it
// nonroot.
const nobody = 65532

// identity decides who runs, by number: kubelet reads no /etc/passwd before it
// decides whether a user is root.
func (x *exporter) identity() error {
	p := x.p.Process
	x.uid, x.gid = or(p.RunAsUser, nobody), or(p.RunAsGroup, nobody)
	if or(p.UserFrom, profiles.UserFromImage) == profiles.UserFromImage {
		if err := x.imageUser(); err != nil {
			return err
		}
	}
	if !x.rootAllowed() && (x.uid == 0 || x.gid == 0) {
		return x.refuse("process.runAsUser", "write process: {runAsUser: 65532, runAsGroup: 65532}", "the profile runs as root without allowing it")
	}
	if x.uid >= idsPerPod || x.gid >= idsPerPod {
		return x.refuse("process.runAsUser", "choose ids below 65536", "user %d:%d is outside the range that a pod has", x.uid, x.gid)
	}
	return nil
}

// imageUser takes the user that the image names, as a launch does.
func (x *exporter) imageUser() error {
	i := x.in.Image
	if !i.Config {
		x.lack(export.Loss{
			Setting: "process.userFrom", Value: "image", Severity: export.Different,
			Lost: "the image is not in this host's store, so the pod runs as the profile's user " + userText(x.uid, x.gid) + ", whoever the image names",
			Do:   "safe-run image pull " + i.Reference + ", and export again",
		})
		return nil
	}
	user := i.User
	if user == "" {
		user = "0" // as docker takes it
	}
	uidText, gidText, hasGroup := strings.Cut(user, ":")
	uid, err1 := strconv.ParseInt(uidText, 10, 32)
	gid, err2 := x.gid, error(nil)
	if hasGroup {
		gid, err2 = strconv.ParseInt(gidText, 10, 32)
	}
	if err1 != nil || err2 != nil || uid < 0 || gid < 0 {
		return problem.New("write USER in the image by number, or process.userFrom: profile in the profile",
			"the image runs as %q, which is no number in its files of accounts", clip(user))
	}
	if uid == 0 && !x.rootAllowed() {
		return nil // the profile's
	}
	if gid == 0 && !x.rootAllowed() {
		gid = x.gid
	}
	x.uid, x.gid = uid, gid
	return nil
}

func userText(uid, gid int64) string {
	return strconv.FormatInt(uid, 10) + ":" + strconv.FormatInt(gid, 10)
}
