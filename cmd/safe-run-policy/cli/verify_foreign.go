package cli

import (
	"context"
	"slices"

	"github.com/safe-run/safe-run/sandbox/verify"
	"github.com/safe-run/safe-run/spec/battery"
)

func foreignNames() []string { return verify.Foreign() }

// foreign runs the same battery under other tools. One that is not there, or
// does not work, is a line and a hint, and the others go on.
func (a *app) foreign(ctx context.Context, b *verify.Battery, o verifyOptions) ([]battery.Report, bool) {
	var all []battery.Report
	whole := true
	for _, name := range slices.Compact(slices.Clone(o.runtimes)) {
		if ctx.Err() != nil {
			return all, false
		}
		progress := a.newProgress()
		b.Progress = progress.tell
		one, err := b.RunForeign(ctx, name)
		progress.end()
		if err != nil {
			a.report(err)
			whole = false
			continue
		}
		all = append(all, *one)
	}
	return all, whole
}
