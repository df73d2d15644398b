package cli

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// logsVerb is `safe-run logs NAME`.
func (a *app) logsVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "logs [flags] NAME|ID", Short: "print what a detached container has written", GroupID: groupManage,
		Long: "print what a detached container has written: its standard output to standard output, its standard error to standard error. " +
			"TIME is as in 2026-01-31T12:00:00Z, seconds since 1970, or a span before now: 10m.",
		Example:               "  safe-run logs site\n  safe-run logs -f --tail 10 site\n  safe-run logs --since 10m -t site",
		Args:                  arguments(1, 1, "NAME"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeContainers,
	}
	f := cmd.Flags()
	follow := f.BoolP("follow", "f", false, "go on until the container ends")
	stamps := f.BoolP("timestamps", "t", false, "begin each line with its time")
	tail := f.StringP("tail", "n", "all", "only the last `N` lines")
	since := f.String("since", "", "only what was written from `TIME` on")
	until := f.String("until", "", "only what was written up to `TIME`")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		q, err := logQuery(*since, *until, *tail)
		if err != nil {
			return err
		}
		return asRoot(a.logs(args[0], q, *follow, *stamps))
	}
	return cmd
}

// logQuery reads the flags of logs.
func logQuery(since, until, tail string) (q ledger.LogQuery, err error) {
	now := time.Now()
	if q.Since, err = parseMoment("--since", since, now); err != nil {
		return q, err
	}
	if q.Until, err = parseMoment("--until", until, now); err != nil {
		return q, err
	}
	q.Tail = -1
	if tail == "all" {
		return q, nil
	}
	// docker takes a negative number for all.
	if q.Tail, err = strconv.Atoi(tail); err != nil {
		return q, problem.New("write a number of lines, or all", "--tail: %.60q is not a number", tail)
	}
	return q, nil
}

// momentLayouts are how a time may be written; those without a zone are in the
// local one.
var momentLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02"}

// parseMoment reads a time, as docker does; empty is none.
func parseMoment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if span, err := time.ParseDuration(text); err == nil {
		return now.Add(-span), nil
	}
	for _, layout := range momentLayouts {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < 1<<40 {
		whole := int64(seconds)
		return time.Unix(whole, int64((seconds-float64(whole))*1e9)), nil
	}
	return time.Time{}, problem.New("write 2026-01-31T12:00:00Z, seconds since 1970, or a span before now: 10m", "%s: %.60q is not a time", flag, text)
}

// logs prints a container's log.
func (a *app) logs(ref string, q ledger.LogQuery, follow, stamps bool) error {
	t, err := locate(ref)
	if err != nil {
		return err
	}
	if t.foreground {
		return problem.New("start it with -d to keep what it writes", "%s runs in the foreground: what it writes goes to who started it", t.Name)
	}
	if follow {
		q.Follow = func() bool {
			_, s, err := t.book.Get(t.ID)
			return err == nil && s.Status.Active()
		}
	}
	out, errs := newLineWriter(a.std.Out), newLineWriter(a.std.Err)
	err = ledger.ReadLog(t.book.LogDir(t.ID), q, func(line ledger.LogLine) error {
		to := out
		if line.Stream == ledger.Stderr {
			to = errs
		}
		return to.write(line, stamps, follow)
	})
	return errors.Join(err, out.Flush(), errs.Flush())
}

// lineWriter writes entries of a log; one that is a part of a longer line has
// no time of its own.
type lineWriter struct {
	*bufio.Writer
	inLine bool
}

func newLineWriter(w io.Writer) *lineWriter { return &lineWriter{Writer: bufio.NewWriter(w)} }

func (w *lineWriter) write(line ledger.LogLine, stamps, now bool) error {
	if stamps && !w.inLine {
		_, _ = w.WriteString(line.Time.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " ")
	}
	_, err := w.WriteString(line.Text)
	w.inLine = len(line.Text) > 0 && line.Text[len(line.Text)-1] != '\n'
	if now {
		return w.Flush()
	}
	return err
}
