package profiles

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safe-run/safe-run/spec/problem"
)

const healthBody = `health:
  test: [/bin/check, "", "5", --fast, --fast]
  interval: 5s
  timeout: 1s
  startPeriod: 0s
  startInterval: 500ms
  retries: 2
`

func TestDecodeHealth(t *testing.T) {
	p := profileOf(t, healthBody)
	h := p.Health
	if want := []string{"/bin/check", "", "5", "--fast", "--fast"}; !cmp.Equal(h.Test.Words(), want) || *h.Interval != 5e9 || *h.Timeout != 1e9 ||
		*h.StartPeriod != 0 || *h.StartInterval != 500e6 || *h.Retries != 2 || h.Disabled != nil {
		t.Errorf("%+v", h)
	}
	if o := p.Origin("health.test"); o.Line != 6 || o.Column != 9 {
		t.Errorf("the test was written at %+v", o)
	}
	for body, want := range map[string]string{
		"health: {test: curl -f http://localhost/ || exit 1}\n": "curl -f http://localhost/ || exit 1",
		"health: {test: \"true\"}\n":                            "true",
		"health: {test: true}\n":                                "true",
		"health:\n  test: |\n    a\n    b\n":                    "a\nb\n",
	} {
		if got, ok := profileOf(t, body).Health.Test.Shell(); got != want || !ok {
			t.Errorf("%q: %q, %v", body, got, ok)
		}
	}
}

func TestHealthRefuses(t *testing.T) {
	for body, want := range map[string]string{
		"health: {tests: x}":                            `t.yaml:5:10: unknown key "tests" in health, did you mean "test"?`,
		"health: {test: []}":                            "t.yaml:5:16: health.test: the command is empty",
		"health: {test: [\"\", x]}":                     "t.yaml:5:16: health.test: the command is empty",
		"health: {test: \"\"}":                          "t.yaml:5:16: health.test: the command is empty",
		"health: {test: [sleep, 5]}":                    "t.yaml:5:24: health.test[1] must be text, and this reads as int",
		"health: {test: [[a]]}":                         "t.yaml:5:17: health.test[0] must be a single value, not a list",
		"health: {test: {a: b}}":                        "t.yaml:5:16: health.test must be a single value, not a mapping",
		"health: {test: \"a\\eb\"}":                     "t.yaml:5:16: health.test: the command holds the invisible character U+001B",
		"health: {test: [a, \"\\0\"]}":                  "t.yaml:5:16: health.test: the command holds the invisible character U+0000",
		"health: {test: " + long("x", 64<<10+1) + "}":   "t.yaml:5:16: health.test: the command is longer than 65536 bytes",
		"health: {test: [" + long("x,", 1025) + "x]}":   "t.yaml:5:16: health.test: the command has more than 1024 words",
		"health: {interval: 0s}":                        "t.yaml:5:20: health.interval: 0s is less than 1ms",
		"health: {timeout: -1s}":                        `t.yaml:5:19: health.timeout: "-1s" is not a time span`,
		"health: {startInterval: 10us}":                 "t.yaml:5:25: health.startInterval: 10µs is less than 1ms",
		"health: {startPeriod: 9000h}":                  "t.yaml:5:23: health.startPeriod: 9000h0m0s is more than a year",
		"health: {retries: 0}":                          "t.yaml:5:19: health.retries: 0 is not between 1 and 1048576",
		"health: {retries: 1.5}":                        `t.yaml:5:19: health.retries must be a whole number, not "1.5"`,
		"health: {disabled: true, test: x}":             "t.yaml:5:20: health: it is disabled, and yet it says how to check",
		"health: {disabled: true, startPeriod: 1s}":     "t.yaml:5:20: health: it is disabled, and yet it says how to check",
		"replace: [health.test]\nhealth: {test: [a]}\n": `t.yaml:5:11: replace[health.test]: unknown list in a profile "health.test"`,
	} {
		_, err := Decode("t.yaml", []byte(head+body+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), want) || problem.HintOf(err) == "" {
			t.Errorf("%.60q: %v, want %s", body, err, want)
		}
	}
}

func long(text string, times int) string { return strings.Repeat(text, times) }

// TestHealthMeets: a check is replaced whole, switched off and on again, and
// never a reason to refuse a profile.
func TestHealthMeets(t *testing.T) {
	lower := profileOf(t, healthBody)
	upper := profileOf(t, "health: {test: look, retries: 9}\n")
	off := profileOf(t, "health: {disabled: true}\n")
	on := profileOf(t, "health: {disabled: false, interval: 1m}\n")
	both := Layer(lower, upper)
	if text, _ := both.Health.Test.Shell(); text != "look" || *both.Health.Retries != 9 || *both.Health.Interval != 5e9 {
		t.Errorf("laid over: %+v", both.Health)
	}
	if none := Layer(both, off); !*none.Health.Disabled || Validate(none) != nil {
		t.Errorf("switched off: %+v, %v", none.Health, Validate(none))
	}
	if again := Layer(Layer(both, off), on); *again.Health.Disabled || *again.Health.Interval != 60e9 || again.Health.Test == nil {
		t.Errorf("switched on: %+v", again.Health)
	}
	if looser := Looser(off, lower); len(looser) > 0 {
		t.Errorf("%+v", looser)
	}
	changes := Diff(lower, upper)
	if len(changes) != 6 || changes[0] != (Change{Path: "health.test", Old: `["/bin/check","","5","--fast","--fast"]`, New: `"look"`, Origin: changes[0].Origin}) {
		t.Errorf("%+v", changes)
	}
}
