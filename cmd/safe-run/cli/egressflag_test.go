package cli

import (
	"fmt"
	"reflect"
	"testing"
)

func TestParseEgress(t *testing.T) {
	tests := []struct{ text, want string }{
		{"internet", "internet"},
		{"internet:443", "internet:443/tcp"},
		{"10.0.0.0/8:53/udp", "10.0.0.0/8:53/udp"},
		{"10.0.3.7:8000-8100", "10.0.3.7:8000-8100/tcp"},
		{"2001:db8::1", "2001:db8::1"},
		{"[2001:db8::/32]:443", "[2001:db8::/32]:443/tcp"},
		{"[2001:db8::1]", "2001:db8::1"},
		{"internet:", `"internet:" names no port after the colon`},
		{"[2001:db8::1]443", `"[2001:db8::1]443" is not a destination`},
		{"[2001:db8::1", `"[2001:db8::1" is not a destination`},
		{"example.com:443", `"example.com" is not a destination`},
		{"", `"" is not a destination`},
	}
	for _, test := range tests {
		egress, err := parseEgress(test.text)
		got := fmt.Sprint(err)
		if err == nil {
			got = formatEgress(egress)
		}
		if got != test.want {
			t.Errorf("--egress %q: got %s, want %s", test.text, got, test.want)
		}
	}
	for _, text := range []string{"internet:0", "internet:99999", "internet:443/sctp", "internet:9-1", "10.0.0.0/33"} {
		if egress, err := parseEgress(text); err == nil {
			t.Errorf("--egress %q is read as %+v", text, egress)
		}
	}
}

func FuzzEgress(f *testing.F) {
	for _, seed := range []string{"internet:443", "[::/0]:1-2/udp", "10.0.0.0/8", "2001:db8::1", "[]:1", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		egress, err := parseEgress(text)
		if err != nil {
			return
		}
		again, err := parseEgress(formatEgress(egress))
		if err != nil || !reflect.DeepEqual(again, egress) {
			t.Fatalf("%q: %+v printed as %q reads as %+v, %v", text, egress, formatEgress(egress), again, err)
		}
	})
}
