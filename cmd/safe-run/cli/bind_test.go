package cli

import (
	"strings"
	"testing"
)

// TestMissingHint: mkdir is no advice for what is no directory.
func TestMissingHint(t *testing.T) {
	for name, mkdir := range map[string]bool{
		"/srv/data": true, "/srv/.cache": true, "/srv/app.conf": true,
		"/var/run/docker.sock": false, "/run/app": false, "/dev/sda": false, "/sys/x": false,
	} {
		if hint := missingHint(name, name); strings.Contains(hint, "mkdir "+name) != mkdir || hint == "" {
			t.Errorf("%s: hint %q", name, hint)
		}
	}
	if hint := missingHint("./app.conf", "/srv/app.conf"); !strings.HasPrefix(hint, "check the path") {
		t.Errorf("what looks like a file: hint %q", hint)
	}
}
