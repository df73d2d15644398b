package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is where the tests come from.
const module = "github.com/opencontainers/runc"

// suite is a copy of runc's module, built, with the images that its tests need.
type suite struct {
	dir   string // all that is made here; kept for the next time
	runc  string // runc, built from the module
	tests string // its tests/integration
}

// prepare makes what is not there yet.
func prepare(ctx context.Context) (*suite, error) {
	source, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", module)
	if err != nil {
		return nil, err
	}
	dir, version, _ := strings.Cut(source, " ")
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	s := &suite{dir: filepath.Join(cache, "safe-run-conformance", version)}
	s.runc, s.tests = filepath.Join(s.dir, "runc"), filepath.Join(s.dir, "source", "tests", "integration")
	for _, step := range []func(context.Context, string) error{s.copy, s.build, s.images} {
		if err := step(ctx, dir); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// copy makes a copy of the module, where the tests and what they call can be
// executed.
func (s *suite) copy(ctx context.Context, module string) error {
	to := filepath.Join(s.dir, "source")
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	partial := to + ".partial"
	if err := errors.Join(os.RemoveAll(partial), copyModule(module, partial)); err != nil {
		return err
	}
	return os.Rename(partial, to)
}

// copyModule copies a module out of the cache, where nothing can be written and
// nothing executed.
func copyModule(from, to string) error {
	if err := errors.Join(os.MkdirAll(to, 0o755), os.CopyFS(to, os.DirFS(from))); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if d.IsDir() || slices.Contains([]string{".sh", ".bash", ".bats"}, filepath.Ext(path)) {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
}

// build builds runc, and the programs that its tests use.
func (s *suite) build(ctx context.Context, _ string) error {
	source := filepath.Join(s.dir, "source")
	if _, err := os.Stat(s.runc); err == nil {
		return nil
	}
	programs, err := filepath.Glob(filepath.Join(source, "tests", "cmd", "*", "*.go"))
	if err != nil {
		return err
	}
	for _, file := range programs {
		name := filepath.Base(filepath.Dir(file))
		_, err := output(ctx, source, "go", "build", "-tags", "seccomp", "-o", filepath.Join("tests", "cmd", "_bin", name), "./tests/cmd/"+name)
		if err != nil {
			return err
		}
	}
	// Last, because its being there says that all is.
	_, err = output(ctx, source, "go", "build", "-tags", "seccomp", "-ldflags", "-X main.gitCommit=module", "-o", s.runc, ".")
	return err
}

// files lists the tests, without those of systemd and others that say so
// themselves.
func (s *suite) files() ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(s.tests, "*.bats"))
	var out []string
	for _, path := range paths {
		out = append(out, filepath.Base(path))
	}
	return out, err
}

// output runs a command and gives what it prints, without the last newline.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, failed.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
