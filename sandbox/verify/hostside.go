package verify

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
	"time"

	"github.com/safe-run/safe-run/spec/battery"
)

// fromOutside puts in what was seen on the host: of some attacks the probe program
// does not see all, and its word is not the last one.
func (b *Battery) fromOutside(ctx context.Context, found *findings) {
	reached := b.outside.reached.Load()
	for i, l := range found.plain.lines {
		look := map[string]func(context.Context) Line{"M18": b.redirecting, "R06": b.flooding}[l.ID]
		switch {
		case ctx.Err() != nil:
			return
		case l.ID == "N15" && l.Verdict == battery.Blocked && reached > 0:
			found.plain.lines[i].Verdict, found.plain.lines[i].Detail = battery.Allowed, "the server of the host was reached, whatever the probe says"
		case l.ID == "N15" && l.Verdict == battery.NotRun && b.outside.address == "":
			found.plain.lines[i].Detail = "this host has no address but loopback for a server to listen at; sandbox/network's tests have servers in networks made for them"
		case look != nil && (b.Sabotage != nil || b.Base != nil): // they are of the plan as it is
		case l.ID == "R06" && b.Ledger == "": // nobody says where logs are
		case look != nil && l.Verdict == battery.NotRun:
			b.tell(l.ID)
			began := time.Now()
			line := look(ctx)
			line.ID, line.Micros, line.Detail = l.ID, time.Since(began).Microseconds(), clean(line.Detail, maxDetail)
			found.plain.lines[i] = line
		}
	}
}

// redirected are images whose links lead the runtime's own mounts elsewhere, each
// a list of names and what they are links to. TRAP is a directory of the host. The
// integration tests have all that are known (TestCVE). The first one has none: it
// has to run, or nobody knows why another one did not.
var redirected = [][]string{
	nil,
	{"dev/null", "/proc/sys/kernel/core_pattern"},                    // CVE-2025-31133
	{"dev/console", "/proc/sys/kernel/core_pattern", "dev/pts", "/"}, // CVE-2025-52565
	{"dev/pts", "TRAP"}, // CVE-2026-41579
	{"proc", "TRAP"},    // CVE-2019-19921
}

// seenRedirected are the probes that tell whether such an image got out.
var seenRedirected = []string{"M13", "M16", "F04", "F05", "F10", "F11", "R08"}

// redirecting is M18.
func (b *Battery) redirecting(ctx context.Context) Line {
	var control map[string]Line
	ran := 0
	for i, links := range redirected {
		root, trap := filepath.Join(b.outside.dir, fmt.Sprint("image", i)), filepath.Join(b.outside.dir, fmt.Sprint("trap", i))
		if err := errors.Join(os.Chmod(b.outside.dir, 0o711), os.Mkdir(root, 0o755), os.Mkdir(trap, 0o755), makeLinks(root, trap, links)); err != nil {
			return Line{Verdict: battery.Error, Detail: "an image: " + err.Error()}
		}
		one := *b
		one.Image, one.Progress = "dir:"+root, nil
		got := one.launch(ctx, one.change(nil, seenRedirected, false), nil)
		if ctx.Err() != nil {
			return Line{Verdict: battery.Error, Detail: ctx.Err().Error()}
		}
		if links == nil {
			if got.wrong != nil {
				return Line{Verdict: battery.Error, Detail: "an image without links does not run: " + got.wrong.Error()}
			}
			control = byID(got.lines)
			continue
		}
		left, err := os.ReadDir(trap)
		if err != nil || len(left) > 0 {
			return Line{Verdict: battery.Allowed, Effect: true, Detail: links[0] + ": it was led to a directory of the host"}
		}
		if line := led(links, got, control); line.Verdict != battery.Blocked {
			return line
		}
		if got.wrong == nil {
			ran++
		}
	}
	return Line{Verdict: battery.Blocked, Effect: true, Detail: fmt.Sprintf("of %d images %d ran and led nowhere, the others were refused for their links", len(redirected)-1, ran)}
}

