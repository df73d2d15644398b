package event

import (
	"fmt"
	"strconv"
	"strings"
)

// Line is the denial in one line.
func (d Denial) Line() string {
	if d.Control == Kernel && d.Syscall == "" || d.Control == Network && d.Address == "" {
		return fmt.Sprintf("denied by %s, %d times: %s", d.Control, d.Count, d.Meaning)
	}
	if d.Control == Memory || d.Control == Pids {
		return fmt.Sprintf("denied by the limit of %s, %d times: %s", d.Control, d.Count, d.Meaning)
	}
	line := fmt.Sprintf("denied by %s: %s failed with %s", d.Control, d.Call(), d.Errno)
	switch {
	case d.Control == Network:
		line = fmt.Sprintf("denied by network: %s was refused", d.Call())
	case d.Process != "" && d.Pid != 0:
		line += fmt.Sprintf(" in %s (pid %d)", d.Process, d.Pid)
	case d.Process != "":
		line += " in " + d.Process
	}
	if d.Count > 1 {
		line += fmt.Sprintf(", %d times", d.Count)
	}
	if d.Meaning != "" {
		line += "; " + d.Meaning
	}
	if d.Risk != "" {
		line += "; it would open " + d.Risk
	}
	return line
}

// Call is what was called, with the arguments that decided: socket(family
// AF_ALG); or what was to be sent where: tcp to 203.0.113.1:443.
func (d Denial) Call() string {
	switch {
	case d.Address != "" && d.Port != 0:
		return d.Protocol + " to " + hostPort(d.Address, d.Port)
	case d.Address != "":
		return d.Protocol + " to " + d.Address
	case d.Syscall == "":
		return d.Control
	}
	if len(d.Arguments) == 0 {
		return d.Syscall
	}
	return d.Syscall + "(" + strings.Join(d.Arguments, ", ") + ")"
}

// hostPort joins an address and a port, as net.JoinHostPort does.
func hostPort(address string, port uint16) string {
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return address + ":" + strconv.Itoa(int(port))
}

// Hint is what would allow it, in one line.
func (d Denial) Hint() string {
	if len(d.Allow) == 0 {
		return d.Instead
	}
	return "to allow it, in a profile: " + flowOf(d.Allow)
}

// flowOf writes the lines of a profile in one: seccomp.allow: [{name: x}].
func flowOf(lines []string) string {
	var parts []string
	section := ""
	for _, line := range lines {
		text := strings.TrimSpace(line)
		switch depth := len(line) - len(strings.TrimLeft(line, " ")); {
		case depth == 0:
			section = strings.TrimSuffix(text, ":")
		case strings.HasPrefix(text, "- "):
			parts = append(parts, section+": ["+strings.TrimPrefix(text, "- ")+"]")
		case strings.Contains(text, ": "):
			parts = append(parts, section+"."+text)
		default:
			section += "." + strings.TrimSuffix(text, ":")
		}
	}
	return strings.Join(parts, " and ")
}
