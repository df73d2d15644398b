package cli

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// runBuilder turns the occurrences of flags into runOptions.
type runBuilder struct {
	o runOptions
	// flag is the one that is being read, the at-th of the command line.
	flag string
	at   int
	// named are flags in place of those that asked for a volume without a name.
	named map[int]string
	// Files of variables come before the variables of the command line, in
	// whatever order they were written, as in docker.
	fileEnv, lineEnv []string
	fileLabels       map[string]string
	// swap is --memory-swap, which counts memory too.
	swap *profiles.Bytes
}

// parseRun reads the command line of run, without the verb.
func parseRun(args []string) (runOptions, error) {
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	fs.Usage = func() {}
	seen := addRunFlags(fs)
	if err := fs.Parse(args); err != nil {
		return runOptions{}, flagError("safe-run run", fs, err)
	}
	return buildRun(*seen, fs.Args())
}

// buildRun reads flags and arguments that were taken apart.
func buildRun(seen []occurrence, args []string) (runOptions, error) {
	b := runBuilder{fileLabels: map[string]string{}}
	b.o.Profile, b.o.SigProxy, b.o.Format = "default", true, formatTable
	b.o.DetachKeys, _ = parseDetachKeys(defaultDetachKeys)
	b.o.Layer.Origins = profiles.Origins{}
	b.o.Request.Labels = map[string]string{}
	for i, f := range seen {
		b.flag, b.at = "--"+f.name, i
		if err := f.set(&b, f.value); err != nil {
			return runOptions{}, b.fail(err)
		}
	}
	if err := b.finish(); err != nil {
		return runOptions{}, err
	}
	if b.o.Pool != "" {
		b.o.Request.Args = args // the pool has the image
		return b.o, nil
	}
	if len(args) == 0 || args[0] == "" {
		return runOptions{}, problem.New("for example: safe-run --profile web -p 127.0.0.1:8080:80 oci:./myapp",
			"no image is named")
	}
	b.o.Image, b.o.Request.Args = args[0], args[1:]
	if b.o.Detach {
		b.o.Again = b.again(seen, args)
	}
	return b.o, nil
}

// fail says which flag could not be read. Its value is not repeated, because
// it may hold a secret.
func (b *runBuilder) fail(err error) error {
	if _, ok := err.(*refusal); ok { //nolint:errorlint // a refusal names the flag itself
		return err
	}
	return problem.New(problem.HintOf(err), "%s: %w", b.flag, err)
}

// finish does what needs more than one flag.
func (b *runBuilder) finish() error {
	b.o.Request.Env = append(b.fileEnv, b.lineEnv...)
	labels := b.fileLabels
	maps.Copy(labels, b.o.Request.Labels)
	b.o.Request.Labels = labels
	b.o.Request.Terminal = b.o.TTY
	b.settleVolumes()
	if err := b.o.checkLife(); err != nil {
		return err
	}
	if err := b.health(); err != nil {
		return err
	}
	if b.swap == nil {
		return nil
	}
	memory := b.o.Layer.Resources.Memory
	if memory == nil {
		return problem.New("add --memory; the difference of the two is the swap",
			"--memory-swap counts memory and swap together, and says nothing alone")
	}
	if *b.swap < *memory {
		return problem.New("give --memory-swap at least the size of --memory",
			"--memory-swap %s is less than --memory %s", b.swap, memory)
	}
	b.o.Layer.Resources.Swap = new(*b.swap - *memory)
	b.flag = "--memory-swap"
	b.layer("resources.swap")
	return nil
}

// layer notes that the setting at path comes from the flag.
func (b *runBuilder) layer(path string) {
	b.o.Layer.Origins[path] = profiles.Origin{Source: "flag " + b.flag, Why: b.why()}
}

// why is the reason of what a flag loosens.
func (b *runBuilder) why() string { return "asked for with " + b.flag + " on the command line" }

// text is a flag that is one string; the last occurrence counts.
func text(field func(*runBuilder) *string) func(*runBuilder, string) error {
	return func(b *runBuilder, value string) error {
		if value == "" {
			return problem.New("write a value, or leave the flag out", "the value is empty")
		}
		*field(b) = value
		return nil
	}
}

