package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The validation of the runtime specification. It is no part of this module: it
// needs an older world than the product does.
const (
	validationModule  = "github.com/opencontainers/runtime-tools"
	validationVersion = "v0.9.1-0.20250303011046-260e151b8552"
	validationSum     = "h1:CkXngT0nixZqQUPDVfwVs3GiuhfTqCMk0V+OoHpxIvA="
)

// validation is a copy of the module of runtime-tools, built: programs that
// each make containers and print what they find.
type validation struct {
	dir      string // all that is made here; kept for the next time
	programs string // the built programs; beside them runtimetest
}

// runValidation runs programs, or all of them.
func runValidation(ctx context.Context, runc, program string, files []string) error {
	t, err := newTally(validationList)
	if err != nil {
		return err
	}
	v, err := prepareValidation(ctx)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		if files, err = v.files(); err != nil {
			return err
		}
	}
	t.begin("validation of the specification")
	files = slices.DeleteFunc(files, func(file string) bool {
		why, is := t.listed[test{file, "*"}]
		if is {
			fmt.Printf("%-32s not run: %s\n", file, why)
		}
		return is
	})
	theirs, err := v.all(ctx, runc, files)
	if err != nil {
		return err
	}
	ours, err := v.all(ctx, program, files)
	if err != nil {
		return err
	}
	for _, file := range files {
		if n := t.surprises(file, theirs[file], ours[file]); n > 0 {
			// The programs give a container a second, which may be too short.
			fmt.Printf("  %d differences with runc: once more\n", n)
			if ours[file], err = v.run(ctx, program, file); err != nil {
				return err
			}
		}
		t.add(file, theirs[file], ours[file])
	}
	return t.end()
}

// prepareValidation makes what is not there yet.
func prepareValidation(ctx context.Context) (*validation, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	v := &validation{dir: filepath.Join(cache, "safe-run-conformance", "runtime-tools-"+validationVersion)}
	v.programs = filepath.Join(v.dir, "programs")
	if _, err := os.Stat(v.programs); err == nil {
		return v, nil
	}
	source, err := v.fetch(ctx)
	if err != nil {
		return nil, err
	}
	partial := v.programs + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.MkdirAll(partial, 0o755)); err != nil {
		return nil, err
	}
	for _, line := range [][]string{
		{"go", "build", "-mod=mod", "-o", partial + "/", "./validation/..."},
		{"go", "build", "-mod=mod", "-tags", "netgo osusergo", "-ldflags", "-extldflags -static", "-o", partial + "/", "./cmd/runtimetest"},
	} {
		if _, err := output(ctx, source, line[0], line[1:]...); err != nil {
			return nil, err
		}
	}
	// Not every container's root may make directories there.
	archive := filepath.Join(partial, "rootfs-"+runtime.GOARCH+".tar.gz")
	if err := busyboxArchive(ctx, filepath.Join(v.dir, "rootfs"), archive, "proc", "sys"); err != nil {
		return nil, err
	}
	return v, os.Rename(partial, v.programs)
}

// fetch gives a copy of the module that can be written to.
func (v *validation) fetch(ctx context.Context) (string, error) {
	to := filepath.Join(v.dir, "source")
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	if err := os.MkdirAll(v.dir, 0o755); err != nil {
		return "", err
	}
	text, err := output(ctx, v.dir, "go", "mod", "download", "-json", validationModule+"@"+validationVersion)
	if err != nil {
		return "", err
	}
	var found struct{ Dir, Sum string }
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		return "", err
	}
	if found.Sum != validationSum {
		return "", fmt.Errorf("%s has the sum %s, not %s", validationModule, found.Sum, validationSum)
	}
	partial := to + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if err := copyModule(found.Dir, partial); err != nil {
		return "", err
	}
	// Half a vendor directory is in the module, which would be believed.
	return to, errors.Join(os.RemoveAll(filepath.Join(partial, "vendor")), os.Rename(partial, to))
}

// files lists the programs.
func (v *validation) files() ([]string, error) {
	entries, err := os.ReadDir(v.programs)
	var out []string
	for _, e := range entries {
		if e.Name() != "runtimetest" && filepath.Ext(e.Name()) == "" {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// alone says whether a program must not run beside others: all that look at
// control groups use the same ones.
func alone(file string) bool {
	return strings.HasPrefix(file, "linux_cgroups_") || file == "delete_only_create_resources"
}

// all runs programs with one runtime, some side by side: most of their time they
// sleep.
func (v *validation) all(ctx context.Context, runtime string, files []string) (map[string]results, error) {
	var mu sync.Mutex
	var failed []error
	out := map[string]results{}
	one := func(file string) {
		r, err := v.run(ctx, runtime, file)
		mu.Lock()
		defer mu.Unlock()
		out[file], failed = r, append(failed, err)
	}
	var group sync.WaitGroup
	places := make(chan struct{}, 3)
	for _, file := range files {
		if alone(file) {
			continue
		}
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			one(file)
		})
	}
	group.Wait()
	for _, file := range slices.DeleteFunc(slices.Clone(files), func(f string) bool { return !alone(f) }) {
		one(file)
	}
	return out, errors.Join(failed...)
}

// run runs one program.
func (v *validation) run(ctx context.Context, runtime, file string) (results, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(v.programs, file))
	cmd.Dir = v.programs
	cmd.Env = append(os.Environ(), "RUNTIME="+runtime)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	found := parseValidation(out.String())
	found[theEnd] = passed
	// Some have no test, and say what is wrong nevertheless.
	if err != nil || out.Len() == 0 || len(found) == 1 && strings.Contains(out.String(), `"error": "`) {
		found[theEnd] = failed
	}
	log := filepath.Join(v.dir, filepath.Base(runtime)+"-"+file+".tap")
	return found, os.WriteFile(log, out.Bytes(), 0o644)
}

// theEnd is one test more of each program: that it ends well.
const theEnd = "(exit code)"

var (
	validationLine = regexp.MustCompile(`^(ok|not ok) \d+(?: -)?(?: (.*?))?(?: ?# (SKIP.*))?$`)
	changing       = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(/tmp/)?ocitest[0-9]+`)
)

// parseValidation reads lines of the Test Anything Protocol. What names a test
// is its text, without what differs from run to run; of several with the same
// text the later ones have numbers.
func parseValidation(text string) results {
	out, times := results{}, map[string]int{}
	for line := range strings.Lines(text) {
		m := validationLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		name := changing.ReplaceAllString(strings.TrimSpace(m[2]), "*")
		if name == "" {
			name = "(no name)"
		}
		if times[name]++; times[name] > 1 {
			name = fmt.Sprintf("%s (%d)", name, times[name])
		}
		switch {
		case m[3] != "":
			out[name] = skipped
		case m[1] == "ok":
			out[name] = passed
		default:
			out[name] = failed
		}
	}
	return out
}
