package dockerline

import (
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// withValue are the options of docker run (and create) that take one, flags those
// that take none.
var (
	withValue = strings.Fields(`add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile
cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach-keys device
device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops dns dns-opt dns-option dns-search domainname entrypoint env
env-file expose gpus group-add health-cmd health-interval health-retries health-start-interval health-start-period health-timeout hostname
io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory
memory-reservation memory-swap memory-swappiness mount name net net-alias network network-alias oom-score-adj pid pids-limit platform publish pull
restart runtime security-opt shm-size stop-signal stop-timeout storage-opt sysctl tmpfs ulimit user userns uts volume volume-driver volumes-from workdir`)
	flags = strings.Fields(`detach disable-content-trust help init interactive no-healthcheck oom-kill-disable privileged publish-all quiet read-only rm
sig-proxy tty use-api-socket`)
	letters = map[byte]string{
		'a': "attach", 'c': "cpu-shares", 'd': "detach", 'e': "env", 'h': "hostname", 'i': "interactive", 'l': "label", 'm': "memory",
		'p': "publish", 'P': "publish-all", 'q': "quiet", 't': "tty", 'u': "user", 'v': "volume", 'w': "workdir",
	}
)

// option is one that was given, in the order of the line.
type option struct{ name, value string }

// parsed is a command line taken apart.
type parsed struct {
	options []option
	image   string
	command []string
}

// parse takes the words after "run" apart: options, an image, its command.
func parse(all []string) (parsed, error) {
	var p parsed
	for i := 0; i < len(all); i++ {
		word := all[i]
		switch {
		case word == "--":
			return p.rest(all[i+1:])
		case strings.HasPrefix(word, "--"):
			name, value, given := strings.Cut(word[2:], "=")
			used, err := p.add(name, value, given, all[i+1:])
			if err != nil {
				return p, err
			}
			i += used
		case len(word) > 1 && word[0] == '-':
			used, err := p.short(word[1:], all[i+1:])
			if err != nil {
				return p, err
			}
			i += used
		default:
			return p.rest(all[i:])
		}
	}
	return p.rest(nil)
}

func (p parsed) rest(words []string) (parsed, error) {
	if len(words) == 0 || words[0] == "" {
		return p, problem.New("docker run [OPTIONS] IMAGE [COMMAND]", "the command line names no image")
	}
	p.image, p.command = words[0], words[1:]
	return p, nil
}

// add takes one long option, and says how many words more it used.
func (p *parsed) add(name, value string, given bool, next []string) (int, error) {
	switch {
	case slices.Contains(flags, name):
		if !given {
			value = "true"
		}
		p.options = append(p.options, option{name, value})
		return 0, nil
	case !slices.Contains(withValue, name):
		return 0, problem.New("see docker run --help", "docker run has no option --%.60s", name)
	case given:
		p.options = append(p.options, option{name, value})
		return 0, nil
	case len(next) == 0:
		return 0, problem.New("see docker run --help", "the option --%s needs a value", name)
	}
	p.options = append(p.options, option{name, next[0]})
	return 1, nil
}

// short takes letters: -it, -p8080:80, -p 8080:80.
func (p *parsed) short(word string, next []string) (int, error) {
	for i := 0; i < len(word); i++ {
		name, known := letters[word[i]]
		if !known {
			return 0, problem.New("see docker run --help", "docker run has no option -%c", word[i])
		}
		if slices.Contains(flags, name) {
			p.options = append(p.options, option{name, "true"})
			continue
		}
		if rest := strings.TrimPrefix(word[i+1:], "="); i+1 < len(word) {
			p.options = append(p.options, option{name, rest})
			return 0, nil
		}
		return p.add(name, "", false, next)
	}
	return 0, nil
}

// last is the last value of an option, which counts.
func (p parsed) last(names ...string) (string, bool) {
	for _, o := range slices.Backward(p.options) {
		if slices.Contains(names, o.name) {
			return o.value, true
		}
	}
	return "", false
}

// every value of an option, in order.
func (p parsed) every(names ...string) []option {
	var out []option
	for _, o := range p.options {
		if slices.Contains(names, o.name) {
			out = append(out, o)
		}
	}
	return out
}

// on says whether a flag is set: docker reads what strconv.ParseBool reads.
func (p parsed) on(name string) bool {
	value, there := p.last(name)
	return there && slices.Contains([]string{"1", "t", "T", "true", "TRUE", "True"}, value)
}
