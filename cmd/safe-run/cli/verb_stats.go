package cli

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/state"
)

// usageRow is what a container uses, in docker's names and units.
type usageRow struct {
	Container string `head:"CONTAINER"`
	ID        string `head:"CONTAINER ID"`
	Name      string
	CPUPerc   string `head:"CPU %"`
	MemUsage  string `head:"MEM USAGE / LIMIT"`
	MemPerc   string `head:"MEM %"`
	NetIO     string `head:"NET I/O"`
	BlockIO   string `head:"BLOCK I/O"`
	PIDs      string
}

// statsVerb is `safe-run stats [NAME...]`.
func (a *app) statsVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "stats [flags] [NAME|ID...]", Short: "show what containers use, until Ctrl-C", GroupID: groupManage,
		Long: "show what containers use, all that run or those that are named, once a second until Ctrl-C. " +
			"100 % of CPU is one processor; memory leaves out what the kernel would give up first.",
		Example: "  safe-run stats\n  safe-run stats --no-stream --format json site\n  safe-run stats --no-stream --format '{{.Name}} {{.MemPerc}}'",
		Args:    arguments(0, -1, "[NAME]"), DisableFlagsInUseLine: true, Annotations: templates,
		ValidArgsFunction: completeAllRunning,
	}
	once := cmd.Flags().Bool("no-stream", false, "show it once")
	whole := cmd.Flags().Bool("no-trunc", false, "print ids in full")
	cmd.Flags().BoolP("all", "a", false, "") // those that have ended use nothing
	cmd.Flags().Lookup("all").Hidden = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		watch := usageWatch{refs: args, whole: *whole, before: map[string]runc.Counters{}}
		if _, err := watch.look(); err != nil {
			return err
		}
		return a.showUsage(cmd.Context(), &watch, *once)
	}
	return cmd
}

// usageInterval is the time between two looks, of which processor use is the
// difference.
const usageInterval = time.Second

// showUsage prints rows once, or until the context ends.
func (a *app) showUsage(ctx context.Context, watch *usageWatch, once bool) error {
	tick := time.NewTicker(usageInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		rows, err := watch.look()
		if err != nil {
			return err
		}
		if err := a.writeUsage(rows, !once && term.IsTerminal(int(a.std.Out.Fd()))); err != nil || once {
			return err
		}
	}
}

// writeUsage prints rows; in place of those before on a terminal.
func (a *app) writeUsage(rows []usageRow, replace bool) error {
	var text bytes.Buffer
	if replace {
		text.WriteString("\x1b[H\x1b[J")
	}
	err := a.formatUsage(&text, rows)
	if err == nil {
		_, err = a.std.Out.Write(text.Bytes())
	}
	return err
}

func (a *app) formatUsage(text *bytes.Buffer, rows []usageRow) error {
	switch {
	case a.format == formatJSON:
		return writeJSON(text, orEmpty(rows))
	case a.format.isTemplate():
		return writeTemplate(text, a.format, rows)
	}
	t := table{head: []string{"CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"}}
	for _, r := range rows {
		t.add(r.ID, r.Name, r.CPUPerc, r.MemUsage, r.MemPerc, r.NetIO, r.BlockIO, r.PIDs)
	}
	const wide = 1 << 20 // rows are not broken: scripts cut columns out
	return t.write(text, wide, paletteFor(a.std.Out))
}

// usageWatch looks at containers again and again.
type usageWatch struct {
	refs   []string // empty: all that run
	whole  bool
	before map[string]runc.Counters
}

// look gives a row for each container. One that is named must run; of the
// others those that end meanwhile are left out.
func (w *usageWatch) look() ([]usageRow, error) {
	refs := w.refs
	if len(refs) == 0 {
		list, err := sandbox.List(state.DefaultRoot)
		if err != nil {
			return nil, asRoot(err)
		}
		for _, s := range list {
			refs = append(refs, s.ID)
		}
	}
	rows := []usageRow{}
	for _, ref := range refs {
		err := withLive(ref, func(live *sandbox.Live) error {
			now, err := live.Stats()
			if err != nil {
				return err
			}
			row := usage(w.before[live.ID()], now)
			row.Container, row.ID, row.Name = ref, live.ID(), live.Name()
			if !w.whole {
				row.ID = shortID(row.ID)
			}
			w.before[live.ID()] = now
			rows = append(rows, row)
			return nil
		})
		if err != nil && len(w.refs) > 0 {
			return nil, err
		}
	}
	return rows, nil
}

// usage is the difference between two looks; with one only, nothing is known of
// processor use.
func usage(before, now runc.Counters) usageRow {
	r := usageRow{
		CPUPerc: "--", MemPerc: "--",
		MemUsage: binarySize(now.Memory) + " / " + binarySize(now.MemoryLimit),
		NetIO:    decimalSize(now.NetworkIn) + " / " + decimalSize(now.NetworkOut),
		BlockIO:  decimalSize(now.BlockRead) + " / " + decimalSize(now.BlockWritten),
		PIDs:     strconv.FormatUint(now.Processes, 10),
	}
	if span := now.Read.Sub(before.Read); !before.Read.IsZero() && span > 0 {
		r.CPUPerc = percent(float64(now.CPU-before.CPU) / float64(span))
	}
	if now.MemoryLimit == 0 {
		r.MemUsage = binarySize(now.Memory) + " / --"
	} else {
		r.MemPerc = percent(float64(now.Memory) / float64(now.MemoryLimit))
	}
	return r
}

func percent(share float64) string { return fmt.Sprintf("%.2f%%", 100*math.Max(share, 0)) }

// binarySize is docker's BytesSize: 12.5MiB.
func binarySize(n uint64) string {
	return sized("%.4g", float64(n), 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"})
}

// decimalSize is docker's HumanSize: 1.25kB.
func decimalSize(n uint64) string {
	return sized("%.3g", float64(n), 1000, []string{"B", "kB", "MB", "GB", "TB", "PB"})
}

func sized(verb string, n, base float64, units []string) string {
	i := 0
	for ; n >= base && i < len(units)-1; i++ {
		n /= base
	}
	return fmt.Sprintf(verb+"%s", n, units[i])
}
