package ledger

import (
	"maps"

	"github.com/safe-run/safe-run/spec/event"
)

// Event is something that happens to the container. about is names and values of
// attributes beside those that every container's event has; no label is taken for
// one of them.
func (c Container) Event(action string, about ...string) event.Event {
	attributes := maps.Clone(c.Labels)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes["name"], attributes["image"] = c.Name, c.Image
	if c.Profile != "" {
		attributes["profile"] = c.Profile
	}
	for i := 0; i+1 < len(about); i += 2 {
		attributes[about[i]] = about[i+1]
	}
	return event.Event{Type: event.Container, Action: action, ID: c.ID, Attributes: attributes}
}
