package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// parseUlimit reads docker's grammar of --ulimit, name=soft[:hard]. Whether
// there is a limit of that name is for profiles.Validate to say.
func parseUlimit(text string) (profiles.Rlimit, error) {
	name, values, found := strings.Cut(text, "=")
	if !found {
		return profiles.Rlimit{}, problem.New("write it as nofile=1024 or nofile=1024:4096",
			"%q names no limit", text)
	}
	softText, hardText, two := strings.Cut(values, ":")
	soft, err := parseLimit(softText)
	if err != nil {
		return profiles.Rlimit{}, err
	}
	hard := soft
	if two {
		if hard, err = parseLimit(hardText); err != nil {
			return profiles.Rlimit{}, err
		}
	}
	if soft > hard {
		return profiles.Rlimit{}, problem.New("write it as SOFT:HARD, the lower number first",
			"the soft limit %d of %s is above the hard limit %d", soft, name, hard)
	}
	return profiles.Rlimit{Name: name, Soft: &soft, Hard: &hard}, nil
}

func parseLimit(text string) (int64, error) {
	if text == "-1" || text == "unlimited" {
		return 0, problem.New("name a number: the launcher's own hard limit is in `ulimit -H -a`",
			"an unlimited resource cannot be had")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, problem.New("write a whole number", "%q is not a limit", text)
	}
	return n, nil
}

// formatUlimit writes a limit so that parseUlimit reads the same.
func formatUlimit(r profiles.Rlimit) string {
	return fmt.Sprintf("%s=%d:%d", r.Name, *r.Soft, *r.Hard)
}
