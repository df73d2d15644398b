package main

import (
	"fmt"
	"os"
	"strings"
)

// each makes several looks in one container: commands parted by ";", a line for
// each with what it was in front.
func each(args []string) (string, error) {
	var lines []string
	for _, text := range strings.Split(strings.Join(args, " "), ";") {
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		c, known := commands[words[0]]
		if !known || len(words)-1 < c.min {
			return "", fmt.Errorf("there is no look %q", text)
		}
		line, err := c.run(words[1:])
		if err != nil {
			line = errName(err)
		}
		lines = append(lines, strings.Join(words, " ")+" = "+strings.ReplaceAll(line, "\n", " | "))
	}
	return strings.Join(lines, "\n"), nil
}

// limits are those that an export can set, without that of open files: Go
// raises its own.
func limits([]string) (string, error) {
	data, err := os.ReadFile("/proc/self/limits")
	var out []string
	for _, line := range strings.Split(string(data), "\n") {
		fields := strings.Fields(strings.TrimPrefix(line, "Max "))
		if len(fields) > 3 && (strings.HasPrefix(line, "Max processes") || strings.HasPrefix(line, "Max core")) {
			out = append(out, strings.Join(fields, " "))
		}
		if len(fields) > 3 && strings.HasPrefix(line, "Max open files") {
			out = append(out, "open files "+fields[3])
		}
	}
	return strings.Join(out, ", "), err
}
