package cli

import (
	"strconv"
	"strings"

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
