package cli

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/export"
)

// imageFacts is what is known of an image: by its name, and from the store of
// this host when it is there. Nothing is fetched.
func imageFacts(reference string) (export.Image, error) {
	out := export.Image{Reference: reference}
	if reference == "" {
		return out, nil
	}
	ref, err := image.Parse(reference)
	if err != nil {
		return out, err
	}
	if !ref.IsFile() {
		_, _, out.Digest = ref.Name()
	}
	store, err := image.OpenStore("")
	if err != nil {
		return out, nil // no store of one's own: nothing is known, and the target says so
	}
	record := store.Record(ref.Full())
	if record == nil {
		return out, nil
	}
	entry := store.Entry(record.Digest)
	if entry == nil {
		return out, nil
	}
	// What no registry is known to have cannot be fetched by its digest.
	if out.Digest == "" && record.Repository != "" {
		out.Digest = entry.Digest
		if entry.Index != "" {
			out.Digest = entry.Index // for all architectures
		}
	}
	c := entry.Config
	out.Config, out.User = true, numericUser(c.User, entry)
	out.Entrypoint, out.Cmd, out.WorkingDir, out.Volumes = c.Entrypoint, c.Cmd, c.WorkingDir, c.Volumes
	out.Health = imageHealth(c)
	for _, text := range c.ExposedPorts {
		number, protocol, _ := strings.Cut(text, "/")
		if n, err := strconv.ParseUint(number, 10, 16); err == nil && n > 0 && (protocol == "tcp" || protocol == "udp") {
			out.Exposed = append(out.Exposed, export.Port{ContainerPort: uint16(n), Protocol: protocol})
		}
	}
	return out, nil
}

// numericUser is the image's user by number, where its files of accounts say it.
func numericUser(user string, entry *image.Entry) string {
	if user == "" {
		return ""
	}
	if numbers, err := spec.UserNumbers(user, entry.Passwd, entry.Group); err == nil {
		return numbers
	}
	return user
}

// imageHealth is docker's HEALTHCHECK as a profile would say it; nothing where
// there is none, or none that can be run.
func imageHealth(c spec.ImageConfig) (out profiles.Health) {
	h := c.Health
	if h == nil || len(h.Test) < 2 {
		return out
	}
	var test profiles.Command
	var err error
	switch {
	case h.Test[0] == "CMD":
		test, err = profiles.WordsCommand(h.Test[1:])
	case h.Test[0] != "CMD-SHELL":
		return out
	case len(c.Shell) > 0:
		test, err = profiles.WordsCommand(append(slices.Clone(c.Shell), h.Test[1]))
	default:
		test, err = profiles.ShellCommand(h.Test[1])
	}
	if err != nil {
		return out
	}
	out.Test = &test
	for _, t := range []struct {
		from time.Duration
		to   **profiles.Duration
	}{{h.Interval, &out.Interval}, {h.Timeout, &out.Timeout}, {h.StartPeriod, &out.StartPeriod}, {h.StartInterval, &out.StartInterval}} {
		if d := profiles.Duration(t.from); d > 0 && d <= profiles.MostHealthTime {
			*t.to = &d
		}
	}
	if n := int64(h.Retries); n > 0 && n <= profiles.MostRetries {
		out.Retries = &n
	}
	return out
}
