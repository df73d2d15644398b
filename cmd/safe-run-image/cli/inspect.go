package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// inspected is what inspect says of an image.
type inspected struct {
	Digest  string          `json:"digest"`
	Records []*image.Record `json:"records"` // what means it
	Image   *image.Entry    `json:"image"`
	Whole   bool            `json:"whole"` // all layers are there
	InUse   bool            `json:"inUse"` // a sandbox runs from it
}

func (a *app) inspectVerb() *cobra.Command {
	var manifest, config bool
	cmd := &cobra.Command{
		Use:   "inspect [flags] IMAGE...",
		Short: "print what the store knows of images, in JSON",
		Long: `print what the store knows of images, in JSON: the references that mean each, its
config and its layers. --raw-manifest and --raw-config print the document of one
image instead, byte for byte as it was published.`,
		Example: "  safe-run image inspect nginx:1.27\n  safe-run image inspect --raw-manifest nginx:1.27 | sha256sum",
		Args:    images(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lib, err := openLibrary(a.store)
			if err != nil {
				return err
			}
			if manifest || config {
				if manifest && config || len(args) > 1 {
					return badUsage(cmd.CommandPath(), "one document of one image can be printed at a time")
				}
				return a.printRaw(lib, args[0], manifest)
			}
			return a.inspect(lib, args)
		},
	}
	cmd.Flags().BoolVar(&manifest, "raw-manifest", false, "print the manifest as it was published")
	cmd.Flags().BoolVar(&config, "raw-config", false, "print the config as it was published")
	return cmd
}

func (a *app) inspect(lib *library, names []string) error {
	out := []inspected{}
	var missing error
	for _, name := range names {
		m, err := lib.find(name)
		if err == nil && m.digest == "" {
			err = absent(name)
		}
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		i := inspected{Digest: m.digest, Records: lib.meaning(m.digest), Image: m.entry, Whole: m.entry != nil && lib.store.Complete(m.entry)}
		if i.Records == nil {
			i.Records = []*image.Record{}
		}
		if i.InUse, err = lib.store.InUse(m.digest); err != nil {
			return err
		}
		out = append(out, i)
	}
	if missing != nil && (a.format == formatJSON || len(out) == 0) {
		return first(missing)
	}
	return errors.Join(writeJSON(a.std.Out, out), first(missing))
}

// first is the first of several errors: each line has one hint.
func first(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // what was joined here is taken apart
		return several.Unwrap()[0]
	}
	return err
}

// printRaw prints a document whose digest is checked.
func (a *app) printRaw(lib *library, name string, manifest bool) error {
	m, err := lib.whole(name)
	if err != nil {
		return err
	}
	digest := m.entry.ConfigRaw
	if manifest {
		digest = m.entry.Digest
	}
	data, err := readDocument(lib.store, digest)
	if err != nil {
		return problem.New("bring it again: safe-run image pull --pull always "+name, "image %s: %w", name, err)
	}
	_, err = a.std.Out.Write(data)
	return err
}

// readDocument reads a small blob of the store and checks its digest.
func readDocument(s *image.Store, digest string) ([]byte, error) {
	f, err := os.OpenFile(s.Blob(digest), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, bounds.Metadata+1))
	if err == nil && digestOf(data) != digest {
		err = errors.New("a document of it is damaged in the store")
	}
	if err == nil && !json.Valid(data) {
		err = errors.New("a document of it is no JSON")
	}
	return data, err
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
