package copy

import (
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// noFixup is SECBIT_NO_SETUID_FIXUP (linux/securebits.h): capabilities stay
// when the user changes.
const noFixup = 1 << 2

// user is whom the kernel takes this thread for where files are made
// (setfsuid(2)): a tmpfs of a user namespace and an idmapped mount refuse files
// of owners that they have no id for, so that they cannot be given away later.
type user struct{ uid, gid uint32 }

// onThread runs f on a thread that ends with it.
func onThread(f func(*user) error) error {
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ended <- f(&user{uid: uint32(unix.Geteuid()), gid: uint32(unix.Getegid())})
	}()
	return <-ended
}

// become makes the thread another user, with the capabilities that it has.
func (u *user) become(uid, gid uint32) error {
	if u.uid == uid && u.gid == gid {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noFixup, 0, 0, 0); err != nil {
		return problem.New("run safe-run as root", "files cannot be made for others: %w", err)
	}
	// A change gives the id from before, also where it was refused; to ask for
	// none gives the one that is.
	for _, id := range []struct {
		call   func(int) (int, error)
		wanted uint32
	}{{unix.SetfsgidRetGid, gid}, {unix.SetfsuidRetUid, uid}} {
		_, _ = id.call(int(id.wanted))
		if now, err := id.call(-1); err != nil || uint32(now) != id.wanted {
			return problem.New("run safe-run as root", "files cannot be made for the owner %d:%d", uid, gid)
		}
	}
	u.uid, u.gid = uid, gid
	return nil
}
