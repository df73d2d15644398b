// Package browser shows reports in a real browser: what a test of the text cannot
// tell is whether it is readable there, loads nothing, and runs nothing.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/report"
)

// patience is for machines under load.
const patience = 3 * time.Minute

// chromium runs Debian's.
func chromium(t *testing.T, arguments ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("NOT CHECKED: reports in a browser: chromium is not installed")
	}
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	arguments = append([]string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		// Traffic of the browser's own goes nowhere.
		"--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + t.TempDir(), "--window-size=1250,1600",
	}, arguments...)
	cmd := exec.CommandContext(ctx, path, arguments...)
	cmd.WaitDelay = 5 * time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, tail(said.String()))
	}
	return out.Bytes()
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

const hostile = `</title></style></script><script>document.title="taken"</script><img src="http://192.0.2.1/x.png" onerror="document.title='taken'"><svg onload="document.title='taken'">` + "\x1b[2J\u202e"

// attacks is a whole battery under two runtimes; what a container may choose is
// hostile.
func attacks() report.Attacks {
	a := report.Attacks{Probes: battery.Probes()}
	for _, runtime := range []string{"safe-run", "runc"} {
		r := battery.Report{Runtime: runtime, Version: hostile, Profile: "web", Image: hostile, Kernel: "6.1.0", Where: "host", Partial: ""}
		for i, p := range a.Probes {
			one := battery.Result{ID: p.ID, Verdict: battery.Blocked, Errno: "EPERM", Detail: hostile}
			if len(p.Layers) > 0 {
				one.Observed = p.Layers[0].Layer
				for _, stop := range p.Layers {
					one.Predicted = append(one.Predicted, stop.Layer)
				}
			}
			if i%7 == 3 {
				one = battery.Result{ID: p.ID, Verdict: battery.Allowed, Exception: hostile}
			}
			if runtime == "runc" && i%3 == 0 {
				one = battery.Result{ID: p.ID, Verdict: battery.Allowed, Detail: hostile}
			}
			r.Results = append(r.Results, one)
		}
		a.Reports = append(a.Reports, r)
	}
	return a
}

func findings() report.Findings {
	f := report.Findings{Kind: "audit", Subject: hostile, Warnings: []string{hostile}, Notes: []report.Note{{Subject: hostile, Name: "n", Value: hostile}}}
	f.Findings = audit.Judge(audit.Facts{Subject: hostile, Mounts: []audit.Mount{{Host: "/" + hostile, Inside: hostile, Shared: true}}})
	return f
}

// page writes a report as a file, and gives its address.
func page(t *testing.T, d report.Document) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	var out bytes.Buffer
	if err := report.Write(&out, d, report.Look{Format: report.HTML, Version: "1"}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

func documents() map[string]report.Document {
	return map[string]report.Document{"attacks": attacks(), "findings": findings()}
}

// TestDOM looks at what the browser makes of a report.
func TestDOM(t *testing.T) {
	for name, d := range documents() {
		address := page(t, d)
		log := filepath.Join(t.TempDir(), "net.json")
		dom := chromium(t, "--log-net-log="+log, "--dump-dom", address)
		root, err := html.Parse(bytes.NewReader(dom))
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for n := range root.Descendants() {
			if n.Type == html.ElementNode {
				count[n.Data]++
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") {
						t.Errorf("%s: <%s> has %s", name, n.Data, a.Key)
					}
				}
				if n.Data == "title" && strings.Contains(text(n), "taken") && !strings.Contains(text(n), "safe-run") {
					t.Errorf("%s: the title was taken over: %s", name, text(n))
				}
			}
			if n.Type == html.ElementNode && n.Data == "table" && !within(n, "th") {
				t.Errorf("%s: a table without heads", name)
			}
		}
		for _, never := range []string{"script", "img", "svg", "link", "iframe", "object", "form", "a"} {
			if count[never] > 0 {
				t.Errorf("%s: the page has %d <%s>", name, count[never], never)
			}
		}
		if count["h1"] != 1 || count["main"] != 1 || count["table"] == 0 {
			t.Errorf("%s: the page is not whole: %v", name, count)
		}
		if name == "attacks" && count["tr"] < 3*len(battery.Probes()) {
			t.Errorf("%d rows for %d attacks under two runtimes, side by side and each", count["tr"], len(battery.Probes()))
		}
		for _, url := range requested(t, log) {
			if !strings.HasPrefix(url, "file://") {
				t.Errorf("%s: the page asks for %s", name, url)
			}
		}
	}
}

func text(n *html.Node) string {
	var out strings.Builder
	for child := range n.Descendants() {
		if child.Type == html.TextNode {
			out.WriteString(child.Data)
		}
	}
	return out.String()
}

func within(n *html.Node, name string) bool {
	for child := range n.Descendants() {
		if child.Type == html.ElementNode && child.Data == name {
			return true
		}
	}
	return false
}

// requested are the addresses that the page had the browser fetch, from its own
// log. What the browser fetches for itself has no initiator.
func requested(t *testing.T, log string) []string {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Events []struct {
			Params struct {
				URL       string `json:"url"`
				Initiator string `json:"initiator"`
			} `json:"params"`
		} `json:"events"`
	}
	// The browser may be gone before it has closed the list.
	trimmed := bytes.TrimRight(data, ", \n")
	if !json.Valid(trimmed) {
		trimmed = append(trimmed, []byte("]}")...)
	}
	if err := json.Unmarshal(trimmed, &parsed); err != nil {
		t.Fatalf("the browser's log: %v", err)
	}
	var out []string
	for _, e := range parsed.Events {
		if e.Params.URL != "" && (e.Params.Initiator != "" && e.Params.Initiator != "not an origin" || strings.Contains(e.Params.URL, "192.0.2.1")) {
			out = append(out, e.Params.URL)
		}
	}
	return out
}

// TestLogSeesRequests: a page that does ask is seen, or TestDOM shows nothing.
func TestLogSeesRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asks.html")
	if err := os.WriteFile(path, []byte(`<!doctype html><img src="http://192.0.2.1/x.png">`), 0o644); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "net.json")
	chromium(t, "--log-net-log="+log, "--timeout=2000", "--dump-dom", "file://"+path)
	if urls := requested(t, log); len(urls) == 0 {
		t.Error("the log does not show that the page asks for a picture")
	}
}

// TestScreenshot: something is to be seen, in light and in dark.
func TestScreenshot(t *testing.T) {
	address := page(t, attacks())
	brightness := map[string]int{}
	for scheme, setting := range map[string]string{"light": "1", "dark": "0"} {
		path := filepath.Join(t.TempDir(), scheme+".png")
		chromium(t, "--blink-settings=preferredColorScheme="+setting, "--screenshot="+path, address)
		brightness[scheme] = look(t, path)
	}
	if brightness["light"] < 200 || brightness["dark"] > 60 {
		t.Errorf("the paper is %v bright (0 to 255)", brightness)
	}
}

// look gives the brightness of the paper, and fails when there is nothing on it.
func look(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	colours := map[string]int{}
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y += 3 {
		for x := bounds.Min.X; x < bounds.Max.X; x += 3 {
			r, g, b, _ := picture.At(x, y).RGBA()
			colours[fmt.Sprint(r>>8, " ", g>>8, " ", b>>8)]++
		}
	}
	if len(colours) < 20 {
		t.Errorf("%s has %d colours: nothing is to be seen", filepath.Base(path), len(colours))
	}
	r, g, b, _ := picture.At(bounds.Min.X+2, bounds.Min.Y+2).RGBA()
	return int(r>>8+g>>8+b>>8) / 3
}
