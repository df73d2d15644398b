package export

import (
	"strings"

	"github.com/safe-run/safe-run/profiles"
)

// Losses collects what a target cannot express.
type Losses struct {
	profile profiles.Profile
	list    []Loss
}

// LossesOf begins a list of what is lost of a profile.
func LossesOf(p profiles.Profile) *Losses { return &Losses{profile: p} }

// Add notes a loss, with the place where the profile says what is lost.
func (l *Losses) Add(loss Loss) {
	if at := l.profile.Origin(loss.Setting); loss.Origin == "" && at.Source != "" {
		at.Column = 0
		loss.Origin = at.String()
	}
	l.list = append(l.list, loss)
}

// Weaker notes that something is enforced less.
func (l *Losses) Weaker(setting, value, lost, do string) {
	l.Add(Loss{Setting: setting, Value: value, Lost: lost, Do: do, Severity: Weaker})
}

// Different notes that something is enforced in another way.
func (l *Losses) Different(setting, value, lost, do string) {
	l.Add(Loss{Setting: setting, Value: value, Lost: lost, Do: do, Severity: Different})
}

// Missing notes a feature that is not there, with nothing open for it.
func (l *Losses) Missing(setting, value, lost, do string) {
	l.Add(Loss{Setting: setting, Value: value, Lost: lost, Do: do, Severity: Missing})
}

// List gives the losses in the order in which they were found.
func (l *Losses) List() []Loss { return l.list }

// Covers says whether a loss is told for the setting at path, for what holds it,
// or for a part of it.
func Covers(losses []Loss, path string) bool {
	for _, l := range losses {
		if l.Setting == path || within(l.Setting, path) || within(path, l.Setting) {
			return true
		}
	}
	return false
}

// within says whether a path is a part of another one.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["))
}
