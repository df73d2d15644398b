package cli

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/spec/problem"
)

// usageOf is flagError with the exit code of a wrong command line; asking for
// help is none.
func usageOf(cmd *cobra.Command, err error) error {
	if err = flagError(cmd.CommandPath(), cmd.Flags(), err); errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return usageError(err)
}

// flagError explains a command line of a verb that could not be taken apart.
func flagError(verb string, fs *pflag.FlagSet, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		if unknown.GetSpecifiedShortnames() != "" {
			return problem.New("see "+verb+" --help for the flags there are", "there is no flag -%s", unknown.GetSpecifiedName())
		}
		return unknownFlag(verb, fs, unknown.GetSpecifiedName())
	case errors.As(err, &missing) && missing.GetSpecifiedShortnames() == "h":
		return pflag.ErrHelp // safe-run run -h
	case errors.As(err, &missing):
		flag := missing.GetFlag()
		hint := "write a value after it"
		if arg := flagArg(flag); arg != "" {
			hint = "write --" + flag.Name + " " + arg
		}
		return problem.New(hint, "--%s needs a value", flag.Name)
	case errors.As(err, &invalid) && invalid.GetFlag().Value.Type() == "int":
		return problem.New("write a whole number", "--%s: %.60q is not a number", invalid.GetFlag().Name, invalid.GetValue())
	}
	return problem.New("see "+verb+" --help", "%w", err)
}

func unknownFlag(verb string, fs *pflag.FlagSet, name string) error {
	var names []string
	fs.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	hint := "see " + verb + " --help for the flags there are"
	if fs.Lookup("entrypoint") != nil {
		hint += "; flags of the command go after the image"
	}
	if near := nearest(name, names); near != "" {
		hint = "did you mean --" + near + "?"
	}
	return problem.New(hint, "there is no flag --%s", name)
}

// flagArg is what the value of a flag is called; empty for a switch.
func flagArg(f *pflag.Flag) string {
	if arg, ok := f.Annotations[argKey]; ok {
		return arg[0]
	}
	if f.Value.Type() == "bool" {
		return ""
	}
	name, _ := pflag.UnquoteUsage(f)
	return name
}
