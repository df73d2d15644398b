package cli

import (
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// eventFilter is the values of each key that is asked for.
type eventFilter map[string][]string

// eventFilters are the keys there are.
var eventFilters = []string{"container", "event", "image", "label", "type", "volume"}

func parseEventFilter(filters []string) (eventFilter, error) {
	out := eventFilter{}
	for _, text := range filters {
		key, value, ok := strings.Cut(text, "=")
		if !ok || value == "" {
			return nil, problem.New("write --filter event=die", "--filter %.60q has no value", text)
		}
		if !slices.Contains(eventFilters, key) {
			return nil, problem.New("the keys are "+strings.Join(eventFilters, ", "), "--filter: there is no key %.60q", key)
		}
		out[key] = append(out[key], value)
	}
	return out, nil
}

// match says whether an event is asked for: one value of each key must be its,
// and every label.
func (f eventFilter) match(e event.Event) bool {
	for key, values := range f {
		is := func(value string) bool { return eventMatches(e, key, value) }
		if key == "label" {
			if slices.ContainsFunc(values, func(v string) bool { return !is(v) }) {
				return false
			}
		} else if !slices.ContainsFunc(values, is) {
			return false
		}
	}
	return true
}

func eventMatches(e event.Event, key, value string) bool {
	switch key {
	case "type":
		return e.Type == value
	case "event":
		return e.Action == value
	case "container":
		return e.Type == event.Container && named(e, value)
	case "volume":
		return e.Type == event.Volume && e.ID == value
	case "image":
		image := e.Attributes["image"]
		if e.Type == event.Image {
			return named(e, value)
		}
		repository, _, _ := strings.Cut(image, "@")
		return image == value || repository == value || repository == value+":latest"
	case "label":
		name, want, valued := strings.Cut(value, "=")
		has, ok := e.Attributes[name]
		return ok && (!valued || has == want)
	}
	return false
}

// named says whether value is the name, or the beginning of the id.
func named(e event.Event, value string) bool {
	return e.Attributes["name"] == value || strings.HasPrefix(e.ID, value)
}
