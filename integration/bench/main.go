// Command bench measures how long a container takes that runs nothing: safe-run
// beside libcontainer alone with the same plan, and beside runc, crun and
// bubblewrap where they are installed. All take turns in one run, so that what
// else the machine does hits all alike; only the ratios mean anything.
//
// Run it from the top of the repository as root after make build:
//
//	go run ./integration/bench
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// What README promises.
const (
	maxRatio = 1.15     // of the launch, to libcontainer alone
	maxStore = 0.003    // seconds that an image of the store adds to a launch from a directory
	maxPeak  = 25 << 20 // bytes of the launcher's memory
)

// The measurement: rounds in which each command runs so many times.
const (
	rounds = 5
	runs   = 15
)

func main() {
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	if os.Getuid() != 0 {
		return errors.New("run it as root")
	}
	if again, err := privately(); again {
		return err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bundle, err := makeBundle(dir)
	if err != nil {
		return err
	}
	all, err := contestants(dir, bundle)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c contestant) bool { return !c.works() })
	if len(all) < 2 || all[0].name != safeRunName || all[1].name != bareName {
		return errors.New("without safe-run and libcontainer alone there is nothing to compare")
	}
	times, err := measure(dir, all)
	if err != nil {
		return err
	}
	peak, err := peakMemory(all[0].args)
	if err != nil {
		return err
	}
	return judge(all, times, peak)
}

// measure runs hyperfine in rounds, each in another order, and gathers the times
// in seconds by command.
func measure(dir string, all []contestant) (map[string][]float64, error) {
	times := map[string][]float64{}
	for round := range rounds {
		report := filepath.Join(dir, "report.json")
		args := []string{"-N", "--style", "none", "--warmup", "2", "--runs", strconv.Itoa(runs), "--export-json", report}
		for i := range all {
			c := all[(i+round)%len(all)]
			args = append(args, "--command-name", c.name, strings.Join(c.args, " "))
		}
		if out, err := exec.Command("hyperfine", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("hyperfine: %w\n%s", err, out)
		}
		data, err := os.ReadFile(report)
		if err != nil {
			return nil, err
		}
		var parsed struct {
			Results []struct {
				Command string
				Times   []float64
			}
		}
		if err := json.Unmarshal(data, &parsed); err != nil {
			return nil, err
		}
		for _, result := range parsed.Results {
			times[result.Command] = append(times[result.Command], result.Times...)
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
	}
	return times, nil
}

// judge prints the table, and is an error when a promise is broken.
func judge(all []contestant, times map[string][]float64, peak int64) error {
	floor := median(times[bareName])
	fmt.Printf("\n%-24s %9s %9s %9s   %s\n", "", "median", "fastest", "ratio", "what it does")
	for _, c := range all {
		t := times[c.name]
		fmt.Printf("%-24s %6.1f ms %6.1f ms %9.2f   %s\n", c.name, 1000*median(t), 1000*slices.Min(t), median(t)/floor, c.what)
	}
	ratio := median(times[safeRunName]) / floor
	fmt.Printf("\nlaunch: %.2f times libcontainer alone; promised: at most %.2f\n", ratio, maxRatio)
	added := median(times[storeName]) - median(times[safeRunName])
	fmt.Printf("an image of the store: %+.1f ms; promised: at most %.0f\n", 1000*added, 1000*maxStore)
	fmt.Printf("peak memory of the launcher: %.1f MiB; promised: at most %d MiB\n", float64(peak)/(1<<20), maxPeak>>20)
	if ratio > maxRatio || added > maxStore || peak > maxPeak {
		return errors.New("a promise is broken")
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// peakMemory is the largest resident set of a command or any process that it
// waited for, in bytes.
func peakMemory(args []string) (int64, error) {
	var peak int64
	for range 5 {
		cmd := exec.Command(args[0], args[1:]...)
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("%v: %w", args, err)
		}
		peak = max(peak, maxRSS(cmd.ProcessState))
	}
	return peak, nil
}
