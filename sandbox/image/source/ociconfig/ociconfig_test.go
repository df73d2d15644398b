package ociconfig

import (
	"reflect"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/spec"
)

func keys(s ...string) map[string]struct{} { return set(s) }

func TestRead(t *testing.T) {
	got, err := Read(&v1.ConfigFile{Config: v1.Config{
		User: "app", Env: []string{"B=1", "DROPPED", "A=", "C==x"}, Entrypoint: []string{"/a"}, Cmd: []string{""},
		ExposedPorts: keys("80", "8080/tcp", "80/tcp", "53/UDP", "9-11", "10/udp"),
		Volumes:      keys("/b/", "a", "/b", "../../c"), WorkingDir: "srv/../x", StopSignal: "SIGINT",
		Shell: []string{"/bin/ash", "-c"}, Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "a", ""}, Interval: -1, Timeout: 2, StartPeriod: 3, Retries: 4},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := spec.ImageConfig{
		User: "app", Env: []string{"B=1", "A=", "C==x"}, Entrypoint: []string{"/a"}, Cmd: []string{""},
		ExposedPorts: []string{"9/tcp", "10/tcp", "10/udp", "11/tcp", "53/udp", "80/tcp", "8080/tcp"},
		Volumes:      []string{"/a", "/b", "/c"}, WorkingDir: "/x", StopSignal: "SIGINT",
		Shell: []string{"/bin/ash", "-c"}, Health: &spec.ImageHealth{Test: []string{"CMD", "a", ""}, Interval: -1, Timeout: 2, StartPeriod: 3, Retries: 4},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	again, err := Read(&v1.ConfigFile{Config: Write(got)})
	if err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("written and read again: %+v, %v", again, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		config v1.Config
		what   string
	}{
		"port 0":          {v1.Config{ExposedPorts: keys("0/tcp")}, "port"},
		"port too high":   {v1.Config{ExposedPorts: keys("65536")}, "port"},
		"port of nothing": {v1.Config{ExposedPorts: keys("")}, "port"},
		"port backwards":  {v1.Config{ExposedPorts: keys("9-8")}, "port"},
		"protocol":        {v1.Config{ExposedPorts: keys("80/http")}, "80/http"},
		"every port":      {v1.Config{ExposedPorts: keys("1-65535")}, "more than 1024"},
		"nameless":        {v1.Config{Env: []string{"=x"}}, "variable"},
		"NUL in env":      {v1.Config{Env: []string{"A=\x00"}}, "variable"},
		"NUL in command":  {v1.Config{Cmd: []string{"a\x00"}}, "NUL"},
		"NUL in user":     {v1.Config{User: "\x00"}, "NUL"},
		"the root":        {v1.Config{Volumes: keys("/..")}, "volume"},
		"a huge shell":    {v1.Config{Shell: make([]string, 5000)}, "shell has more than 1024 words"},
		"NUL in shell":    {v1.Config{Shell: []string{"a\x00"}}, "NUL"},
		"many words":      {v1.Config{Healthcheck: &v1.HealthConfig{Test: make([]string, 5000)}}, "more than 1024 words"},
		"long words":      {v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"CMD", strings.Repeat("x", 70000)}}}, "longer than 65536 bytes"},
		"NUL in check":    {v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "\x00"}}}, "NUL"},
	} {
		if _, err := Read(&v1.ConfigFile{Config: c.config}); err == nil || !strings.Contains(err.Error(), c.what) {
			t.Errorf("%s: error %v, want %q", name, err, c.what)
		}
	}
}

// TestReadWhole: docker has a start interval, which OCI's type does not.
func TestReadWhole(t *testing.T) {
	c := &v1.ConfigFile{Config: v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "a"}}}}
	got, err := ReadWhole(c, []byte(`{"config":{"Healthcheck":{"Test":["CMD","a"],"StartInterval":7}}}`))
	if err != nil || got.Health.StartInterval != 7 {
		t.Errorf("%+v, %v", got.Health, err)
	}
	if _, err := ReadWhole(c, []byte(`{"config":{"Healthcheck":{"StartInterval":"7"}}}`)); err == nil || !strings.Contains(err.Error(), "start interval") {
		t.Errorf("a text for a time: %v", err)
	}
}
