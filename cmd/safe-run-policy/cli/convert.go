package cli

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/convert/compose"
	"github.com/safe-run/safe-run/spec/convert/docker"
	"github.com/safe-run/safe-run/spec/convert/kubernetes"
	"github.com/safe-run/safe-run/spec/convert/oci"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/quote"
)

// mostConverted bounds a file that is converted.
const mostConverted = 4 << 20

// convertOptions are the flags that all formats have.
type convertOptions struct {
	output, report, only string
	force                bool
}

// convertVerb is `convert`, which has a verb for each format.
func (a *app) convertVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "convert FORMAT", Short: "make a profile of what others say about a container",
		Long: "make a profile of what others say about a container, as close as possible and never looser than safe-run's default\n" +
			"without saying so. What was tightened, what was kept and what has no counterpart is listed on standard error.",
		Example: `  safe-run convert docker -- docker run -d -p 8080:80 nginx:1.27 > nginx.yaml
  safe-run convert oci bundle/config.json --output app.yaml`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usage{problem.New("choose one of: docker, compose, kubernetes, oci", "nothing is converted from %q", args[0])}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.convertDocker(),
		a.convertFile("compose", "compose.yaml", "the services of a compose file", func(name string, data []byte) ([]convert.Result, error) {
			return compose.Convert(name, data, filesBeside(name))
		}),
		a.convertFile("kubernetes", "FILE", "the containers of Kubernetes manifests", func(name string, data []byte) ([]convert.Result, error) {
			filters := filesBeside(name)
			return kubernetes.Convert(name, data, func(filter string) ([]byte, error) {
				data, err := filters(filter)
				if err != nil { // where export kubernetes puts it
					data, err = filters(path.Join("seccomp", path.Base(filter)))
				}
				return data, err
			})
		}),
		a.convertFile("oci", "config.json", "the config.json of a bundle", func(name string, data []byte) ([]convert.Result, error) {
			r, err := oci.Convert(name, data)
			return []convert.Result{r}, err
		}),
	)
	return cmd
}

func (a *app) convertDocker() *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use: "docker [flags] -- docker run ...", Short: "a command line of docker run or podman run",
		Long:                  "make a profile of a command line of docker run or podman run. Files that it names are read; nothing is run.",
		Example:               "  safe-run convert docker -- docker run --cap-add NET_BIND_SERVICE -v /srv/www:/www:ro -p 80:80 nginx:1.27",
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := docker.Convert(args, readConverted)
			if err != nil {
				return err
			}
			return a.converted(o, []convert.Result{r})
		},
	}
	o.addTo(cmd)
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// filesBeside reads the files that a file names, which are told from where it lies.
func filesBeside(file string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		return readConverted(name)
	}
}

func readConverted(name string) ([]byte, error) { return policies.ReadBounded(name, mostConverted) }

// convertFile is the verb of a format that is a file.
func (a *app) convertFile(format, arg, short string, read func(string, []byte) ([]convert.Result, error)) *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use: format + " [flags] " + arg, Short: short, Long: "make a profile of " + short + ".",
		Example: "  safe-run convert " + format + " " + arg, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badUsage(cmd.CommandPath(), "name one file")
			}
			data, err := readConverted(args[0])
			if err != nil {
				return err
			}
			all, err := read(args[0], data)
			if err != nil {
				return err
			}
			return a.converted(o, all)
		},
	}
	o.addTo(cmd)
	return cmd
}

func (o *convertOptions) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "-", "a file, a directory where there are several, or - for standard output")
	f.StringVar(&o.report, "report", "table", "how the report is written to standard error: table or json")
	f.StringVar(&o.only, "only", "", "convert this service or container alone")
	f.BoolVar(&o.force, "force", false, "overwrite files that are there")
}

// document is a converted container with its profile as it is written.
type document struct {
	convert.Result
	text []byte
}

