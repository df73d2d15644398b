package probe

import "testing"

func TestIsHandler(t *testing.T) {
	for pattern, want := range map[string]bool{
		"|/usr/lib/systemd/systemd-coredump %P %u\n": true, "@/run/core.socket\n": true, "@@/run/core.socket": true,
		"core\n": false, "/var/crash/%p": false, "": false, "\n": false,
	} {
		if got := isHandler(pattern); got != want {
			t.Errorf("isHandler(%q) = %v", pattern, got)
		}
	}
}
