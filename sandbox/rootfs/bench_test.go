package rootfs

import (
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// BenchmarkAssemble measures the same tree as one directory and in layers.
func BenchmarkAssemble(b *testing.B) {
	for _, n := range []int{0, 1, 5, 40, 200, spec.MaxLayers} {
		name := fmt.Sprintf("layers=%d", n)
		if n == 0 {
			name = "source"
		}
		b.Run(name, func(b *testing.B) { benchmark(b, n) })
	}
}

func benchmark(b *testing.B, n int) {
	needRoot(b)
	plan := spec.Rootfs{ReadOnly: true, IDMap: true}
	for _, dir := range []string{"proc", "dev", "dev/shm", "dev/mqueue", "sys", "sys/fs/cgroup", "tmp", "run", "var/tmp", "var/lib/app"} {
		plan.Dirs = append(plan.Dirs, "/"+dir)
	}
	for _, file := range []string{"hostname", "hosts", "resolv.conf"} {
		plan.Files = append(plan.Files, spec.File{Path: "/etc/" + file, Content: "x", Mode: 0o644})
	}
	plan.Layers = manyLayers(b, max(n, 1))
	if n == 0 {
		plan.Source, plan.Layers = plan.Layers[0], nil
	}
	thread, err := NewThread()
	if err != nil {
		b.Fatal(err)
	}
	defer thread.Close()
	ids := StartIDs(testIDs)
	defer ids.Close()
	if _, err := ids.namespace(); err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(b.TempDir(), "root")
	for b.Loop() {
		err := thread.Do(func() error {
			_, err := Assemble(plan, dir, ids)
			b.StopTimer()
			for _, at := range []string{"merged", "image0", ""} {
				if err == nil {
					err = unix.Unmount(filepath.Join(dir, at), 0)
				}
			}
			b.StartTimer()
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
