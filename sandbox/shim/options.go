package shim

import (
	"fmt"
	"path/filepath"

	"github.com/BurntSushi/toml"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	runtimeoptions "github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Options is what containerd's configuration says to the runtime. Of its two
// forms the CRI plugin sends runc's to runtimes that call themselves runc's, and
// the other one to all others.
type Options struct {
	Systemd, NoPivot, NoNewKeyring bool
	ShimCgroup                     string
	// ConfigPath names a file of the administrator's.
	ConfigPath string
	Profile    string
	OnConflict string
}

// section is the options section of a runtime that is not called runc's, which
// comes as it was written, in TOML.
type section struct {
	Profile       string `toml:"profile"`
	OnConflict    string `toml:"onConflict"`
	SystemdCgroup bool
	NoPivotRoot   bool
	NoNewKeyring  bool
}

// maxBody bounds ConfigBody, a section of a configuration file.
const maxBody = 1 << 20

func readOptions(from *anypb.Any) (Options, error) {
	if len(from.GetValue()) == 0 {
		return Options{}, nil
	}
	switch name := from.MessageName(); name {
	case "containerd.runc.v1.Options":
		var o runcoptions.Options
		if err := proto.Unmarshal(from.GetValue(), &o); err != nil {
			return Options{}, fmt.Errorf("the runtime's options: %w", err)
		}
		return named(o.BinaryName, Options{Systemd: o.SystemdCgroup, NoPivot: o.NoPivotRoot, NoNewKeyring: o.NoNewKeyring, ShimCgroup: o.ShimCgroup}), nil
	case "runtimeoptions.v1.Options":
		var o runtimeoptions.Options
		if err := proto.Unmarshal(from.GetValue(), &o); err != nil {
			return Options{}, fmt.Errorf("the runtime's options: %w", err)
		}
		return readSection(o.ConfigPath, o.ConfigBody)
	default:
		return Options{}, fmt.Errorf("the runtime's options are of type %.100q, which is not known", name)
	}
}

// named is what BinaryName says, which names the program of a runtime that has
// one: here the profile, or by a path a file of the administrator's. Runc's
// options are the only ones that containerd takes from a runtime whose pods have
// user namespaces: it reads others as those, and fails.
func named(name string, o Options) Options {
	if filepath.IsAbs(name) {
		o.ConfigPath = name
	} else {
		o.Profile = name
	}
	return o
}

func readSection(path string, body []byte) (Options, error) {
	if len(body) > maxBody {
		return Options{}, fmt.Errorf("the runtime's options have more than %d KiB", maxBody>>10)
	}
	var own section
	known, err := toml.Decode(string(body), &own)
	if err != nil {
		return Options{}, fmt.Errorf("the runtime's options: %w", err)
	}
	// A setting that is misspelt must not be one that is not there.
	if more := known.Undecoded(); len(more) > 0 {
		return Options{}, fmt.Errorf("the runtime's options have %.100q, which is not known: there are profile, onConflict, SystemdCgroup, NoPivotRoot, NoNewKeyring, or ConfigPath alone", more[0])
	}
	return Options{
		Systemd: own.SystemdCgroup, NoPivot: own.NoPivotRoot, NoNewKeyring: own.NoNewKeyring,
		ConfigPath: path, Profile: own.Profile, OnConflict: own.OnConflict,
	}, nil
}
