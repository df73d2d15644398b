package cli

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// restart reads docker's --restart.
func (b *runBuilder) restart(value string) (err error) {
	b.o.Restart, err = parseRestart(value)
	return err
}

// parseRestart reads no, on-failure[:MAX], always or unless-stopped.
func parseRestart(value string) (ledger.Restart, error) {
	policy, most, bounded := strings.Cut(value, ":")
	r := ledger.Restart{Policy: policy}
	switch policy {
	case restartNo, restartAlways, restartUnlessStopped:
		if bounded {
			return r, problem.New("write --restart on-failure:"+most, "only on-failure takes a number of attempts")
		}
		return r, nil
	case restartOnFailure:
		if !bounded {
			return r, nil
		}
		n, err := strconv.Atoi(most)
		if err != nil || n < 0 {
			return r, problem.New("write a whole number: on-failure:3", "%.60q is not a number of attempts", most)
		}
		r.Max = n
		return r, nil
	}
	return r, problem.New("write no, on-failure, on-failure:3, always or unless-stopped", "%.60q is not a restart policy", value)
}

// The least of a log file, so that an entry has room.
const minLogSize = 1 << 10

// logOpt reads the options of docker's json-file driver that bound it.
func (b *runBuilder) logOpt(value string) error {
	name, text, _ := strings.Cut(value, "=")
	switch name {
	case "max-size":
		if text == "-1" {
			return problem.New("write a size, as in max-size=100m", "a log without a bound can fill the disk")
		}
		size, err := profiles.ParseBytes(text)
		if err != nil {
			return err
		}
		if int64(size) < minLogSize {
			return problem.New("write max-size=1k or more", "max-size %s has no room for a line", text)
		}
		b.o.Log.Size = int64(size)
		return nil
	case "max-file":
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return problem.New("write max-file=3, at most 1000", "%.60q is not a number of files", text)
		}
		b.o.Log.Files = n
		return nil
	}
	return problem.New("write max-size=10m or max-file=3", "%.60q is not an option of the log", name)
}

// logDriver accepts what is the case anyway.
func (b *runBuilder) logDriver(value string) error {
	switch value {
	case "json-file", "local":
		return nil
	}
	return &refusal{"--log-driver " + value, "a detached container's log is a file, in docker's json-file format",
		"leave it out, and read it with safe-run logs"}
}

func (b *runBuilder) remove(value string) error {
	on, err := parseBool(value)
	b.o.AutoRemove = &on
	return err
}

// checkLife checks what detaching, removing and restarting mean together.
func (o runOptions) checkLife() error {
	restarts := o.Restart.Policy != "" && o.Restart.Policy != restartNo
	remove := o.AutoRemove != nil && *o.AutoRemove
	switch {
	case !o.Detach && o.AutoRemove != nil && !remove:
		return problem.New("leave it out, or add -d: what runs in the background is kept until safe-run rm", "--rm: a container in the foreground leaves nothing behind when it ends")
	case !o.Detach && restarts:
		return problem.New("add -d, or run it in a shell's loop", "--restart: a container in the foreground ends with its launcher")
	case !o.Detach && o.Log != (ledger.LogLimit{}):
		return problem.New("add -d, or leave it out: the container writes to your standard output and error", "--log-opt: a container in the foreground has no log")
	case o.Detach && o.Explain:
		return problem.New("leave it out: safe-run denials NAME shows what the filter refuses", "--explain: nobody reads what a container in the background would be told of")
	case restarts && remove:
		return problem.New("leave one of them out", "--rm removes the container when it ends, and --restart starts it again")
	}
	return nil
}

// ledgerFlags are what the ledger has of its own, or what is done once.
var ledgerFlags = []string{"detach", "name", "cidfile", "rm", "restart", "log-opt", "log-driver", "quiet", "pull", "sig-proxy", "detach-keys"}

// again writes the command line so that it means the same later, in another
// environment and after the files of variables have changed.
func (b *runBuilder) again(seen []occurrence, args []string) []string {
	var out []string
	for _, entry := range b.o.Request.Env {
		out = append(out, "--env="+entry)
	}
	for _, key := range slices.Sorted(maps.Keys(b.o.Request.Labels)) {
		out = append(out, "--label="+key+"="+b.o.Request.Labels[key])
	}
	for i, f := range seen {
		switch f.name {
		case "env", "env-file", "label", "label-file":
			continue
		}
		if named, ok := b.named[i]; ok {
			out = append(out, named)
			continue
		}
		if !slices.Contains(ledgerFlags, f.name) {
			out = append(out, "--"+f.name+"="+f.value)
		}
	}
	return append(append(out, "--"), args...)
}