// led judges one image by what was said in it, or by what the launcher said of it:
// one that did not start for another reason than its links tells nothing. What the
// image without links lets through has nothing to do with links.
func led(links []string, got attacked, control map[string]Line) Line {
	for _, l := range got.lines {
		if l.Verdict == battery.Allowed && control[l.ID].Verdict != battery.Allowed {
			return Line{Verdict: battery.Allowed, Effect: true, Detail: links[0] + ": " + l.ID + ": " + l.Detail}
		}
	}
	if got.wrong != nil && (len(got.lines) > 0 || !refusedFor(links, got.wrong.Error())) {
		return Line{Verdict: battery.Error, Detail: links[0] + ": " + got.wrong.Error()}
	}
	return Line{Verdict: battery.Blocked}
}

// refusedFor says whether a launcher's words refuse one of the links: they name it,
// and say that it is not what it should be.
func refusedFor(links []string, words string) bool {
	what := slices.ContainsFunc([]string{"must be mounted on ordinary directory", "symbolic link", "symlink", "not a directory", "outside"},
		func(w string) bool { return strings.Contains(words, w) })
	for n := 0; n < len(links); n += 2 {
		if what && (strings.Contains(words, `"/`+links[n]+`"`) || strings.Contains(words, "/"+links[n]+":") || strings.Contains(words, "/"+links[n]+" ")) {
			return true
		}
	}
	return false
}

func makeLinks(root, trap string, links []string) (err error) {
	up := strings.Repeat("/..", 12)
	for n := 0; n < len(links); n += 2 {
		at := filepath.Join(root, links[n])
		err = errors.Join(err, os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(strings.Replace(links[n+1], "TRAP", up+trap, 1), at))
	}
	return err
}

// The log of R06: a small one, so that a mebibyte is much more than it holds.
const (
	logFile  = 64 << 10
	logFiles = 2
)

// flooding is R06: a detached container writes a mebibyte, and what became of it
// is looked at on the host.
func (b *Battery) flooding(ctx context.Context) Line {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	id, err := b.call(ctx, slices.Concat([]string{"run", "-d"}, b.Flags, []string{
		"--log-opt", fmt.Sprintf("max-size=%d", logFile), "--log-opt", fmt.Sprintf("max-file=%d", logFiles),
		b.Probe, "run", "--only", "R06", "--burst",
	})...)
	if err != nil {
		return Line{Verdict: battery.Error, Detail: "it did not start: " + err.Error()}
	}
	defer func() { _, _ = b.call(context.WithoutCancel(ctx), "rm", "-f", id) }()
	if _, err := b.call(ctx, "wait", id); err != nil {
		return Line{Verdict: battery.Error, Detail: "it did not end: " + err.Error()}
	}
	size, err := sizeBelow(filepath.Join(b.Ledger, filepath.Base(id), "log"))
	switch {
	case err != nil || size < logFile/2:
		return Line{Verdict: battery.Error, Detail: fmt.Sprintf("the log has %d bytes: %v", size, err)}
	case size > 2*logFile*logFiles: // a line may go beyond a file's end
		return Line{Verdict: battery.Allowed, Effect: true, Detail: fmt.Sprintf("the log has %d bytes, and %d were to be the most", size, logFile*logFiles)}
	}
	return Line{Verdict: battery.Blocked, Effect: true, Detail: fmt.Sprintf("of a mebibyte the log keeps %d bytes", size)}
}

func sizeBelow(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				size += info.Size()
			}
		}
		return err
	})
	return size, err
}

// call runs the launcher and gives what it writes.
func (b *Battery) call(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, b.Launcher, args...)
	var said, complaints bounded
	cmd.Stdout, cmd.Stderr = &said, &complaints
	err := cmd.Run()
	if err != nil {
		err = launcherSays(complaints.String(), err)
	}
	return strings.TrimSpace(said.String()), err
}
