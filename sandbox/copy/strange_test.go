package copy

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPlantedLink: a link that one copy brought to the host leads the next one
// nowhere.
func TestPlantedLink(t *testing.T) {
	away, work := plant(t, t.TempDir(), "d/"), t.TempDir()
	box := plant(t, t.TempDir(), "report -> "+away+"/planted")
	out := func() error {
		_, err := do(t.Context(), Job{From: End{Tree: inner(t, box), Path: "report"}, To: End{Tree: Host(), Path: work + "/report"}})
		return err
	}
	if err := out(); err != nil || tree(t, work) != "report -> "+away+"/planted" {
		t.Fatalf("%s, %v", tree(t, work), err)
	}
	if err := os.Remove(box + "/report"); err != nil {
		t.Fatal(err)
	}
	plant(t, box, "report=evil")
	if err := out(); err != nil || tree(t, work) != "report=evil" || tree(t, away) != "d/" {
		t.Errorf("%s and %s, %v", tree(t, work), tree(t, away), err)
	}
}

// TestLinkOnHost: a link at the end of a destination on the host is taken for
// itself, unless the directory is asked for that it leads to.
func TestLinkOnHost(t *testing.T) {
	const before = "d/ f=old l -> d lf -> f none -> new self -> self"
	for _, c := range []struct{ src, dst, want string }{ // the whole destination, or after "! " what the error says
		{"file", "l", "d/ f=old l=new lf -> f none -> new self -> self"},
		{"file", "lf", "d/ f=old l -> d lf=new none -> new self -> self"},
		{"file", "none", "d/ f=old l -> d lf -> f none=new self -> self"},
		{"file", "self", "d/ f=old l -> d lf -> f none -> new self=new"},
		{"file", "l/", "d/ d/file=new f=old l -> d lf -> f none -> new self -> self"},
		{"file", "l/.", "d/ d/file=new f=old l -> d lf -> f none -> new self -> self"},
		{"file", "d/../f", "d/ f=new l -> d lf -> f none -> new self -> self"},
		{"dir", "l/", "d/ d/dir/ d/dir/a=1 f=old l -> d lf -> f none -> new self -> self"},
		{"dir/.", "l/", "d/ d/a=1 f=old l -> d lf -> f none -> new self -> self"},
		{"dir", "l", "! l is a link, not a directory"},
		{"dir/.", "l", "! l is a link, not a directory"},
		{"dir", "none", "! none is a link, not a directory"},
		{"dir", "none/", "! none/ is a link, not a directory"},
		{"file", "none/", "! none/ is a link, not a directory"},
		{"file", "lf/", "! lf/ is a link, not a directory"},
	} {
		box := plant(t, t.TempDir(), "file=new", "dir/a=1")
		host := plant(t, t.TempDir(), "d/", "f=old", "l -> d", "lf -> f", "none -> new", "self -> self")
		_, err := do(t.Context(), Job{From: End{Tree: inner(t, box), Path: c.src}, To: End{Tree: Host(), Path: host + "/" + c.dst}})
		want, fails := strings.CutPrefix(c.want, "! ")
		if fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s to %s: %v", c.src, c.dst, err)
			}
			want = before
		} else if err != nil {
			t.Errorf("%s to %s: %v", c.src, c.dst, err)
		}
		if got := tree(t, host); got != want {
			t.Errorf("%s to %s: left %s", c.src, c.dst, got)
		}
	}
}

// TestNoSetuidOnHost: no program of a container's root becomes one of the
// host's, also where modes are kept.
func TestNoSetuidOnHost(t *testing.T) {
	box := plant(t, t.TempDir(), "d/set=", "d/sub/")
	if err := errors.Join(unix.Chmod(box+"/d/set", 0o6755), unix.Chmod(box+"/d/sub", 0o3775)); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []bool{false, true} {
		host := t.TempDir()
		if _, err := do(t.Context(), Job{From: End{Tree: inner(t, box), Path: "d"}, To: End{Tree: Host(), Path: host}, Archive: keep}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]uint32{"d/set": 0o755, "d/sub": 0o1775} {
			var st unix.Stat_t
			if err := unix.Stat(host+"/"+name, &st); err != nil || st.Mode&0o7777 != want {
				t.Errorf("%s, kept %v: mode %o, %v", name, keep, st.Mode, err)
			}
		}
	}
}

// TestReplacedSpecial: what takes the place of a link or a FIFO as it is made
// keeps owner, mode and time.
func TestReplacedSpecial(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	in := inner(t, dir)
	in.UID, in.GID = 5001, 5002
	err := errors.Join(os.WriteFile(dir+"/file", nil, 0o600), os.Symlink("file", dir+"/theirs"), unix.Mkfifo(dir+"/other", 0o600),
		unix.Mkfifo(dir+"/one", 0o600), os.Chown(dir+"/one", 5001, 5002), os.Link(dir+"/one", dir+"/two"), os.Chown(dir+"/file", 5001, 5002))
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]uint32{"file": unix.S_IFIFO, "theirs": unix.S_IFLNK, "other": unix.S_IFIFO, "two": unix.S_IFIFO, "one": unix.S_IFLNK} {
		var before, after unix.Stat_t
		if err := unix.Lstat(dir+"/"+name, &before); err != nil {
			t.Fatal(err)
		}
		m := making{writer: &writer{tree: in}, Entry: Entry{Name: name, Mode: 0o4777, Sec: 7}, parent: in.Root, base: name, uid: 5001, gid: 5003}
		if err := m.special(name, kind); err == nil || !strings.Contains(err.Error(), "was replaced while it was copied") {
			t.Errorf("%s: %v", name, err)
		}
		if err := unix.Lstat(dir+"/"+name, &after); err != nil || after.Mode != before.Mode || after.Uid != before.Uid || after.Gid != before.Gid || after.Mtim != before.Mtim {
			t.Errorf("%s was %+v and is %+v, %v", name, before, after, err)
		}
	}
}

// TestSpecialMetadata: a link and a FIFO get owner, mode and time, also where the
// directory gives another group.
func TestSpecialMetadata(t *testing.T) {
	needRoot(t)
	host, box := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Symlink("x", host+"/l"), unix.Mkfifo(host+"/p", 0o600), unix.Chmod(host+"/p", 0o666), os.Chown(box, 0, 4321), unix.Chmod(box, 0o2777)); err != nil {
		t.Fatal(err)
	}
	when := unix.Timespec{Sec: 1e9, Nsec: 12345}
	to := inner(t, box)
	to.UID, to.GID = 5001, 5002
	for name, mode := range map[string]uint32{"l": 0o777, "p": 0o666} {
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, host+"/"+name, []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			t.Fatal(err)
		}
		if _, err := do(t.Context(), Job{From: End{Tree: Host(), Path: host + "/" + name}, To: End{Tree: to, Path: name}}); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(box+"/"+name, &st); err != nil || st.Uid != 5001 || st.Gid != 5002 || st.Mode&0o7777 != mode || st.Mtim != when {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
	}
}
