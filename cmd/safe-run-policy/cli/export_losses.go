package cli

import (
	"encoding/json"
	"fmt"

	"github.com/safe-run/safe-run/spec/export"
)

// writeLosses says on standard error what the target cannot express: standard
// output is for what it can.
func (a *app) writeLosses(form string, losses []export.Loss) error {
	if form == "json" {
		if losses == nil {
			losses = []export.Loss{}
		}
		enc := json.NewEncoder(a.std.Err)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(losses)
	}
	for _, l := range losses {
		value, origin := "", ""
		if l.Value != "" {
			value = " " + l.Value
		}
		if l.Origin != "" {
			origin = " (" + l.Origin + ")"
		}
		fmt.Fprintf(a.std.Err, "%-9s  %s\n", l.Severity, printable(l.Setting+value+origin))
		fmt.Fprintf(a.std.Err, "%11s%s\n", "", printable(l.Lost))
		if l.Do != "" {
			fmt.Fprintf(a.std.Err, "%11shint: %s\n", "", printable(l.Do))
		}
	}
	return nil
}
