// Package docker converts a command line of docker run, or podman run, to a
// profile.
package docker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/problem"
)

// The most that a command line may have; the kernel takes no more (execve(2)).
const (
	mostWords = 1 << 16
	mostBytes = 2 << 20
)

// Files reads a file that a command line names.
type Files func(name string) ([]byte, error)

// Convert reads a command line: docker run ..., podman run ..., or what follows.
func Convert(words []string, files Files) (convert.Result, error) {
	ask, err := Read(words, files)
	if err != nil {
		return convert.Result{}, err
	}
	return convert.Convert(ask)
}

// reader is a command line that is being read.
type reader struct {
	ask   convert.Ask
	files Files
	// flag is the one that is being read, at word number at.
	flag          flag
	at            int
	quota, period int64
	memorySwapSet *int64
	noShm         bool
}

// Read understands a command line.
func Read(words []string, files Files) (convert.Ask, error) {
	r := &reader{files: files, ask: convert.Ask{Format: "docker"}}
	if err := bounded(words); err != nil {
		return r.ask, err
	}
	start, err := r.program(words)
	if err != nil {
		return r.ask, err
	}
	rest, err := r.flags(words, start)
	if err != nil {
		return r.ask, err
	}
	if rest >= len(words) || words[rest] == "" {
		return r.ask, problem.New("write the whole command line: safe-run convert docker -- docker run [flags] IMAGE", "no image is named")
	}
	r.ask.Image, r.ask.Args = words[rest], words[rest+1:]
	if r.ask.Name == "" {
		r.ask.Name = nameOf(r.ask.Image)
	}
	return r.ask, r.finish()
}

func bounded(words []string) error {
	size := 0
	for i, w := range words {
		size += len(w)
		if strings.ContainsRune(w, 0) {
			return problem.New("remove it", "argument %d holds a zero byte", i+1)
		}
	}
	if len(words) > mostWords || size > mostBytes {
		return problem.New("use --env-file for what is long", "the command line is longer than a kernel takes")
	}
	return nil
}

// program skips the engine's name, its own flags and the verb.
func (r *reader) program(words []string) (int, error) {
	i := 0
	if i < len(words) && isEngine(words[i]) {
		i++
		for i < len(words) && strings.HasPrefix(words[i], "-") {
			if !strings.Contains(words[i], "=") && slices.Contains([]string{"-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "--root", "--runroot"}, words[i]) {
				i++
			}
			i++
		}
		if i < len(words) && words[i] == "container" {
			i++
		}
		if i >= len(words) || words[i] != "run" && words[i] != "create" {
			return 0, problem.New("write docker run or docker create with its flags", "it is not docker run, which alone can be converted")
		}
		return i + 1, nil
	}
	if i < len(words) && words[i] == "run" {
		i++
	}
	return i, nil
}

func isEngine(word string) bool {
	name := word[strings.LastIndexByte(word, '/')+1:]
	return name == "docker" || name == "podman" || name == "nerdctl"
}

// flags reads flags from start on, and gives where they end.
func (r *reader) flags(words []string, start int) (int, error) {
	i := start
	for i < len(words) {
		word := words[i]
		r.at = i + 1
		switch {
		case word == "--":
			return i + 1, nil
		case strings.HasPrefix(word, "--"):
			used, err := r.long(words[i:])
			if err != nil {
				return 0, err
			}
			i += used
		case strings.HasPrefix(word, "-") && word != "-":
			used, err := r.short(words[i:])
			if err != nil {
				return 0, err
			}
			i += used
		default:
			return i, nil
		}
	}
	return i, nil
}

func (r *reader) long(words []string) (int, error) {
	name, value, hasValue := strings.Cut(words[0][2:], "=")
	i := slices.IndexFunc(flags, func(f flag) bool { return f.name == name })
	if i < 0 {
		return 0, problem.New(nearest(name), "argument %d: docker run has no flag %.42q", r.at, "--"+name)
	}
	return r.value(flags[i], value, hasValue, words)
}

// short reads -it, -p80:80 and -p 80:80.
func (r *reader) short(words []string) (int, error) {
	for letters := words[0][1:]; letters != ""; {
		i := slices.IndexFunc(flags, func(f flag) bool { return f.short != "" && strings.HasPrefix(letters, f.short) })
		if i < 0 {
			return 0, problem.New("see docker run --help", "argument %d: docker run has no flag %.11q", r.at, "-"+letters)
		}
		rest := letters[1:]
		if flags[i].toggle && !strings.HasPrefix(rest, "=") {
			if _, err := r.value(flags[i], "true", true, words); err != nil {
				return 0, err
			}
			letters = rest
			continue
		}
		return r.value(flags[i], strings.TrimPrefix(rest, "="), rest != "", words)
	}
	return 1, nil
}

// value sets one flag and gives how many words it took.
func (r *reader) value(f flag, value string, hasValue bool, words []string) (int, error) {
	used := 1
	switch {
	case hasValue:
	case f.toggle:
		value = "true"
	case len(words) < 2:
		return 0, problem.New("write --"+f.name+" VALUE", "argument %d: --%s has no value", r.at, f.name)
	default:
		value, used = words[1], 2
	}
	if f.toggle {
		if _, err := strconv.ParseBool(value); err != nil {
			return 0, problem.New("write --"+f.name+" or --"+f.name+"=false", "argument %d: --%s=%.20q is neither true nor false", r.at, f.name, value)
		}
	}
	r.flag = f
	key, more := f.name, ""
	if key == "net" {
		key = "network"
	}
	if !f.toggle {
		more = " " + value
	}
	switch {
	case f.same:
		r.ask.Flags = append(r.ask.Flags, "--"+f.name+"="+value)
	case f.missing != "":
		r.ask.Tell(convert.Finding{Kind: convert.Missing, Setting: "--" + f.name, Value: strings.TrimSpace(more), Place: r.place(), What: f.missing})
	default:
		r.ask.Said(key, "--"+f.name, r.place())
		if err := f.set(r, value); err != nil {
			return 0, problem.New(problem.HintOf(err), "argument %d: --%s: %w", r.at, f.name, err)
		}
	}
	return used, nil
}

func (r *reader) place() string { return fmt.Sprintf("argument %d", r.at) }

// nearest suggests a flag that is spelt or begins alike.
func nearest(name string) string {
	var names []string
	for _, f := range flags {
		names = append(names, f.name)
	}
	if near := profiles.Nearest(name, names); near != "" {
		return "did you mean --" + near + " ?"
	}
	for n := len(name); n >= 3; n-- {
		for _, f := range flags {
			if strings.HasPrefix(f.name, name[:n]) {
				return "did you mean --" + f.name + " ?"
			}
		}
	}
	return "see docker run --help"
}

// nameOf is the last word of an image's name.
func nameOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	image = image[strings.LastIndexByte(image, '/')+1:]
	image, _, _ = strings.Cut(image, ":")
	return image
}
