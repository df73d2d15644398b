package vm

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// ModulePaths finds every module below dir by its name. Names have '_' where
// files may have '-' (modprobe(8)).
func ModulePaths(dir string) (map[string]string, error) {
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if name, is := strings.CutSuffix(filepath.Base(path), ".ko"); is {
			found[strings.ReplaceAll(name, "-", "_")] = path
		}
		return err
	})
	return found, err
}

// Order gives the files of the named modules and of all that they depend on, in
// the order to load them. needs gives what one file depends on.
func Order(paths map[string]string, names []string, needs func(path string) ([]string, error)) ([]string, error) {
	var out []string
	done := map[string]bool{}
	var visit func(name string) error
	visit = func(name string) error {
		if done[name] {
			return nil
		}
		done[name] = true
		path, known := paths[name]
		if !known {
			return fmt.Errorf("the kernel has no module %s", name)
		}
		below, err := needs(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, other := range below {
			if err := visit(other); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		out = append(out, path)
		return nil
	}
	for _, name := range names {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Dependencies reads what a module says of itself: NUL-terminated strings
// KEY=VALUE in its section .modinfo.
func Dependencies(path string) ([]string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	section := file.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no section .modinfo")
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	var needs []string
	for _, field := range bytes.Split(data, []byte{0}) {
		if list, is := strings.CutPrefix(string(field), "depends="); is && list != "" {
			needs = append(needs, strings.Split(strings.ReplaceAll(list, "-", "_"), ",")...)
		}
	}
	return needs, nil
}
