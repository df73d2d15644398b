package audit

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// FuzzAudit looks at any two layers under any config. Findings are of known
// rules, in order, and fit to be printed.
func FuzzAudit(f *testing.F) {
	config, err := json.Marshal(messy().Config)
	if err != nil {
		f.Fatal(err)
	}
	layer := imagetest.Files{
		"etc/passwd": {Content: passwd}, "etc/os-release": {Content: "ID=debian\nVERSION_ID=8\n"}, "k": {Content: pem("")},
		"x": {Mode: 0o777, Xattrs: map[string]string{"security.capability": caps(3, 1<<21, 7)}}, "etc/shadow": {Content: "a::\n"},
	}.Tar()
	f.Add(layer, imagetest.Files{".wh.k": {}, "etc/.wh..wh..opq": {}}.Tar(), config)
	f.Add(entries(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: ".."}, tar.Header{Name: "l/x"}), layer,
		[]byte(`{"config":{"User":"l","Entrypoint":["l/x"],"Env":["PATH=/l:","=","A"],"Volumes":{"":{}},"ExposedPorts":{"22":{}}},"history":[{}]}`))
	f.Fuzz(func(t *testing.T, lower, upper, raw []byte) {
		in := Input{Reference: "app", Now: time.Unix(1_700_000_000, 0), Limits: bounds.Limits{Entries: 300, Bytes: 1 << 20, Names: 1 << 18, Layers: 2}}
		if json.Unmarshal(raw, &in.Config) != nil {
			return
		}
		in.Layers = append(in.Layers, tarLayer(lower), tarLayer(upper))
		checkFindings(t, in)
	})
}

// FuzzAuditEntries looks at two layers of entries: in each line a type, a mode
// in octal, a name and what it links to or holds. Mutated bytes of a tar seldom
// have a right checksum; mutated lines always make a tar.
func FuzzAuditEntries(f *testing.F) {
	f.Add("2 777 a ..\n2 777 b a/..\n5 777 d\n0 4755 d/su", "0 666 a/x\n0 644 b/.netrc password hunter2\n1 0 h b/x\n0 0 d/.wh..wh..opq\n0 0 .wh.b")
	f.Add("5 755 a/b/c\n0 755 a/b/c/run", "2 0 a/b /\n0 0 a/b/new\n0 0 a/.wh.b\n6 0 a/b\n3 0 a/b\n0 644 etc/passwd root:x:0:0")
	f.Fuzz(func(t *testing.T, lower, upper string) {
		in := Input{Config: &v1.ConfigFile{Config: v1.Config{User: "7", Cmd: []string{"run"}, Env: []string{"PATH=/a/b/c:/d"}}}}
		in.Limits = bounds.Limits{Entries: 300, Bytes: 1 << 20, Names: 1 << 18, Layers: 2}
		in.Layers = append(in.Layers, tarLayer(linesTar(lower)), tarLayer(linesTar(upper)))
		checkFindings(t, in)
	})
}

// linesTar makes a tar of lines.
func linesTar(lines string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for line := range strings.Lines(lines) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(part) < 3 || part[0] == "" {
			continue
		}
		mode, _ := strconv.ParseInt(part[1], 8, 32)
		h := tar.Header{Typeflag: part[0][0], Mode: mode, Name: part[2], Uid: len(line) % 9, Format: tar.FormatPAX}
		content := ""
		switch {
		case len(part) < 4:
		case h.Typeflag == tar.TypeReg:
			content, h.Size = part[3], int64(len(part[3]))
		default:
			h.Linkname = part[3]
		}
		if w.WriteHeader(&h) == nil { // what cannot be written is left out
			_, _ = w.Write([]byte(content))
		}
	}
	w.Close()
	return out.Bytes()
}

// checkFindings runs the audit and looks at what it finds.
func checkFindings(t *testing.T, in Input) {
	found, err := Run(context.Background(), in)
	if err != nil {
		return
	}
	for _, finding := range found {
		if !slices.ContainsFunc(Rules, func(r Rule) bool { return r.ID == finding.ID }) || finding.Severity == None {
			t.Errorf("finding %+v", finding)
		}
	}
	var out bytes.Buffer
	if err := Table(&out, found); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(out.String(), func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) {
		t.Errorf("the table has what cannot be printed: %q", out.String())
	}
	if err := SARIF(&out, in.Reference, "", found); err != nil {
		t.Fatal(err)
	}
}

// FuzzMaskLine: what is found in a line is not in what is shown of it.
func FuzzMaskLine(f *testing.F) {
	f.Add("RUN |2 TOKEN=\"a b c\" PW_SECRET='x' https://me:hunter2@a.example")
	f.Add("ENV DB_PASSWORD hunter2 " + githubToken())
	f.Add(`TOKEN=" "0 API_KEY='a'"b" PW_TOKEN="never ends`)
	f.Add("TOKEN=https://a:bcdef|@")
	f.Add("a=b=c=d=e=f=g=PASSWORD=hunter2")
	f.Add(pem("RSA ") + "Wassword=PI_TOKEN=EF0123456789")
	f.Add("--password=API_TOKEN=https://a:bcdefg@h " + pem("RSA "))
	f.Fuzz(func(t *testing.T, line string) {
		if len(line) > maxScannedLine {
			return
		}
		for _, l := range leaksOf(maskLine(line)) {
			t.Errorf("%q shows %+v", maskLine(line), l)
		}
		_ = shownLine(line)
	})
}

// FuzzSecrets reads any file under any name.
func FuzzSecrets(f *testing.F) {
	for i := range credentialFiles {
		f.Add(credentialFiles[i].names[0], []byte("password = hunter2\ntoken: abcdefgh\n"))
	}
	f.Add("root/.docker/config.json", []byte(`{"auths":{"a":{"auth":"b"}}}`))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		lines := 1 + bytes.Count(content, []byte("\n"))
		for _, s := range secretsOf(name, content) {
			if s.line < 1 || s.line > lines || len(s.start) > 4 || s.kind == "" || s.severity == None {
				t.Errorf("secret %+v", s)
			}
		}
		_ = osRelease(content)
		_ = findAccount(name, content)
	})
}
