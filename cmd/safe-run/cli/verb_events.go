package cli

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// eventsVerb is `safe-run events`.
func (a *app) eventsVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "events [flags]", Short: "print what happens to containers, as it happens", GroupID: groupManage,
		Long: "print what happens to containers, volumes and images, as it happens, until it is interrupted or --until has come. " +
			"With --since what has happened before is printed first. " +
			"TIME is as in 2026-01-31T12:00:00Z, seconds since 1970, or a span before now: 10m. " +
			"The last eight MiB of events are kept. With --format json each is one line.",
		Example: "  safe-run events --since 1h --until 0s\n  safe-run events --filter container=site --filter event=die\n" +
			"  safe-run events --format '{{.Action}} {{.Actor.Attributes.name}}'",
		Args: arguments(0, 0, ""), DisableFlagsInUseLine: true, Annotations: templates,
	}
	f := cmd.Flags()
	since := f.String("since", "", "also what has happened from `TIME` on")
	until := f.String("until", "", "only what happens up to `TIME`")
	filters := f.StringArray("filter", nil, "only those that match `KEY=VALUE`: container, event, image, label, type or volume")
	f.Lookup("filter").Shorthand = "f"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		filter, err := parseEventFilter(*filters)
		if err != nil {
			return err
		}
		now := time.Now()
		from, err := parseMoment("--since", *since, now)
		if err != nil {
			return err
		}
		to, err := parseMoment("--until", *until, now)
		if err != nil {
			return err
		}
		if from.IsZero() {
			from = now
		}
		return asRoot(a.events(cmd.Context(), from, to, filter))
	}
	return cmd
}

// events prints what is asked for.
func (a *app) events(ctx context.Context, since, until time.Time, filter eventFilter) error {
	write, err := eventWriter(a.std.Out, a.format)
	if err != nil {
		return err
	}
	book, err := ledger.Open("")
	if err != nil {
		return err
	}
	return book.Events(ctx, since, until, true, func(e event.Event) error {
		if !filter.match(e) {
			return nil
		}
		return write(e)
	})
}

// eventWriter writes events in a format, each by itself.
func eventWriter(w io.Writer, f format) (func(event.Event) error, error) {
	switch {
	case f == formatJSON:
		return func(e event.Event) error {
			line, err := json.Marshal(shownEvent(e))
			if err == nil {
				_, err = w.Write(append(escapeJSON(line), '\n'))
			}
			return err
		}, nil
	case !f.isTemplate():
		return func(e event.Event) error {
			_, err := io.WriteString(w, printable(eventText(e))+"\n")
			return err
		}, nil
	case strings.HasPrefix(string(f), tablePrefix):
		return nil, problem.New("leave the word table out", "--format: events come one by one, and make no table")
	}
	t, err := f.parse()
	return func(e event.Event) error { return writeEvent(w, t, e) }, err
}

func writeEvent(w io.Writer, t *template.Template, e event.Event) error {
	var text strings.Builder
	if err := executeRow(&text, t, shownEvent(e)); err != nil {
		return templateError[eventLine](err)
	}
	_, err := io.WriteString(w, printableLines(text.String())+"\n")
	return err
}

// eventStamp is docker's: as many digits in each line.
const eventStamp = "2006-01-02T15:04:05.000000000Z07:00"

// eventText is an event in one line, as docker writes it.
func eventText(e event.Event) string {
	text := e.Time.Local().Format(eventStamp) + " " + e.Type + " " + e.Action + " " + e.ID
	if len(e.Attributes) == 0 {
		return text
	}
	var about []string
	for _, key := range slices.Sorted(maps.Keys(e.Attributes)) {
		about = append(about, key+"="+e.Attributes[key])
	}
	return text + " (" + strings.Join(about, ", ") + ")"
}

// eventLine is an event in docker's names.
type eventLine struct {
	Status   string     `json:"status,omitempty"`
	ID       string     `json:"id,omitempty"`
	From     string     `json:"from,omitempty"`
	Type     string     `json:"Type"`
	Action   string     `json:"Action"`
	Actor    eventActor `json:"Actor"`
	Scope    string     `json:"scope"`
	Time     int64      `json:"time"`
	TimeNano int64      `json:"timeNano"`
}

type eventActor struct {
	ID         string            `json:"ID"`
	Attributes map[string]string `json:"Attributes"`
}

func shownEvent(e event.Event) eventLine {
	line := eventLine{
		Type: e.Type, Action: e.Action, Actor: eventActor{e.ID, e.Attributes}, Scope: "local",
		Time: e.Time.Unix(), TimeNano: e.Time.UnixNano(),
	}
	if e.Attributes == nil {
		line.Actor.Attributes = map[string]string{}
	}
	if e.Type == event.Container {
		line.Status, line.ID, line.From = e.Action, e.ID, e.Attributes["image"]
	}
	return line
}
