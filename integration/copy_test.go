package integration

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// described is every file below dir: its name, mode, owner, time, and what it
// holds or leads to. Times of links are left out.
func described(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		st := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%s %v %d:%d", name, info.Mode(), st.Uid, st.Gid)
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			line += fmt.Sprintf(" %d links, %d, %q", st.Nlink, info.ModTime().Unix(), data)
			all = append(all, line)
			return err
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			all = append(all, line+" "+target)
			return err
		}
		all = append(all, line+fmt.Sprintf(" %d", info.ModTime().Unix()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// plantTree makes a tree with all that a copy keeps.
func plantTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	long := time.Unix(1e9, 0)
	err := errors.Join(
		os.MkdirAll(dir+"/a/b", 0o755), os.Mkdir(dir+"/empty", 0o755), os.WriteFile(dir+"/a/f", []byte("text"), 0o644),
		os.Link(dir+"/a/f", dir+"/a/b/same"), os.Symlink("../a/f", dir+"/a/link"), os.Symlink("/etc/passwd", dir+"/away"),
		os.WriteFile(dir+"/a/b/set", nil, 0o644), os.WriteFile(dir+"/odd \n\xff", []byte{0, 1}, 0o600),
		os.Lchown(dir+"/a/f", 7, 8), os.Lchown(dir+"/a/b", 1000, 1001), os.Lchown(dir+"/away", 9, 9), os.Lchown(dir+"/a/b/set", 5, 0),
		os.Chmod(dir+"/a/f", 0o640), os.Chmod(dir+"/a/b/set", 0o755|fs.ModeSetuid), os.Chmod(dir+"/empty", 0o777|fs.ModeSticky),
	)
	for _, name := range []string{"a/f", "a/b/set", "a/b", "empty", "a", ""} {
		err = errors.Join(err, os.Chtimes(filepath.Join(dir, name), long, long))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCopyRoundTrip: in and out again, as files and as an archive, a tree is
// what it was, without setuid bits on the host; inside it has the same numbers; and without -a it belongs to
// whoever uses it.
func TestCopyRoundTrip(t *testing.T) {
	y := newYard(t)
	y.detach(t, []string{"--name", "copies"}, "sleep", "1000")
	tree, out := plantTree(t), t.TempDir()
	want := described(t, tree)
	y.must(t, "cp", "-a", tree, "copies:/tmp")
	y.must(t, "cp", "-a", "copies:/tmp/tree", out)
	// All of it but what would be a program of the host's root.
	want = strings.Replace(want, "a/b/set urwxr-xr-x", "a/b/set -rwxr-xr-x", 1)
	if got := described(t, out+"/tree"); got != want {
		t.Errorf("what came back:\n%s\nwant\n%s", got, want)
	}
	if got := y.must(t, "exec", "copies", "busybox", "stat", "-c", "%a %u:%g %Y", "/tmp/tree/a/f", "/tmp/tree/a/b", "/tmp/tree/a/b/set"); got != "640 7:8 1000000000\n755 1000:1001 1000000000\n4755 5:0 1000000000" {
		t.Errorf("inside:\n%s", got)
	}
	// The same through archives.
	archive := y.run(t, "cp", "-a", "copies:/tmp/tree", "-")
	if archive.code != 0 {
		t.Fatal(archive.err)
	}
	back := y.launch(t, "cp", "-a", "-", "copies:/tmp/tree/empty")
	back.Stdin = strings.NewReader(archive.out)
	if got := finish(t, back); got.code != 0 {
		t.Fatal(got.err)
	}
	if got := y.must(t, "exec", "copies", "busybox", "stat", "-c", "%a", "/tmp/tree/empty/tree/a/b/set"); got != "4755" {
		t.Errorf("inside, through an archive: mode %s", got)
	}
	y.must(t, "cp", "-a", "copies:/tmp/tree/empty/tree", out+"/again")
	if got := described(t, out+"/again"); got != want {
		t.Errorf("through an archive:\n%s\nwant\n%s", got, want)
	}
	// Without -a.
	if got := y.run(t, "cp", tree+"/.", "copies:/tmp/mine"); got.code != 0 || !strings.Contains(got.err, "Successfully copied 6B to copies:/tmp/mine") {
		t.Errorf("exit code %d\n%s", got.code, got.err)
	}
	me := y.must(t, "exec", "copies", "busybox", "id", "-u")
	if got := y.must(t, "exec", "copies", "busybox", "stat", "-c", "%a %u", "/tmp/mine", "/tmp/mine/a/f", "/tmp/mine/a/b/set", "/tmp/mine/away"); got != fmt.Sprintf("755 %[1]s\n640 %[1]s\n755 %[1]s\n777 %[1]s", me) {
		t.Errorf("inside, without -a:\n%s", got)
	}
	if got := y.run(t, "cp", "-q", "copies:/tmp/tree/a/b/set", out+"/set"); got.code != 0 || got.err != "" || got.out != "" {
		t.Errorf("exit code %d, %s%s", got.code, got.out, got.err)
	}
	if info, err := os.Stat(out + "/set"); err != nil || info.Mode() != 0o755 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		t.Errorf("on the host: %+v %v", info, err)
	}
	if err := os.Chown(tree+"/a/f", 3_000_000, 0); err != nil {
		t.Fatal(err)
	}
	if got := y.run(t, "cp", "-a", tree, "copies:/tmp/none"); got.code != 1 || !strings.Contains(got.err, "3000000:0") || !strings.Contains(got.err, "hint: leave out -a") {
		t.Errorf("an owner that the container has not: exit code %d\n%s", got.code, got.err)
	}
}

// TestCopyMounts: what the container's processes see is what is written to, or
// not; also while they are paused.
func TestCopyMounts(t *testing.T) {
	y := newYard(t)
	shared, kept := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Chown(shared, 1234, 1234), os.WriteFile(kept+"/k", []byte("kept"), 0o644)); err != nil {
		t.Fatal(err)
	}
	y.detach(t, []string{"--name", "mounts", "-v", shared + ":/data:rw", "-v", kept + ":/kept:ro"}, "sleep", "1000")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	y.must(t, "pause", "mounts")
	y.must(t, "cp", file, "mounts:/data/sub/../in")
	y.must(t, "cp", "mounts:/kept/k", file+".k")
	y.must(t, "unpause", "mounts")
	info, err := os.Stat(shared + "/in")
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 1234 {
		t.Errorf("on the volume: %+v, %v", info, err)
	}
	if data, err := os.ReadFile(file + ".k"); err != nil || string(data) != "kept" {
		t.Errorf("%q, %v", data, err)
	}
	for target, says := range map[string]string{
		"/kept/x":        "/kept is mounted read-only in mounts: read-only file system\nhint: start it with -v HOST:/kept:rw",
		"/etc/x":         "/ is mounted read-only in mounts: read-only file system\nhint: start it with --read-only=false, or rootfs.readOnly: false in the profile",
		"/none/x":        "the directory /none/ does not exist",
		"/data/":         "",
		"/proc/sys/x":    "write /proc/sys/x: ",
		"/dev/null":      "neither a file nor a directory",
		"/etc/hosts/no/": "hint: ",
	} {
		got := y.run(t, "cp", file, "mounts:"+target)
		if (got.code == 0) != (says == "") || !strings.Contains(got.err, says) {
			t.Errorf("to %s: exit code %d\n%s", target, got.code, got.err)
		}
	}
	for source, says := range map[string]string{
		"mounts:/proc/1/environ": "is made by the kernel", "mounts:/sys": "is made by the kernel", "mounts:/none": "no such file",
		"nobody-here:/etc": `no container "nobody-here"`, "mounts:/etc/hosts/": "not a directory",
	} {
		if got := y.run(t, "cp", source, t.TempDir()); got.code != 1 || !strings.Contains(got.err, says) {
			t.Errorf("%s: exit code %d\n%s", source, got.code, got.err)
		}
	}
	y.must(t, "stop", "-t", "1", "mounts")
	if got := y.run(t, "cp", "mounts:/etc/hosts", file); got.code != 1 || !strings.Contains(got.err, "mounts does not run") || !strings.Contains(got.err, "safe-run start mounts") {
		t.Errorf("of one that has ended: exit code %d\n%s", got.code, got.err)
	}
}

// TestCopyNeverWaits: not for a FIFO of the container, and not for the end of an
// archive that has none once it is told to stop.
func TestCopyNeverWaits(t *testing.T) {
	y := newYard(t)
	y.detach(t, []string{"--name", "waits"}, "sh", "-c", "busybox mkdir /tmp/d; echo x > /tmp/d/x; echo ready; exec sleep 1000")
	y.logged(t, "waits", "ready")
	host := t.TempDir()
	if err := syscall.Mkfifo(host+"/p", 0o644); err != nil {
		t.Fatal(err)
	}
	y.must(t, "cp", host+"/p", "waits:/tmp/fifo")
	y.must(t, "cp", host+"/p", "waits:/tmp/d")
	if got := y.run(t, "cp", "waits:/tmp/d", host); got.code != 1 || !strings.Contains(got.err, "d/p is a FIFO and was left out") {
		t.Errorf("exit code %d\n%s", got.code, got.err)
	}
	if data, err := os.ReadFile(host + "/d/x"); err != nil || string(data) != "x\n" {
		t.Errorf("%q, %v", data, err)
	}
	if got := y.run(t, "cp", host+"/d/x", "waits:/tmp/fifo"); got.code != 1 || !strings.Contains(got.err, "neither a file nor a directory") {
		t.Errorf("exit code %d\n%s", got.code, got.err)
	}
	// In an archive it is what it was.
	got := y.run(t, "cp", "waits:/tmp/d", "-")
	archive, fifo := tar.NewReader(strings.NewReader(got.out)), false
	for h, err := archive.Next(); ; h, err = archive.Next() {
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		fifo = fifo || h.Typeflag == tar.TypeFifo && h.Name == "d/p"
	}
	if !fifo {
		t.Errorf("no FIFO in the archive\n%s", got.err)
	}

	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "half", Size: 1 << 40, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	cmd := y.launch(t, "cp", "-", "waits:/tmp/d")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(append(head.Bytes(), make([]byte, 2<<20)...)); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		return strings.Contains(y.must(t, "exec", "waits", "busybox", "ls", "-a", "/tmp/d"), ".safe-run-copy-")
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 128+int(syscall.SIGINT) {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
	if got := y.must(t, "exec", "waits", "busybox", "ls", "-A", "/tmp/d"); got != "p\nx" {
		t.Errorf("left in the container: %s", got)
	}
}

// logged waits until a container has written a text.
func (y *yard) logged(t *testing.T, container, text string) {
	t.Helper()
	until(t, func() bool { return strings.Contains(y.must(t, "logs", container), text) })
}

// until waits for a condition, for as long as a loaded machine may take.
func until(t *testing.T, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !met(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited for 30 seconds in vain")
		}
	}
}
