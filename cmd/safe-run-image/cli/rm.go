package cli

import (
	"fmt"

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
that is more than one reference, -f is needed, and also when a container that
has ended or was created needs the image to be started. An image from which a
sandbox runs is never removed. The space is free after safe-run image prune.`,
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
	cmd.Flags().BoolVarP(&force, "force", "f", false, "remove an image that several references mean or a container needs, and do not mind one that is not there")
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
	names := l.names(m.digest)
	if m.record == nil && len(names) > 1 && !force {
		return problem.New("remove those, or write -f", "the image %s is meant by %s and %s", shortDigest(m.digest), names[0].Reference, names[1].Reference)
	}
	means := l.meaning(m.digest)
	needed := needs{}
	if !force {
		if needed, err = readNeeds(); err != nil {
			return err
		}
	}
	if m.record != nil {
		if own := l.aliases(m.record); len(own) < len(means) {
			if err := needed.refuse(l, m, name, own); err != nil {
				return err
			}
			return l.forget(own, done)
		}
	}
	if err := needed.refuse(l, m, name, nil); err != nil {
		return err
	}
	used, err := l.store.InUse(m.digest)
	if err == nil && used {
		err = problem.New("safe-run ps shows what runs; safe-run stop ends it", "the image %s is in use", name)
	}
	if err != nil {
		return err
	}
	if err := l.forget(means, done); err != nil {
		return err
	}
	if err := l.store.Remove(m.digest); err != nil {
		return err
	}
	done.Removed = append(done.Removed, m.digest)
	return nil
}

func (l *library) forget(records []*image.Record, done *removal) error {
	for _, r := range records {
		ref, err := image.Parse(r.Reference)
		if err != nil {
			return err
		}
		if err := l.store.Forget(ref); err != nil {
			return err
		}
		done.Forgotten = append(done.Forgotten, r.Reference)
	}
	return nil
}
