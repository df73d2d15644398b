// Command soak holds the product to what it promises of many containers and of
// many starts: 1,000 detached ones at a time, started at the rate of the
// foreground, listed in a tenth of a second and each with a small supervisor; and
// 10,000 cycles of start and stop, after which nothing is left.
//
//	go run ./integration/soak [--containers 1000] [--cycles 10000] BIN
//
// BIN is the directory with safe-run. It needs root and has a ledger of its own.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/safe-run/safe-run/integration/leaks"
)

// atOnce is how many starts go on at the same time.
const atOnce = 8

func main() {
	containers := flag.Int("containers", 1000, "how many run at the same time")
	cycles := flag.Int("cycles", 10000, "how often one is started and stopped")
	flag.Parse()
	if flag.NArg() != 1 || *containers < 1 || *cycles < 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := soak(flag.Arg(0), *containers, *cycles); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func soak(bin string, containers, cycles int) (err error) {
	if os.Getuid() != 0 {
		return errors.New("run it as root")
	}
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := newProduct(bin, dir)
	if err != nil {
		return err
	}
	// The first start makes directories that stay.
	if err := p.run("run", "--rm", p.image, "true"); err != nil {
		return err
	}
	before, spaces := leaks.Take(), namespaces()
	errs := []error{p.many(containers)}
	errs = append(errs, p.cycle(cycles))
	errs = append(errs, p.left(before, spaces))
	return errors.Join(errs...)
}

// left looks for what is left after everything.
func (p *product) left(before leaks.State, spaces int) error {
	var errs []error
	for _, line := range before.Settled(6 * leaks.Patience) {
		errs = append(errs, errors.New(line))
	}
	files, err := os.ReadDir(p.ledger)
	errs = append(errs, err)
	for _, f := range files {
		if name := f.Name(); name != "names" && name != "events" {
			errs = append(errs, fmt.Errorf("left in the ledger: %s", name))
		}
	}
	names, err := os.ReadDir(filepath.Join(p.ledger, "names"))
	errs = append(errs, err)
	for _, f := range names {
		errs = append(errs, fmt.Errorf("left in the ledger: the name %s", f.Name()))
	}
	if now := namespaces(); now > spaces {
		errs = append(errs, fmt.Errorf("there are %d namespaces, %d before", now, spaces))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Println("nothing is left: no process, mount, control group, namespace, descriptor, file in /run/safe-run or in the ledger")
	return nil
}

// namespaces counts those that some process is in.
func namespaces() int {
	found := map[string]bool{}
	links, _ := filepath.Glob("/proc/[0-9]*/ns/*")
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil {
			found[name] = true
		}
	}
	return len(found)
}
