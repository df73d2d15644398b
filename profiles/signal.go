package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Signal is a signal's name: SIGTERM.
type Signal string

// signalNames are the signals of x86-64 and arm64 by number, from signal(7).
// Their numbers do not depend on the machine that compiles a plan.
var signalNames = [...]string{
	1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE",
	9: "KILL", 10: "USR1", 11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM",
	16: "STKFLT", 17: "CHLD", 18: "CONT", 19: "STOP", 20: "TSTP", 21: "TTIN", 22: "TTOU",
	23: "URG", 24: "XCPU", 25: "XFSZ", 26: "VTALRM", 27: "PROF", 28: "WINCH", 29: "IO",
	30: "PWR", 31: "SYS",
}

// signalAliases are second names of the same numbers.
var signalAliases = map[string]string{"IOT": "ABRT", "CLD": "CHLD", "POLL": "IO"}

// The real-time signals. The C library keeps the first two, 32 and 33.
const (
	signalRTMin = 34
	signalRTMax = 64
)

// ParseSignal reads a signal by name, with or without SIG and in either case,
// or by number, and gives its canonical name. Real-time signals are named from
// SIGRTMIN, as in SIGRTMIN+3.
func ParseSignal(text string) (Signal, error) {
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if alias, ok := signalAliases[name]; ok {
		name = alias
	}
	n := slices.Index(signalNames[:], name)
	if digits(text) {
		n, _ = strconv.Atoi(text)
	} else if strings.HasPrefix(name, "RT") {
		n = realTime(name)
	}
	if n < 1 || (n >= len(signalNames) && n < signalRTMin) || n > signalRTMax {
		return "", badScalar("signal", text, "write a name or a number of signal(7): SIGTERM, QUIT, 15, SIGRTMIN+3")
	}
	return signalOf(n), nil
}

// signalOf gives the canonical name of a number that is known to be a signal.
func signalOf(n int) Signal {
	switch {
	case n < len(signalNames):
		return Signal("SIG" + signalNames[n])
	case n == signalRTMin:
		return "SIGRTMIN"
	}
	return Signal(fmt.Sprintf("SIGRTMIN+%d", n-signalRTMin))
}

// realTime reads RTMIN, RTMIN+3, RTMAX and RTMAX-1; 0 when it is none.
func realTime(name string) int {
	base, sign := signalRTMin, "+"
	rest, ok := strings.CutPrefix(name, "RTMIN")
	if !ok {
		base, sign = signalRTMax, "-"
		rest, ok = strings.CutPrefix(name, "RTMAX")
	}
	if ok && rest == "" {
		return base
	}
	number, signed := strings.CutPrefix(rest, sign)
	if !ok || !signed || !digits(number) {
		return 0
	}
	n, err := strconv.Atoi(number)
	if err != nil || n > signalRTMax-signalRTMin {
		return 0
	}
	if sign == "-" {
		n = -n
	}
	return base + n
}

func digits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// Number is the signal's number on Linux; 0 when s is not a signal.
func (s Signal) Number() int {
	name := strings.TrimPrefix(string(s), "SIG")
	if n := slices.Index(signalNames[1:], name); n >= 0 {
		return n + 1
	}
	return realTime(name)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Signal) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSignal(string(text))
	return err
}