// toggle is a flag that is on or off.
func toggle(field func(*runBuilder) *bool) func(*runBuilder, string) error {
	return func(b *runBuilder, value string) (err error) {
		*field(b), err = parseBool(value)
		return err
	}
}

func parseBool(value string) (bool, error) {
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, problem.New("write =true or =false after the flag", "%q is neither true nor false", value)
	}
	return on, nil
}

func (b *runBuilder) env(value string) error {
	entry, given, err := parseEnv(value, os.LookupEnv)
	if given {
		b.lineEnv = append(b.lineEnv, entry)
	}
	return err
}

func (b *runBuilder) envFile(name string) error {
	data, err := policies.ReadBounded(name, maxEnvFile)
	if err != nil {
		return err
	}
	env, err := parseEnvFile(name, data, os.LookupEnv)
	b.fileEnv = append(b.fileEnv, env...)
	return err
}

func (b *runBuilder) label(value string) error {
	key, label, err := parseLabel(value)
	b.o.Request.Labels[key] = label
	return err
}

func (b *runBuilder) labelFile(name string) error {
	data, err := policies.ReadBounded(name, maxEnvFile)
	if err != nil {
		return err
	}
	lines, err := parseEnvFile(name, data, func(string) (string, bool) { return "", true })
	for _, line := range lines {
		key, label, err := parseLabel(line)
		if err != nil {
			return err
		}
		b.fileLabels[key] = label
	}
	return err
}

func (b *runBuilder) workdir(dir string) (err error) {
	if dir != "/" {
		dir, err = cleanTarget(dir)
	}
	b.o.Request.WorkingDir = dir
	return err
}

func (b *runBuilder) entrypoint(program string) error {
	b.o.Request.Entrypoint = &program
	return nil
}

func (b *runBuilder) pull(when string) (err error) {
	b.o.Pull, err = image.ParsePull(when)
	return err
}

// cidfile must not be there: somebody may still use the id in it.
func (b *runBuilder) cidfile(name string) error {
	if name == "" {
		return problem.New("name a file", "the value is empty")
	}
	if _, err := os.Lstat(name); err == nil {
		return problem.New("name a new file, or remove this one", "%q is there already", name)
	}
	if dir := filepath.Dir(name); !isDir(dir) {
		return problem.New("make it first: mkdir -p "+dir, "there is no directory %q", dir)
	}
	b.o.CIDFile = name
	return nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func (b *runBuilder) detachKeys(value string) (err error) {
	b.o.DetachKeys, err = parseDetachKeys(value)
	return err
}

func (b *runBuilder) publish(value string) error {
	ports, err := parsePublish(value)
	b.o.Request.Publish = append(b.o.Request.Publish, ports...)
	return err
}

// expose is metadata in docker too: it opens nothing.
func (b *runBuilder) expose(value string) error {
	if strings.ContainsRune(value, ':') {
		return problem.New("publish it with -p", "%q maps a port, which --expose does not", value)
	}
	_, err := parsePublish(value)
	return err
}

func (b *runBuilder) volume(value string) error {
	m, err := parseVolume(value)
	if err != nil {
		return err
	}
	return b.addMount(m)
}

func (b *runBuilder) mount(value string) error {
	m, err := parseMount(value)
	if err != nil {
		return err
	}
	return b.addMount(m)
}

func (b *runBuilder) addMount(m mount) error {
	switch {
	case m.Tmpfs != nil:
		return b.addTmpfs(*m.Tmpfs)
	case m.Volume != nil:
		return b.addVolume(*m.Volume)
	}
	return b.bind(*m.Bind)
}

func (b *runBuilder) capDrop(value string) error {
	name := "ALL"
	if value != "ALL" && value != "all" {
		var err error
		if name, err = profiles.ParseCapability(value); err != nil {
			return err
		}
	}
	if !slices.Contains(b.o.CapDrop, name) {
		b.o.CapDrop = append(b.o.CapDrop, name)
	}
	return nil
}