// converted checks, reports and writes.
func (a *app) converted(o convertOptions, all []convert.Result) error {
	if o.report != "table" && o.report != "json" {
		return usage{problem.New("write --report table or --report json", "--report %q is no form", o.report)}
	}
	docs, err := o.documents(all)
	if err != nil {
		return err
	}
	var placed []placed
	if o.output != "-" {
		var files []export.File
		for _, d := range docs {
			files = append(files, export.File{Path: d.Profile.Metadata.Name + ".yaml", Data: d.text})
		}
		if placed, err = (&exportTarget{}).places(o.output, files); err != nil {
			return err
		}
		if err := writeAll(placed, o.force); err != nil {
			return err
		}
	}
	for i, d := range docs {
		file := d.Profile.Metadata.Name + ".yaml"
		if placed != nil {
			file = placed[min(i, len(placed)-1)].path
		} else if _, err := a.std.Out.Write(d.text); err != nil {
			return err
		}
		if err := a.writeConversion(o, d, file); err != nil {
			return err
		}
	}
	return nil
}

// documents writes the profiles, and makes sure that they can be used.
func (o *convertOptions) documents(all []convert.Result) ([]document, error) {
	var docs []document
	var names []string
	for _, r := range all {
		names = append(names, r.Name)
		if o.only != "" && o.only != r.Name {
			continue
		}
		text, err := profiles.Encode(r.Profile)
		if err != nil {
			return nil, err
		}
		if err := checkConverted(text); err != nil {
			return nil, fmt.Errorf("what came of %s is no profile, which is a mistake in safe-run: %w", r.Name, err)
		}
		docs = append(docs, document{r, text})
	}
	switch {
	case len(docs) == 0:
		return nil, problem.New("there are: "+strings.Join(names, ", "), "there is no container %q", o.only)
	case len(docs) > 1 && o.output == "-":
		return nil, problem.New("choose one with --only, or write them to a directory with --output DIR/; there are: "+strings.Join(names, ", "), "%d containers cannot be put into one profile", len(docs))
	}
	return docs, nil
}

// converting finds the document that was made.
type converting []byte

// Find implements profiles.Finder.
func (c converting) Find(string) (string, []byte, error) { return "converted.yaml", c, nil }

// Names implements profiles.Finder.
func (converting) Names() []string { return nil }

func checkConverted(text []byte) error {
	_, err := profiles.Resolve("converted.yaml", profiles.Finders{builtin.Finder{}, converting(text)})
	return err
}

// writeConversion writes the report, and how to run it.
func (a *app) writeConversion(o convertOptions, d document, file string) error {
	run := "safe-run " + quote.ShellLine(append([]string{"--profile", file}, d.Run...)...)
	if o.report == "json" {
		enc := json.NewEncoder(a.std.Err)
		enc.SetEscapeHTML(false)
		return enc.Encode(struct {
			Name     string            `json:"name"`
			Profile  string            `json:"profile"`
			Run      []string          `json:"run"`
			Findings []convert.Finding `json:"findings"`
		}{d.Name, file, append([]string{"safe-run", "--profile", file}, d.Run...), d.Findings})
	}
	for _, kind := range []convert.Kind{convert.Tightened, convert.Kept, convert.Missing} {
		w := tabwriter.NewWriter(a.std.Err, 0, 8, 2, ' ', 0)
		for _, f := range d.Findings {
			if f.Kind != kind {
				continue
			}
			what := f.Setting
			if f.Value != "" {
				what += " " + f.Value
			}
			if f.Place != "" {
				what += " (" + f.Place + ")"
			}
			fmt.Fprintf(w, "%s\t%s\n\t%s\n", kind, printable(clipped(what)), printable(f.What))
			if f.Do != "" {
				fmt.Fprintf(w, "\thint: %s\n", printable(f.Do))
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.std.Err, "run it with: %s\n", printable(run))
	return err
}

// clipped bounds what others wrote.
func clipped(text string) string {
	const most = 200
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
