package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/safe-run/safe-run/sandbox/runc"
)

func (a *app) specVerb() *verb {
	bundle, rootless := "", false
	return &verb{
		name: "spec", usage: "create a new specification file",
		declare: func(f *flags) {
			f.text(&bundle, "bundle, b", "", "path to the root of the bundle directory")
			f.bool(&rootless, "rootless", "generate a configuration for a rootless container")
		},
		run: func([]string) (int, error) {
			if bundle != "" {
				if err := os.Chdir(bundle); err != nil {
					return 0, err
				}
			}
			data, err := json.MarshalIndent(runc.ExampleSpec(rootless), "", "\t")
			if err != nil {
				return 0, err
			}
			f, err := os.OpenFile(configFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
			if errors.Is(err, os.ErrExist) {
				//lint:ignore ST1005 the text is runc's, which callers look for
				return 0, fmt.Errorf("File %s exists. Remove it first", configFile)
			}
			if err != nil {
				return 0, err
			}
			_, err = f.Write(data)
			return 0, errors.Join(err, f.Close())
		},
	}
}

func (a *app) featuresVerb() *verb {
	return &verb{
		name: "features", usage: "show the enabled features",
		run: func([]string) (int, error) {
			features := runc.Features()
			features.Annotations["dev.safe-run.version"] = version()
			encoder := json.NewEncoder(a.std.Out)
			encoder.SetIndent("", "    ")
			return 0, encoder.Encode(features)
		},
	}
}
