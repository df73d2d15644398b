package copy

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED without root: owners of copies")
	}
}

// inner is a directory as if it were a container's root.
func inner(t testing.TB, dir string) *Tree {
	t.Helper()
	root, err := opened(unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Tree{Container: "box", Root: root, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// plant makes files below dir: a name that ends in a slash is a directory,
// "name -> target" a link, and others hold their content.
func plant(t testing.TB, dir string, files ...string) string {
	t.Helper()
	for _, file := range files {
		name, target, link := strings.Cut(file, " -> ")
		name, content, _ := strings.Cut(name, "=")
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case link:
			err = errors.Join(err, os.Symlink(target, path))
		case strings.HasSuffix(name, "/"):
			err = errors.Join(err, os.MkdirAll(path, 0o755))
		default:
			err = errors.Join(err, os.WriteFile(path, []byte(content), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tree is what is below dir: "name=content", "name/", "name -> target".
func tree(t testing.TB, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		switch {
		case err != nil || name == ".":
			return err
		case d.IsDir():
			all = append(all, name+"/")
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			all = append(all, name+" -> "+target)
			return err
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			all = append(all, name+"="+string(data))
			return err
		default:
			all = append(all, name+"?"+d.Type().String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// do runs a job, and gives what was left out.
func do(ctx context.Context, j Job) (left []string, err error) {
	j.Progress, j.LeftOut = func(int64) {}, func(what string) { left = append(left, what) }
	return left, j.Run(ctx)
}

// TestPlaces: where things go is what docker documents of docker cp.
func TestPlaces(t *testing.T) {
	from := []string{"file=new", "dir/a=1", "dir/sub/b=2", "link -> file", "dirlink -> dir", "nowhere -> none"}
	for _, c := range []struct {
		src    string
		follow bool
		there  string // what is at the destination, separated by spaces
		dst    string
		want   string // the whole destination, or after "! " what the error says
	}{
		{src: "file", dst: "x", want: "x=new"},
		{src: "/file", dst: "/x", want: "x=new"},
		{src: "file", dst: "x/", want: "! the directory x/ does not exist"},
		{src: "file", dst: "no/x", want: "! the directory /no/ does not exist"},
		{src: "file", there: "x=old", dst: "x", want: "x=new"},
		{src: "file", there: "x=old", dst: "x/", want: "! x/ is a file, not a directory"},
		{src: "file", there: "x/", dst: "x", want: "x/ x/file=new"},
		{src: "file", there: "x/", dst: "x/", want: "x/ x/file=new"},
		{src: "file", there: "x/ y|->|x", dst: "y", want: "x/ x/file=new y -> x"},
		{src: "file", there: "x=old y|->|x", dst: "y", want: "x=new y -> x"},
		{src: "file", there: "y|->|x", dst: "y", want: "x=new y -> x"},
		{src: "file", there: "d/ d/y|->|../x", dst: "d/y", want: "d/ d/y -> ../x x=new"},
		{src: "file", there: "y|->|y", dst: "y", want: "! too many levels of symbolic links"},
		{src: "file", there: "x/file/", dst: "x", want: "! a directory of that name is there"},
		{src: "file/", dst: "x", want: "! not a directory"},
		{src: "none", dst: "x", want: "! box:none: no such file or directory"},
		{src: "dir", dst: "x", want: "x/ x/a=1 x/sub/ x/sub/b=2"},
		{src: "dir/", dst: "x/", want: "x/ x/a=1 x/sub/ x/sub/b=2"},
		{src: "dir/.", dst: "x", want: "x/ x/a=1 x/sub/ x/sub/b=2"},
		{src: "dir", there: "x=old", dst: "x", want: "! x is a file, and dir a directory"},
		{src: "dir", there: "x/", dst: "x", want: "x/ x/dir/ x/dir/a=1 x/dir/sub/ x/dir/sub/b=2"},
		{src: "dir/.", there: "x/", dst: "x", want: "x/ x/a=1 x/sub/ x/sub/b=2"},
		{src: "dir/.", there: "x/old=o x/a=o", dst: "x", want: "x/ x/a=1 x/old=o x/sub/ x/sub/b=2"},
		{src: "dir/.", there: "x/a/", dst: "x", want: "! a directory of that name is there"},
		{src: "dir/.", there: "x/sub=o", dst: "x", want: "! /x/sub is a directory, and something else of that name is there"},
		{src: "dir/.", there: "x/ y/ x/sub|->|../y", dst: "x", want: "! something else of that name is there"},
		{src: "link", dst: "x", want: "x -> file"},
		{src: "link", follow: true, dst: "x", want: "x=new"},
		{src: "link", follow: true, there: "x/", dst: "x", want: "x/ x/link=new"},
		{src: "nowhere", dst: "x", want: "x -> none"},
		{src: "nowhere", follow: true, dst: "x", want: "! no such file"},
		{src: "dirlink", dst: "x", want: "x -> dir"},
		{src: "dirlink/.", dst: "x", want: "x/ x/a=1 x/sub/ x/sub/b=2"},
		{src: "dirlink", follow: true, there: "x/", dst: "x", want: "x/ x/dirlink/ x/dirlink/a=1 x/dirlink/sub/ x/dirlink/sub/b=2"},
		{src: "../../file", dst: "../x", want: "x=new"},
	} {
		box, host := inner(t, plant(t, t.TempDir(), from...)), t.TempDir()
		for _, file := range strings.Fields(c.there) {
			plant(t, host, strings.ReplaceAll(file, "|", " "))
		}
		_, err := do(t.Context(), Job{From: End{Tree: box, Path: c.src}, To: End{Tree: inner(t, host), Path: c.dst}, Follow: c.follow})
		if want, fails := strings.CutPrefix(c.want, "! "); fails {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if got := tree(t, host); err != nil || got != c.want {
			t.Errorf("%+v: %v\n%s", c, err, got)
		}
	}
}

// TestLinksEndAtTheRoot: whatever links lead to, it is in the container.
func TestLinksEndAtTheRoot(t *testing.T) {
	outside := plant(t, t.TempDir(), "secret=s")
	for path, want := range map[string]string{"up": "inner", "abs": "inner", "out": "", "dir/secret": ""} {
		host := t.TempDir()
		box := plant(t, t.TempDir(), "etc/passwd=inner", "up -> ../../../../../../etc/passwd", "abs -> /etc/passwd", "out -> "+outside+"/secret", "dir -> "+outside)
		_, err := do(t.Context(), Job{From: End{Tree: inner(t, box), Path: path}, To: End{Tree: Host(), Path: host + "/x"}, Follow: true})
		if got, _ := os.ReadFile(host + "/x"); string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", path, got, err)
		}
		_, err = do(t.Context(), Job{From: End{Tree: Host(), Path: plant(t, host, "in=in") + "/in"}, To: End{Tree: inner(t, box), Path: path}})
		if want == "" && err == nil {
			t.Errorf("written to %s", path)
		}
	}
	if got := tree(t, outside); got != "secret=s" {
		t.Errorf("outside is now %s", got)
	}
}

// TestIntoItself: a directory that both sides see is not copied without end.
func TestIntoItself(t *testing.T) {
	for _, c := range [][2]string{{"d", "d"}, {"d", "d/sub"}, {"d/.", "d/sub"}, {"d", "d/new"}, {"d", "d/sub/new"}, {".", "d/sub"}} {
		dir := plant(t, t.TempDir(), "d/a=1", "d/sub/")
		_, err := do(t.Context(), Job{From: End{Tree: Host(), Path: dir + "/" + c[0]}, To: End{Tree: inner(t, dir), Path: c[1]}})
		if err == nil || !strings.Contains(err.Error(), "copied into itself") {
			t.Errorf("%s into %s: %v", c[0], c[1], err)
		}
	}
}

// TestMetadata: modes, times and hard links are kept; owners and setuid when
// they are asked for, in the numbers of the container.
func TestMetadata(t *testing.T) {
	needRoot(t)
	host, box := plant(t, t.TempDir(), "d/a=1", "d/b/c=2"), t.TempDir()
	when := unix.Timespec{Sec: 1e9, Nsec: 12345}
	err := errors.Join(
		os.Link(host+"/d/a", host+"/d/b/a"), unix.Lchown(host+"/d/a", 7, 8), os.Symlink("a", host+"/d/l"), unix.Lchown(host+"/d/l", 7, 8),
		unix.Chmod(host+"/d/a", 0o6751), unix.Chmod(host+"/d/b", 0o1700),
	)
	for _, name := range []string{"a", "l", "b", ""} {
		err = errors.Join(err, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(host, "d", name), []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW))
	}
	if err != nil {
		t.Fatal(err)
	}
	to := inner(t, box)
	to.UID, to.GID = 5001, 5002
	to.IDs = IDs{Users: []Mapping{{0, 5000, 100}}, Groups: []Mapping{{0, 6000, 100}}}
	for _, keep := range []bool{false, true} {
		name := map[bool]string{false: "plain", true: "kept"}[keep]
		if _, err := do(t.Context(), Job{From: End{Tree: Host(), Path: host + "/d"}, To: End{Tree: to, Path: name}, Archive: keep}); err != nil {
			t.Fatal(err)
		}
		want := map[string][4]int64{"a": {5007, 6008, 0o6751, 1e9}, "l": {5007, 6008, 0o777, 1e9}, "b": {5000, 6000, 0o1700, 1e9}, "": {5000, 6000, 0o755, 1e9}}
		if !keep {
			want = map[string][4]int64{"a": {5001, 5002, 0o751, 1e9}, "l": {5001, 5002, 0o777, 1e9}, "b": {5001, 5002, 0o1700, 1e9}, "": {5001, 5002, 0o755, 1e9}}
		}
		for file, w := range want {
			var st unix.Stat_t
			err := unix.Lstat(filepath.Join(box, name, file), &st)
			if got := [4]int64{int64(st.Uid), int64(st.Gid), int64(st.Mode & 0o7777), st.Mtim.Sec}; err != nil || got != w || st.Mtim.Nsec != 12345 {
				t.Errorf("%s/%s: %v %v, want %v", name, file, got, err, w)
			}
		}
		a, _ := os.Stat(filepath.Join(box, name, "a"))
		again, _ := os.Stat(filepath.Join(box, name, "b/a"))
		if !os.SameFile(a, again) {
			t.Errorf("%s: a hard link became a file of its own", name)
		}
	}
	// And back: 5007:6008 is 7:8 inside.
	back := t.TempDir()
	if _, err := do(t.Context(), Job{From: End{Tree: to, Path: "kept"}, To: End{Tree: Host(), Path: back}, Archive: true}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(back + "/kept/a"); err != nil || info.Sys().(*syscall.Stat_t).Uid != 7 || info.Sys().(*syscall.Stat_t).Gid != 8 {
		t.Errorf("back: %+v %v", info, err)
	}
	for _, c := range []struct {
		id   int
		from End
		to   End
	}{
		{4242, End{Tree: Host(), Path: host + "/d/b/c"}, End{Tree: to, Path: "x"}},
		{4242, End{Tree: to, Path: "stray"}, End{Tree: Host(), Path: back + "/x"}},
	} {
		plant(t, box, "stray=")
		if err := errors.Join(os.Chown(host+"/d/b/c", c.id, 0), os.Chown(box+"/stray", c.id, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := do(t.Context(), Job{From: c.from, To: c.to, Archive: true}); err == nil || !strings.Contains(err.Error(), "4242:0") || problem.HintOf(err) == "" {
			t.Errorf("an owner without a number: %v", err)
		}
	}
}
