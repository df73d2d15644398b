package vm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// diskModules are what it takes to mount the disk.
var diskModules = []string{"virtio_pci", "virtio_blk", "ext4"}

// makeInitrd writes the first root: the first program and the modules. It is not
// compressed: what unpacks it is emulated.
func (m Machine) makeInitrd(path string) error {
	paths, err := ModulePaths(m.Kernel.Modules)
	if err != nil {
		return err
	}
	builtin := builtinModules(m.Kernel.Modules)
	var wanted []string
	for _, name := range append(append([]string{}, diskModules...), m.Modules...) {
		if paths[name] != "" {
			wanted = append(wanted, name)
		}
	}
	modules, err := Order(paths, wanted, func(path string) ([]string, error) {
		needs, err := Dependencies(path)
		var loadable []string
		for _, name := range needs {
			if !builtin[name] || paths[name] != "" {
				loadable = append(loadable, name)
			}
		}
		return loadable, err
	})
	if err != nil {
		return problem.New(hintKernels, "kernel %s: %w", m.Kernel.Release, err)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	a := Archive{Out: out}
	for _, dir := range []string{"dev", "proc", "modules", "new"} {
		a.Entry(dir, ModeDir, nil)
	}
	init, err := os.ReadFile(m.Init)
	if err != nil {
		return err
	}
	a.Entry("init", ModeFile, init)
	for i, path := range modules {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		a.Entry(fmt.Sprintf("modules/%03d-%s", i, filepath.Base(path)), ModeFile, unsigned(data))
	}
	return errors.Join(a.Close(), out.Flush(), file.Close())
}

// signed is what a module with a signature ends with, after the signature and its
// length in a structure of twelve bytes (include/linux/module_signature.h).
const signed = "~Module signature appended~\n"

// unsigned is a module without its signature: to check those of sixty modules
// takes an emulated processor seconds, and the kernel takes them without one.
func unsigned(module []byte) []byte {
	body, is := bytes.CutSuffix(module, []byte(signed))
	if !is || len(body) < 12 {
		return module
	}
	length := int(binary.BigEndian.Uint32(body[len(body)-4:]))
	if rest := len(body) - 12 - length; rest > 0 {
		return body[:rest]
	}
	return module
}

// builtinModules are those that the kernel has in itself, where it says so.
func builtinModules(dir string) map[string]bool {
	names := map[string]bool{}
	data, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return names // then a module that is missing is an error
	}
	for line := range strings.Lines(string(data)) {
		name := strings.TrimSuffix(filepath.Base(strings.TrimSpace(line)), ".ko")
		names[strings.ReplaceAll(name, "-", "_")] = true
	}
	return names
}

// emptyDirs are what the disk has beside its files.
var emptyDirs = []string{"dev", "etc", "proc", "sys", "run", "tmp", "root", "var/lib", "var/tmp"}

// makeDisk makes a file system with the files: ext4, because what holds an image's
// layers must be one that can be idmapped.
func (m Machine) makeDisk(ctx context.Context, dir, path string) error {
	tree := filepath.Join(dir, "tree")
	for _, name := range emptyDirs {
		if err := os.MkdirAll(filepath.Join(tree, name), 0o755); err != nil {
			return err
		}
	}
	orders, err := m.orders()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		OrderFile: string(orders), "/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "/etc/group": "root:x:0:\n",
	} {
		if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for name, from := range m.Files {
		if err := place(filepath.Join(tree, filepath.Clean("/"+name)), from); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(tree, "tmp"), fs.ModeSticky|0o777); err != nil {
		return err
	}
	program, err := exec.LookPath("mke2fs")
	if err != nil {
		program = "/sbin/mke2fs"
	}
	cmd := exec.CommandContext(ctx, program, "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", tree, path, "2G")
	if said, err := cmd.CombinedOutput(); err != nil {
		return problem.New("apt-get install e2fsprogs", "the machine's disk cannot be made: %w: %s", err, bytes.TrimSpace(said))
	}
	return os.RemoveAll(tree)
}

// place puts a file or a directory into the tree; a link is what it leads to.
func place(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if info.IsDir() {
		// cp keeps owners, which os.CopyFS does not.
		said, err := exec.Command("cp", "-a", "-T", from, to).CombinedOutput()
		if err != nil {
			return fmt.Errorf("copy %s: %w: %s", from, err, bytes.TrimSpace(said))
		}
		return nil
	}
	// A hard link costs nothing, and works where both are on one file system; of a
	// symbolic link it would be the link itself.
	if from, err = filepath.EvalSymlinks(from); err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, info.Mode().Perm())
}
