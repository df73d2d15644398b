package shim

import (
	"strings"
	"testing"

	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	runtimeoptions "github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestReadOptions(t *testing.T) {
	pack := func(m proto.Message) *anypb.Any {
		a, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	body := func(text string) *anypb.Any {
		return pack(&runtimeoptions.Options{ConfigPath: "/etc/x.yaml", ConfigBody: []byte(text)})
	}
	for name, c := range map[string]struct {
		from *anypb.Any
		want Options
		err  string
	}{
		"none":      {nil, Options{}, ""},
		"runc's":    {pack(&runcoptions.Options{SystemdCgroup: true, NoPivotRoot: true, ShimCgroup: "/s"}), Options{Systemd: true, NoPivot: true, ShimCgroup: "/s"}, ""},
		"a name":    {pack(&runcoptions.Options{BinaryName: "web", SystemdCgroup: true}), Options{Systemd: true, Profile: "web"}, ""},
		"a file":    {pack(&runcoptions.Options{BinaryName: "/etc/x.yaml"}), Options{ConfigPath: "/etc/x.yaml"}, ""},
		"a path":    {body(""), Options{ConfigPath: "/etc/x.yaml"}, ""},
		"a section": {body("profile = \"web\"\nonConflict = \"strip\"\nSystemdCgroup = true\n"), Options{Systemd: true, ConfigPath: "/etc/x.yaml", Profile: "web", OnConflict: "strip"}, ""},
		"misspelt":  {body("profil = \"web\"\n"), Options{}, `"profil", which is not known`},
		"not TOML":  {body("profile: web\n"), Options{}, "the runtime's options"},
		"too large": {body("# " + strings.Repeat("x", maxBody)), Options{}, "more than"},
		"others":    {pack(&emptypb.Empty{}), Options{}, ""}, // an empty message says nothing
		"unknown":   {&anypb.Any{TypeUrl: "x.y/Z", Value: []byte("x")}, Options{}, `"Z", which is not known`},
		"damaged":   {&anypb.Any{TypeUrl: "containerd.runc.v1.Options", Value: []byte("\xff")}, Options{}, "the runtime's options"},
	} {
		got, err := readOptions(c.from)
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzReadSection(f *testing.F) {
	f.Add([]byte("profile = \"web\"\nSystemdCgroup = true\n"))
	f.Add([]byte("[a]\nb = [1, {c = 2}]\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if o, err := readSection("", body); err == nil && o.ConfigPath != "" {
			t.Error("a path from nowhere")
		}
	})
}

func TestParseBundle(t *testing.T) {
	oci, err := parseBundle("/b", []byte(`{"process": {"args": ["x"], "cwd": "/", "new": 1}, "root": {"path": "rootfs"}, "unknown": {}}`))
	if err != nil || oci.Root.Path != "/b/rootfs" {
		t.Errorf("%+v, %v", oci, err)
	}
	for _, text := range []string{
		``, `null`, `[]`, `{}`, `{"process": null}`, `{"process": {"args": ["x"], "cwd": "/"}}`, `{"process": {"cwd": "/"}, "root": {}}`,
		`{"process": {"args": ["x"], "cwd": "x"}, "root": {}}`, `{"process": `,
	} {
		if _, err := parseBundle("/b", []byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func FuzzParseBundle(f *testing.F) {
	f.Add([]byte(`{"process": {"args": ["x"], "cwd": "/"}, "root": {"path": "rootfs"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		oci, err := parseBundle("/b", data)
		if err == nil && (oci.Process == nil || !strings.HasPrefix(oci.Root.Path, "/")) {
			t.Errorf("%+v", oci)
		}
	})
}
