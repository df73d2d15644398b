package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPages(t *testing.T) {
	dir := t.TempDir()
	if err := generate(dir); err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string][]string{
		"safe-run.1":              {"locked down", "safe-run-profile(1)"},
		"safe-run-run.1":          {"--publish", "--profile", "[IP:]HOST:CONTAINER", "oci:./app"},
		"safe-run-explain.1":      {"--egress"},
		"safe-run-profile-show.1": {"--resolved"},
		"safe-run-image.1":        {"safe-run-image-pull(1)", "safe-run-image-verify(1)", "--store"},
		"safe-run-image-pull.1":   {"--pull", "registries.conf(5)", "--max-bytes"},
		"safe-run-oci.1":          {"/etc/safe-run/oci.yaml", "--systemd-cgroup", "safe-run-oci-exec(1)"},
		"safe-run-oci-create.1":   {"--console-socket", "--bundle", "[flags] container-id"},
		"safe-run-image-save.1":   {"docker-archive:FILE:NAME"},
	} {
		page, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, word := range words {
			if !strings.Contains(string(page), word) {
				t.Errorf("%s does not speak of %s", name, word)
			}
		}
		if strings.Contains(string(page), "privileged") {
			t.Errorf("%s speaks of flags that cannot be had", name)
		}
	}
}
