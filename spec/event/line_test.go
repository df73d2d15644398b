package event

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 5, time.UTC)

func TestLine(t *testing.T) {
	e := Event{Time: noon, Type: Container, Action: Die, ID: "0f", Attributes: map[string]string{"name": "site", "exitCode": "3", "odd": "a\nb\x1b[2J"}}
	line := e.Line()
	if strings.Count(string(line), "\n") != 1 || line[len(line)-1] != '\n' {
		t.Errorf("not one line: %q", line)
	}
	got, err := Parse(line)
	if err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("got %+v, %v; want %+v", got, err, e)
	}
}

// TestLineHasRoom: labels without end do not keep an event from being written.
func TestLineHasRoom(t *testing.T) {
	attributes := map[string]string{"name": "site", "image": "app", "huge": strings.Repeat("x", maxValue+1), "bytes": "\xff"}
	for i := range 2 * maxAttributes {
		attributes[fmt.Sprintf("label-%04d", i)] = strings.Repeat("\x01", 200) // six bytes of JSON each
	}
	got, err := Parse(Event{Time: noon, Type: Container, Action: Start, ID: "0f", Attributes: attributes}.Line())
	if err != nil || got.Attributes["name"] != "site" || got.Attributes["image"] != "app" {
		t.Fatalf("%v, %v", got.Attributes["name"], err)
	}
	if len(got.Attributes) < 10 || got.Attributes["huge"] != "" || got.Attributes["bytes"] != "" {
		t.Errorf("%d attributes are left", len(got.Attributes))
	}
	for _, none := range []Event{
		{Time: noon, Type: Container, Action: Start},
		{Type: Container, Action: Start, ID: "0f"},
		{Time: noon, Type: "Container", Action: Start, ID: "0f"},
		{Time: noon, Type: Container, Action: "a b", ID: "0f"},
		{Time: noon, Type: Container, Action: Start, ID: strings.Repeat("x", maxID+1)},
	} {
		if line := none.Line(); line != nil {
			t.Errorf("%+v is written: %s", none, line)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Event{Time: noon, Type: Container, Action: Die, ID: "0f", Attributes: map[string]string{"exitCode": "1"}}.Line())
	for _, seed := range []string{
		"", "{}", `{"time":"2026-11-21T12:00:00Z","type":"container","action":"start","id":"x"} {}`,
		`{"time":"9999-12-31T23:59:59-01:00","type":"container","action":"start","id":"x"}`,
		`{"time":"0000-01-01T00:00:00Z","type":"container","action":"start","id":"\ud800"}`,
		`{"time":"2026-11-21T12:00:00Z","type":"container","action":"start","id":"x","attributes":{"":"y","a":null}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := Parse(line)
		if err != nil {
			return
		}
		if len(line) > MaxLine || len(e.Type) > maxWord || len(e.Action) > maxWord || len(e.ID) > maxID || len(e.Attributes) > maxAttributes {
			t.Fatalf("beyond the bounds: %+v", e)
		}
		again, err := Parse(e.Line())
		if err != nil || !again.Time.Equal(e.Time) || again.ID != e.ID || len(again.Attributes) > len(e.Attributes) {
			t.Fatalf("%+v becomes %+v, %v", e, again, err)
		}
	})
}
