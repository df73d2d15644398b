package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

func TestParsePublish(t *testing.T) {
	tests := []struct {
		text string
		want string // ports printed, or the error
	}{
		{"8080", "0.0.0.0::8080/tcp"},
		{"8080:80", "0.0.0.0:8080:80/tcp"},
		{"53:53/udp", "0.0.0.0:53:53/udp"},
		{"53:53/UDP", "0.0.0.0:53:53/udp"},
		{"127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp"},
		{"127.0.0.1::80", "127.0.0.1::80/tcp"},
		{"[::1]:8080:80", "[::1]:8080:80/tcp"},
		{"8000-8002:9000-9002", "0.0.0.0:8000:9000/tcp 0.0.0.0:8001:9001/tcp 0.0.0.0:8002:9002/tcp"},
		{"9000-9001/udp", "0.0.0.0::9000/udp 0.0.0.0::9001/udp"},
		{"65535:65535", "0.0.0.0:65535:65535/tcp"},
		{"", `container port "" is not a number from 1 to 65535`},
		{"80:", `container port "" is not a number from 1 to 65535`},
		{"127.0.0.1:0:80", "127.0.0.1::80/tcp"},
		{"0-1:80-81", `host port "0" is not a number from 1 to 65535`},
		{"80:0", `container port "0" is not a number from 1 to 65535`},
		{"+80:80", `host port "+80" is not a number from 1 to 65535`},
		{"65536:80", `host port "65536" is not a number from 1 to 65535`},
		{"80:80/sctp", `protocol "sctp" cannot be published`},
		{"localhost:80:80", "-p needs an address of the host, not the name localhost"},
		{"1.2.3:80:80", `"1.2.3" is not an IP address`},
		{"::1:80:80", "the IPv6 address ::1 needs brackets"},
		{"[1.2.3.4]:80:80", "the IPv4 address 1.2.3.4 takes no brackets"},
		{"[::1:80:80", `"::1" is not an IP address`},
		{"[fe80::1%eth0]:80:80", "the address fe80::1%eth0 has a zone"},
		{"8000-8002:9000-9001", "the host range 8000-8002 has 3 ports and the container range 9000-9001 has 2"},
		{"8000-8002:9000", "the host range 8000-8002 has 3 ports and the container range 9000 has 1"},
		{"9002-9000", "the container range 9002-9000 runs backwards"},
	}
	for _, test := range tests {
		ports, err := parsePublish(test.text)
		got := fmt.Sprint(err)
		if err == nil {
			var printed []string
			for _, p := range ports {
				printed = append(printed, formatPort(p))
			}
			got = strings.Join(printed, " ")
		} else if problem.HintOf(err) == "" {
			t.Errorf("-p %q: the error has no hint", test.text)
		}
		if got != test.want {
			t.Errorf("-p %q: got %s, want %s", test.text, got, test.want)
		}
	}
}

func FuzzParsePort(f *testing.F) {
	for _, seed := range []string{"8080", "8080:80/udp", "127.0.0.1::80", "[::1]:1-3:4-6", "::1:1:1", "1-:2", "a:b:c/d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := parsePublish(text)
		if err != nil {
			return
		}
		for _, p := range ports {
			again, err := parsePublish(formatPort(p))
			if err != nil || len(again) != 1 || again[0] != p {
				t.Fatalf("%q: %v printed as %s reads as %v, %v", text, p, formatPort(p), again, err)
			}
		}
	})
}
