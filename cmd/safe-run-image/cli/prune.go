package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// pruned is what prune did, or would do.
type pruned struct {
	Removed []string `json:"removed"`
	Freed   int64    `json:"freed"` // bytes
	DryRun  bool     `json:"dryRun,omitempty"`
}

func (a *app) pruneVerb() *cobra.Command {
	var all, dry bool
	cmd := &cobra.Command{
		Use:   "prune [flags]",
		Short: "remove images that no reference means, and free the space of what is gone",
		Long: `remove images that no reference means, and free the space of what is gone: layers
of no image, and what interrupted pulls have left. Images from which a sandbox
runs stay, and those that a container needs which has ended or was created. It
waits until nobody pulls.`,
		Example: "  safe-run image prune\n  safe-run image prune -a --dry-run",
		Args:    images(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := image.OpenStore(a.store)
			if errors.Is(err, os.ErrNotExist) {
				return a.prunedOut(pruned{Removed: []string{}, DryRun: dry})
			}
			if err != nil {
				return err
			}
			p, err := prune(cmd.Context(), store, all, dry)
			return errors.Join(err, a.prunedOut(p))
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "remove every image from which no sandbox runs and that no container needs")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be removed")
	cmd.Flags().BoolP("force", "f", false, "")
	cmd.Flags().Lookup("force").Hidden = true // docker's: nothing is asked
	return cmd
}

func (a *app) prunedOut(p pruned) error {
	if a.format == formatJSON {
		return writeJSON(a.std.Out, p)
	}
	verb, free := "removed: ", "freed: "
	if p.DryRun {
		verb, free = "would remove: ", "would free: "
	}
	if !a.quiet {
		for _, digest := range p.Removed {
			fmt.Fprintln(a.std.Out, verb+digest)
		}
	}
	_, err := fmt.Fprintln(a.std.Out, free+size(p.Freed))
	return err
}

// prune removes and frees with the store to itself: what a pull is about to
// refer to must not go.
func prune(ctx context.Context, s *image.Store, all, dry bool) (pruned, error) {
	out := pruned{Removed: []string{}, DryRun: dry}
	alone, err := s.Alone(ctx)
	if err != nil {
		return out, err
	}
	defer alone.Release()
	needed, err := readNeeds()
	if err != nil {
		return out, err
	}
	if dry {
		return out, wouldPrune(s, all, needed, &out)
	}
	if err := dropBroken(s); err != nil {
		return out, err
	}
	gone, err := s.Prune(all, needed.has)
	out.Removed = append(out.Removed, gone...)
	if err != nil {
		return out, err
	}
	out.Freed, err = s.Collect(time.Now().Add(time.Second)) // what was written just now too
	return out, err
}

// wouldPrune adds up what prune would remove.
func wouldPrune(s *image.Store, all bool, needed needs, out *pruned) error {
	lib, err := openLibrary(s.Path())
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for digest, e := range lib.entries {
		used, err := s.InUse(digest)
		if err != nil {
			return err
		}
		if !used && !needed.has(digest) && (all || len(lib.meaning(digest)) == 0) {
			out.Removed = append(out.Removed, digest)
			continue
		}
		kept[s.Blob(e.Digest)], kept[s.Blob(e.ConfigRaw)] = true, true
		for _, l := range e.Layers {
			kept[s.Layer(l.Chain)], kept[s.Blob(l.Blob)] = true, true
		}
	}
	for _, dir := range []string{"layers", "blobs", "partial"} {
		n, err := sizeBut(s.Path()+"/"+dir, kept)
		if err != nil {
			return err
		}
		out.Freed += n
	}
	return nil
}

// sizeBut is the size of what is in dir beside what is kept.
func sizeBut(dir string, kept map[string]bool) (total int64, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		path := dir + "/" + f.Name()
		if kept[path] {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return total, err
		}
		n := info.Size()
		if f.IsDir() {
			if n, err = image.DiskUse(path); err != nil {
				return total, err
			}
		}
		total += n
	}
	return total, nil
}

// dropBroken removes records and images that cannot be understood: another
// version wrote them, or the disk did. Whose sandbox still runs must not lose
// its layers, which nothing else names.
func dropBroken(s *image.Store) error {
	refs := func(b []byte) error { _, err := image.DecodeRecord(b); return err }
	entries := func(b []byte) error { _, err := image.DecodeEntry(b); return err }
	for dir, decode := range map[string]func([]byte) error{"refs": refs, "images": entries} {
		files, err := os.ReadDir(s.Path() + "/" + dir)
		if err != nil {
			return err
		}
		for _, f := range files {
			path := s.Path() + "/" + dir + "/" + f.Name()
			if !f.Type().IsRegular() || understood(path, decode) {
				continue
			}
			digest := strings.Replace(strings.TrimSuffix(f.Name(), ".json"), "-", ":", 1)
			if used, err := s.InUse(digest); image.ValidDigest(digest) && (err != nil || used) {
				return errors.Join(err, problem.New("safe-run ps shows what runs; safe-run stop ends it, then prune again",
					"what the store says of the image %s cannot be understood, and it is in use", digest))
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxDocument bounds what is read of a document of the store.
const maxDocument = 32 << 20

func understood(path string, decode func([]byte) error) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return true // not ours to judge
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	return err != nil || len(b) <= maxDocument && decode(b) == nil
}
