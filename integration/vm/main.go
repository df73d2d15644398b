// Command vm runs the product in virtual machines with Debian 12 and its own
// kernel, for what the machine at hand may lack: cgroup version 2 without
// systemd and with it, AppArmor, and a kernel of 2022.
//
//	go run ./integration/vm [-only cgroupfs|systemd] [-accel kvm] [-keep] [-checks REGEXP] [-tests REGEXP] BIN
//
// BIN is the directory with safe-run and safe-run-image. Debian and its kernel
// are fetched once and kept in the user's cache directory. The processor is
// emulated, which works everywhere, but takes some minutes. It prints one line
// a check, and exits with 1 when one failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// guests are the machines, by what manages control groups there.
var guests = []string{"cgroupfs", "systemd"}

// patience bounds one guest from its start to its end.
const patience = 15 * time.Minute

func main() {
	only := flag.String("only", "", "run one guest: cgroupfs or systemd")
	keep := flag.Bool("keep", false, "keep consoles and results, and say where")
	accel := flag.String("accel", "tcg,thread=single", "of qemu; kvm is faster where it works")
	checks := flag.String("checks", "", "run the checks whose names match, a dot in place of each space")
	tests := flag.String("tests", "", "of the suite, run the tests that match (as go test -run)")
	flag.Parse()
	if flag.NArg() != 1 || *only != "" && !slices.Contains(guests, *only) {
		flag.Usage()
		os.Exit(2)
	}
	if runtime.GOARCH != "amd64" {
		fmt.Printf("NOT CHECKED: the machines are for amd64, this is %s\n", runtime.GOARCH)
		os.Exit(1)
	}
	wanted := guests
	if *only != "" {
		wanted = []string{*only}
	}
	if err := run(wanted, job{bin: flag.Arg(0), keep: *keep, accel: *accel, checks: *checks, tests: *tests}); err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		os.Exit(1)
	}
}

// job is what to put into the machines.
type job struct {
	bin    string
	keep   bool
	accel  string
	tests  string
	checks string
	dir    string // for this run
}

var errFailed = errors.New("not everything is in order")

func run(wanted []string, j job) (err error) {
	begun := time.Now()
	root, err := debian()
	if err != nil {
		return err
	}
	if j.dir, err = os.MkdirTemp("", "safe-run-vm"); err != nil {
		return err
	}
	if j.keep {
		fmt.Println("kept:", j.dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(j.dir)) }()
	}
	initrd := filepath.Join(j.dir, "initrd")
	if err := j.pack(root, initrd); err != nil {
		return err
	}
	fmt.Printf("%s, %s; ready after %s\n", root.name, j.accel, time.Since(begun).Round(time.Second))
	results := make([]report, len(wanted))
	var all sync.WaitGroup
	for i, name := range wanted {
		all.Go(func() {
			m := machine{name: name, root: root, initrd: initrd, dir: j.dir, accel: j.accel, arguments: "vm.checks=" + j.checks + " vm.tests=" + j.tests}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			results[i] = m.run(ctx)
		})
	}
	all.Wait()
	ok := true
	for _, r := range results {
		ok = r.print(os.Stdout) && ok
	}
	fmt.Printf("%s in all\n", time.Since(begun).Round(time.Second))
	if !ok {
		return errFailed
	}
	return nil
}
