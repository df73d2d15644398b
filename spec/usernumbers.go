package spec

import "fmt"

// UserNumbers writes the user that an image names by number, uid:gid or uid
// where no group goes with it, as a launch would find it in the image's own
// files of accounts.
func UserNumbers(user string, passwd, groups []byte) (string, error) {
	who, err := resolveUser(user, passwd, groups)
	if err != nil {
		return "", err
	}
	if !who.hasGroup {
		return fmt.Sprint(who.uid), nil
	}
	return fmt.Sprintf("%d:%d", who.uid, who.gid), nil
}
