package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
)

// listed is one line of ls.
type listed struct {
	Reference  string    `json:"reference,omitempty"` // as it is run
	Repository string    `json:"repository"`
	Tag        string    `json:"tag"`
	Digest     string    `json:"digest"`
	ID         string    `json:"id"` // digest of the config, docker's image id
	Created    time.Time `json:"created,omitzero"`
	Pulled     time.Time `json:"pulled,omitzero"`
	Size       int64     `json:"size"` // unpacked, bytes; layers that images share count in each
	Source     string    `json:"source"`
	Verified   []string  `json:"verified,omitempty"`
	Whole      bool      `json:"whole"` // false: it will be brought again when it is run
}

// none is docker's word for what has no name.
const none = "<none>"

func (a *app) lsVerb() *cobra.Command {
	var digests, full bool
	cmd := &cobra.Command{
		Use: "ls [flags]", Aliases: []string{"list"},
		Short: "list the images of the store",
		Long: `list the images of the store.

SOURCE is where an image was found. SIZE is what its layers take up on disk;
what images share counts in each. -q prints ids only.`,
		Example: "  safe-run image ls\n  safe-run image ls --digests --format json",
		Args:    images(0, 0),
		RunE: func(*cobra.Command, []string) error {
			lib, err := openLibrary(a.store)
			if err != nil {
				return err
			}
			list := lib.list()
			switch {
			case a.format == formatJSON:
				return writeJSON(a.std.Out, list)
			case a.quiet:
				return a.listIDs(list, full)
			}
			return a.listTable(list, digests, full)
		},
	}
	cmd.Flags().BoolVar(&digests, "digests", false, "show the digests of manifests")
	cmd.Flags().BoolVar(&full, "no-trunc", false, "show digests and ids in full")
	cmd.Flags().BoolP("all", "a", false, "")
	cmd.Flags().Lookup("all").Hidden = true // docker's; there are no other images
	return cmd
}

// list is a line for each name, and for each image that none means.
func (l *library) list() []listed {
	out := []listed{}
	meant := map[string]bool{}
	for _, r := range l.records {
		if meant[r.Digest] {
			continue
		}
		meant[r.Digest] = true
		for _, name := range l.names(r.Digest) {
			out = append(out, l.line(r.Digest, name))
		}
	}
	for digest := range l.entries {
		if !meant[digest] {
			out = append(out, l.line(digest, nil))
		}
	}
	slices.SortFunc(out, func(a, b listed) int {
		return cmp.Or(strings.Compare(a.Repository, b.Repository), strings.Compare(a.Tag, b.Tag),
			strings.Compare(a.Reference, b.Reference), strings.Compare(a.Digest, b.Digest))
	})
	return out
}

func (l *library) line(digest string, r *image.Record) listed {
	out := listed{Repository: none, Tag: none, Digest: digest, Source: "-"}
	if e := l.entries[digest]; e != nil {
		out.ID, out.Created, out.Size, out.Whole = e.ConfigRaw, e.Created, e.Size, l.store.Complete(e)
	}
	if r == nil {
		return out
	}
	out.Reference, out.Pulled, out.Verified = r.Reference, r.Pulled, r.Verified
	out.Source = sourceOf(r)
	ref, err := image.Parse(r.Reference)
	if err != nil {
		out.Repository = r.Reference
		return out
	}
	out.Repository, out.Tag = named(ref)
	return out
}

// named is a reference in docker's two columns.
func named(ref image.Reference) (repository, tag string) {
	tag = ref.Tag
	if repository = ref.Path; !ref.IsFile() {
		repository, tag, _ = ref.Name()
	}
	return repository, cmp.Or(tag, none)
}

func (a *app) listIDs(list []listed, full bool) error {
	var seen []string
	for _, i := range list {
		id := cmp.Or(i.ID, i.Digest)
		if !full {
			id = shortDigest(id)
		}
		if !slices.Contains(seen, id) {
			seen = append(seen, id)
			if _, err := fmt.Fprintln(a.std.Out, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) listTable(list []listed, digests, full bool) error {
	head := []string{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SOURCE"}
	if digests {
		head = slices.Insert(head, 2, "DIGEST")
	}
	short := shortDigest
	if full {
		short = func(digest string) string { return digest }
	}
	now := time.Now()
	var rows [][]string
	for _, i := range list {
		row := []string{i.Repository, i.Tag, cmp.Or(short(i.ID), "-"), ago(i.Created, now), size(i.Size), i.Source}
		if !i.Whole {
			row[4] = "not whole"
		}
		if digests {
			digest := i.Digest
			if !full {
				digest = "sha256:" + shortDigest(i.Digest)
			}
			row = slices.Insert(row, 2, digest)
		}
		rows = append(rows, row)
	}
	return a.writeTable(head, rows)
}
