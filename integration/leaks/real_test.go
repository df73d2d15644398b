package leaks

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// realThings make one thing of a kind that is removed at the end of the test.
var realThings = map[string]func(*testing.T){
	"network link": func(t *testing.T) {
		link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "leakstest0"}}
		must(t, netlink.LinkAdd(link))
		t.Cleanup(func() { must(t, netlink.LinkDel(link)) })
	},
	"nftables": func(t *testing.T) {
		conn, err := nftables.New()
		must(t, err)
		table := conn.AddTable(&nftables.Table{Name: "leakstest", Family: nftables.TableFamilyIPv4})
		must(t, conn.Flush())
		t.Cleanup(func() {
			conn.DelTable(table)
			must(t, conn.Flush())
		})
	},
	"mount": func(t *testing.T) {
		dir := t.TempDir()
		must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"))
		t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	},
	"cgroup": func(t *testing.T) {
		roots, err := filepath.Glob("/sys/fs/cgroup/pids")
		must(t, err)
		dir := "/sys/fs/cgroup/" + mark + "-leakstest" // version 2
		if len(roots) > 0 {
			dir = filepath.Join(roots[0], mark+"-leakstest")
		}
		must(t, os.Mkdir(dir, 0o755))
		t.Cleanup(func() { must(t, os.Remove(dir)) })
	},
	"process": func(t *testing.T) {
		sleep, err := exec.LookPath("sleep")
		must(t, err)
		program := filepath.Join(t.TempDir(), mark+"-leakstest")
		data, err := os.ReadFile(sleep)
		must(t, err)
		must(t, os.WriteFile(program, data, 0o755))
		cmd := exec.Command(program, "60")
		must(t, cmd.Start())
		t.Cleanup(func() {
			must(t, cmd.Process.Kill())
			cmd.Wait()
		})
	},
	"record": func(t *testing.T) {
		dir := filepath.Join("/run", mark, "leakstest")
		must(t, os.MkdirAll(dir, 0o700))
		t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
		must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
