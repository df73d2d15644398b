// Command bench measures safe-run beside libcontainer alone, runc, crun,
// bubblewrap, docker and podman, as far as they are installed. In each round every
// contestant of a scene runs once, in another order, so that what else the machine
// does hits all alike; only the ratios mean anything.
//
// Run it from the top of the repository as root after make build:
//
//	go run ./integration/bench [-rounds N] [-scenes REGEXP] [-pause 0s] [-most 45s] [-curve] [-json FILE] [-docs DIR]
//
// It exits with 1 when a promise is broken, after everything has been measured and
// written.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/integration/bench/result"
)

// options are the flags.
type options struct {
	rounds     int
	pause      time.Duration
	most       time.Duration // for a scene
	scenes     *regexp.Regexp
	curve      bool
	json, docs string
}

func main() {
	var o options
	only := flag.String("scenes", "", "measure the scenes whose names match")
	flag.IntVar(&o.rounds, "rounds", 40, "how often each contestant runs")
	flag.DurationVar(&o.pause, "pause", 25*time.Millisecond, "wait before each run, so that nobody pays for what the one before left to be done")
	flag.DurationVar(&o.most, "most", 45*time.Second, "begin no further round of a scene after so long, and five were run")
	flag.BoolVar(&o.curve, "curve", false, "also with 100, 500 and 1,000 containers running; takes minutes")
	flag.StringVar(&o.json, "json", "", "write everything to this file")
	flag.StringVar(&o.docs, "docs", "", "write performance.md, .json and .svg into this directory")
	flag.Parse()
	var err error
	if o.scenes, err = regexp.Compile(*only); err == nil {
		err = bench(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(o options) (err error) {
	if os.Getuid() != 0 {
		return errors.New("run it as root")
	}
	if again, err := privately(); again {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := newWorld(dir)
	if w != nil {
		defer func() { err = errors.Join(err, w.close()) }()
	}
	if err != nil {
		return err
	}
	run := &result.Run{Date: time.Now().UTC(), Rounds: o.rounds, Machine: w.machine()}
	if err := w.run(ctx, o, run); err != nil {
		return err
	}
	if err := o.write(run, dir); err != nil {
		return err
	}
	if broken := run.Broken(); len(broken) > 0 {
		return fmt.Errorf("promises are broken:\n  %s", strings.Join(broken, "\n  "))
	}
	return nil
}

// run measures all scenes that were asked for. A scene that fails is told of, and
// the others go on.
func (w *world) run(ctx context.Context, o options, run *result.Run) (err error) {
	for _, one := range w.scenes(o) {
		if !o.scenes.MatchString(one.name) {
			continue
		}
		s := one.measure(ctx, o)
		if ctx.Err() != nil {
			return errors.New("interrupted: nothing is written")
		}
		s.Judge()
		s.Table(os.Stdout)
		run.Scenes = append(run.Scenes, s)
	}
	if o.scenes.MatchString("costs") {
		w.counted = append(w.counted, w.costs()...)
	}
	run.Costs = w.counted
	run.TableOfCosts(os.Stdout)
	run.Specs, err = w.specs()
	return err
}

// write keeps what was found. Command lines in docs are as they would be anywhere.
func (o options) write(run *result.Run, dir string) error {
	data, err := json.MarshalIndent(run, "", " ")
	if err != nil {
		return err
	}
	if o.json != "" {
		if err := os.WriteFile(o.json, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.docs == "" {
		return nil
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	data = []byte(strings.NewReplacer(dir, "DIR", here+"/", "", home+"/", "~/").Replace(string(data)))
	var page, plot strings.Builder
	page.WriteString("# Performance\n\nWritten by `make bench-docs`. ![medians of each scene](performance.svg)\n\n")
	run.Markdown(&page)
	run.SVG(&plot)
	return errors.Join(
		os.MkdirAll(o.docs, 0o755),
		os.WriteFile(filepath.Join(o.docs, "performance.md"), []byte(page.String()), 0o644),
		os.WriteFile(filepath.Join(o.docs, "performance.svg"), []byte(plot.String()), 0o644),
		os.WriteFile(filepath.Join(o.docs, "performance.json"), append(data, '\n'), 0o644),
	)
}
