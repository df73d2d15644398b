package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
	"github.com/safe-run/safe-run/spec/problem"
)

// limit is how long one sandbox may take: a hundred children of some seconds at
// most, on a machine that does other things too.
const limit = 3 * time.Minute

const (
	maxPlan   = 16 << 20
	maxOutput = 8 << 20
	maxErrors = 16 << 10
)

// attacked is one sandbox that was attacked.
type attacked struct {
	said
	plan  *spec.Plan // as it would run without the battery
	host  spec.Host
	wrong error // why it did not come to its end; what was said counts all the same
}

// launch starts a sandbox by the launcher, changes its plan, and reads what the
// probe program says.
func (b *Battery) launch(ctx context.Context, change predict.Change, each func(Line)) (out attacked) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	planOut, planWrite, err := os.Pipe()
	if err != nil {
		return attacked{wrong: err}
	}
	defer planOut.Close()
	args := []string{"attack"}
	if len(change.Without) > 0 || change.Remove != nil || change.Base != nil {
		args = append(args, "--ablated")
	}
	args = append(append(args, b.Flags...), b.image())
	if b.Image != "" {
		args = append(args, predict.ProbePath) // there are images without a command
	}
	cmd := exec.CommandContext(ctx, b.Launcher, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second // the launcher removes the sandbox
	cmd.ExtraFiles = []*os.File{planWrite}
	var complaints bounded
	cmd.Stderr = &complaints
	stdin, err := cmd.StdinPipe()
	if err == nil {
		var stdout io.ReadCloser
		if stdout, err = cmd.StdoutPipe(); err == nil {
			if err = cmd.Start(); err == nil {
				planWrite.Close()
				out.plan, out.host, err = edit(planOut, stdin, change, b.stage)
				stdin.Close()
				if err == nil {
					out.said, out.wrong = read(io.LimitReader(stdout, maxOutput), each)
				}
				if err != nil || out.wrong != nil {
					_ = cmd.Cancel() // nobody reads on
				}
				_, _ = io.Copy(io.Discard, stdout)
				return out.judge(ctx, cmd.Wait(), errors.Join(err, out.wrong), complaints.String())
			}
		}
	}
	planWrite.Close()
	out.wrong = problem.New("install safe-run beside safe-run-policy", "%s cannot be started: %w", b.Launcher, err)
	return out
}

// judge says why a sandbox did not come to its end.
func (a attacked) judge(ctx context.Context, ended, read error, complaints string) attacked {
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		a.wrong = problem.New("run it again with --only for the probes that are missing", "the sandbox took longer than %s", limit)
	case ctx.Err() != nil:
		a.wrong = ctx.Err()
	case read == nil && !a.ended && a.killed(ended):
		a.lines = append(a.lines, Line{
			ID: a.begun, Verdict: battery.Blocked, Signal: "SIGKILL", Effect: true, Detail: "the whole container was killed",
		})
		a.ended, a.wrong = true, nil
	case a.plan == nil: // the launcher says why
		a.wrong = launcherSays(complaints, errors.Join(read, ended))
	case read != nil:
		a.wrong = fmt.Errorf("what the container wrote: %w", read)
	case !a.ended:
		a.wrong = launcherSays(complaints, fmt.Errorf("the battery ended early: %w", orEnded(ended)))
	default:
		a.wrong = nil
	}
	return a
}

// killed says whether the whole sandbox was killed while it did what may have
// that end: a control group that is killed as one.
func (a attacked) killed(ended error) bool {
	var exit *exec.ExitError
	if a.begun == "" || !errors.As(ended, &exit) || exit.ExitCode() != 128+9 {
		return false
	}
	_, said := byID(a.lines)[a.begun]
	return !said
}

func orEnded(err error) error {
	if err == nil {
		return errors.New("its last line is missing")
	}
	return err
}

// launcherSays turns what the launcher wrote, one line and a hint, into an error.
func launcherSays(text string, otherwise error) error {
	var what, hint string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "safe-run: "); ok && what == "" {
			what = rest
		} else if rest, ok := strings.CutPrefix(line, "hint: "); ok && hint == "" {
			hint = rest
		}
	}
	if what == "" {
		return problem.New("look at what safe-run run says with the same flags", "the sandbox did not start: %w", otherwise)
	}
	return problem.New(clean(hint, maxDetail), "%s", clean(what, maxDetail))
}

// edit takes the compiled plan and gives the changed one.
func edit(from io.Reader, to io.Writer, change predict.Change, s *stage) (*spec.Plan, spec.Host, error) {
	var got struct {
		Plan *spec.Plan `json:"plan"`
		Host spec.Host  `json:"host"`
	}
	err := json.NewDecoder(io.LimitReader(from, maxPlan)).Decode(&got)
	if err != nil || got.Plan == nil {
		return nil, got.Host, fmt.Errorf("no plan: %w", orEnded(err))
	}
	var changed *spec.Plan
	if err = s.belongTo(got.Plan); err != nil {
		return got.Plan, got.Host, err
	}
	if got.Plan, err = change.Before(got.Plan); err == nil {
		changed, err = change.Apply(got.Plan)
	}
	if err == nil {
		var data []byte
		if data, err = json.Marshal(changed); err == nil {
			_, err = to.Write(data)
		}
	}
	return got.Plan, got.Host, err
}

// bounded keeps the beginning of what is written.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxErrors - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
