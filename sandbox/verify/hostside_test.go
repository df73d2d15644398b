package verify

import (
	"errors"
	"net"
	"testing"

	"github.com/safe-run/safe-run/spec/battery"
)

// TestLed: an image that did not start is refused only where the launcher says that
// its link is why.
func TestLed(t *testing.T) {
	links := []string{"proc", "TRAP"}
	failed := func(words string) attacked { return attacked{wrong: errors.New(words)} }
	ran := func(v battery.Verdict) attacked {
		return attacked{said: said{lines: []Line{{ID: "M13", Verdict: v}}}}
	}
	early := ran(battery.Blocked)
	early.wrong = errors.New(`error mounting "proc" to rootfs at "/proc": filesystem "proc" must be mounted on ordinary directory`)
	for _, test := range []struct {
		name    string
		got     attacked
		control battery.Verdict
		want    battery.Verdict
	}{
		{"it ran and led nowhere", ran(battery.Blocked), battery.Blocked, battery.Blocked},
		{"it got out", ran(battery.Allowed), battery.Blocked, battery.Allowed},
		{"so does an image without links", ran(battery.Allowed), battery.Allowed, battery.Blocked},
		{"its link is refused", failed(`start: error mounting "proc" to rootfs at "/proc": filesystem "proc" must be mounted on ordinary directory`), "", battery.Blocked},
		{"another link is refused", failed(`start: error mounting "sysfs" to rootfs at "/sys": filesystem "sysfs" must be mounted on ordinary directory`), "", battery.Error},
		{"a full disk", failed("write /var/lib/safe-run: no space left on device"), "", battery.Error},
		{"a signature is missing", failed("the image is not signed, and the profile wants that"), "", battery.Error},
		{"a control group is missing", failed(`open /sys/fs/cgroup/pids: no such file or directory, see "/proc"`), "", battery.Error},
		{"it ended early", early, "", battery.Error},
	} {
		if got := led(links, test.got, map[string]Line{"M13": {Verdict: test.control}}); got.Verdict != test.want {
			t.Errorf("%s: %+v, want %s", test.name, got, test.want)
		}
	}
}

// TestStranger: who is neither this host nor in a network that it made for
// containers is nobody of ours.
func TestStranger(t *testing.T) {
	of := func(cidr string) *net.IPNet {
		ip, n, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = ip
		return n
	}
	addresses := []net.Addr{of("127.0.0.1/8"), of("192.0.2.7/24"), of("10.89.0.1/19")}
	for peer, want := range map[string]bool{
		"192.0.2.7": false, "127.0.0.1": false, "10.89.0.1": false, "10.89.3.4": false,
		"192.0.2.9": true, "198.51.100.1": true,
	} {
		if got := stranger(net.ParseIP(peer), net.ParseIP("192.0.2.7"), addresses); got != want {
			t.Errorf("%s: %v", peer, got)
		}
	}
}
