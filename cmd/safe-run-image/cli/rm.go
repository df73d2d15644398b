package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// removal is what rm did.
type removal struct {
	Forgotten []string `json:"forgotten"` // references
	Removed   []string `json:"removed"`   // digests of images
}

func (a *app) rmVerb() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "rm [flags] IMAGE|DIGEST...", Aliases: []string{"remove"},
		Short: "forget references, and remove images that nothing else means",
		Long: `forget references, and remove images that nothing else means.

An image that is named by its digest or id goes with all that means it; when
that is more than one reference, -f is needed. An image from which a sandbox
runs is never removed. The space is free after safe-run image prune.`,
		Example: "  safe-run image rm nginx:1.27\n  safe-run image rm -f 3f2a91c0b7de",
		Args:    images(1, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			done := removal{Forgotten: []string{}, Removed: []string{}}
			var errs []error
			for _, name := range args {
				lib, err := openLibrary(a.store) // again: each may change it
				if err == nil {
					err = lib.remove(name, force, &done)
				}
				if err != nil {
					errs = append(errs, err)
				}
			}
			return a.removed(done, errs)
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "remove an image that several references mean, and do not mind one that is not there")
	return cmd
}

// removed says what was done, and fails with what could not be.
func (a *app) removed(done removal, errs []error) error {
	if a.format == formatJSON {
		if len(errs) > 0 {
			return errs[0]
		}
		return writeJSON(a.std.Out, done)
	}
	for _, name := range done.Forgotten {
		fmt.Fprintln(a.std.Out, "forgotten: "+printable(name))
	}
	for _, digest := range done.Removed {
		fmt.Fprintln(a.std.Out, "removed: "+digest)
	}
	if len(errs) == 0 {
		return nil
	}
	for _, err := range errs[:len(errs)-1] {
		a.say(err)
	}
	return errs[len(errs)-1]
}

// remove forgets one reference, or removes an image by its digest.
func (l *library) remove(name string, force bool, done *removal) error {
	m, err := l.find(name)
	if err == nil && m.digest == "" {
		err = absent(name)
	}
	if err != nil {
		if force && problem.HintOf(err) == problem.HintOf(absent(name)) {
			return nil
		}
		return err
	}
	means := l.meaning(m.digest)
	if m.record == nil && len(means) > 1 && !force {
		return problem.New("remove those, or write -f", "the image %s is meant by %s and %s", shortDigest(m.digest), means[0].Reference, means[1].Reference)
	}
	if m.record != nil && len(means) > 1 {
		return l.forget(m.record, done)
	}
	used, err := l.store.InUse(m.digest)
	if err == nil && used {
		err = problem.New("safe-run ps shows what runs; safe-run stop ends it", "the image %s is in use", name)
	}
	if err != nil {
		return err
	}
	for _, r := range means {
		if err := l.forget(r, done); err != nil {
			return err
		}
	}
	if err := l.store.Remove(m.digest); err != nil {
		return err
	}
	done.Removed = append(done.Removed, m.digest)
	return nil
}

func (l *library) forget(r *image.Record, done *removal) error {
	ref, err := image.Parse(r.Reference)
	if err != nil {
		return err
	}
	if err := l.store.Forget(ref); err != nil {
		return err
	}
	done.Forgotten = append(done.Forgotten, r.Reference)
	return nil
}

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
runs stay. It waits until nobody pulls.`,
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
	cmd.Flags().BoolVarP(&all, "all", "a", false, "remove every image from which no sandbox runs")
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
	if dry {
		return out, wouldPrune(s, all, &out)
	}
	gone, err := s.Prune(all)
	out.Removed = append(out.Removed, gone...)
	if err != nil {
		return out, err
	}
	out.Freed, err = s.Collect(time.Now().Add(time.Second)) // what was written just now too
	return out, err
}

// wouldPrune adds up what prune would remove.
func wouldPrune(s *image.Store, all bool, out *pruned) error {
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
		if !used && (all || len(lib.meaning(digest)) == 0) {
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
