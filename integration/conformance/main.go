// Command conformance runs the tests of others against safe-run-oci and against
// runc, and prints both counts: those that runc has of its own command line, from
// runc's module, and the validation of the runtime specification, from
// runtime-tools'. Runc is built from that same module.
//
//	go run ./integration/conformance bin/safe-run-oci [file.bats ... program ...]
//
// A test that runc passes and safe-run-oci does not fails the run, unless it is
// in bats.txt or validation.txt with a reason. One that is there and passes fails
// it too: the lists can only shrink.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./integration/conformance PATH/safe-run-oci [file.bats ... program ...]")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program string, wanted []string) error {
	s, err := prepare(ctx)
	if err != nil {
		return err
	}
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	var files, programs []string
	for _, name := range wanted {
		if strings.HasSuffix(name, ".bats") {
			files = append(files, name)
		} else {
			programs = append(programs, name)
		}
	}
	var errs [2]error
	if len(wanted) == 0 || len(programs) > 0 {
		errs[0] = runValidation(ctx, s.runc, program, programs)
	}
	if len(wanted) == 0 || len(files) > 0 {
		errs[1] = s.run(ctx, program, files)
	}
	return errors.Join(errs[:]...)
}

// run runs runc's own tests.
func (s *suite) run(ctx context.Context, program string, files []string) error {
	t, err := newTally(batsList)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		if files, err = s.files(); err != nil {
			return err
		}
	}
	runtimes := []string{s.runc, program}
	t.begin("runc's tests of its command line")
	for _, file := range files {
		if why, all := t.listed[test{file, "*"}]; all {
			fmt.Printf("%-32s not run: %s\n", file, why)
			continue
		}
		var results []results
		for _, runtime := range runtimes {
			r, err := s.bats(ctx, runtime, file)
			if err != nil {
				return fmt.Errorf("%s with %s: %w", file, runtime, err)
			}
			results = append(results, r)
		}
		if n := t.surprises(file, results[0], results[1]); n > 0 {
			// What a test starts beside itself may be late on a busy machine, which
			// looks like a fault.
			fmt.Printf("  %d differences with runc: once more\n", n)
			if results[1], err = s.bats(ctx, program, file); err != nil {
				return fmt.Errorf("%s with %s: %w", file, program, err)
			}
		}
		t.add(file, results[0], results[1])
	}
	return t.end()
}
