package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/selinux/go-selinux"
)

const configFile = "config.json"

// maxConfig bounds config.json and other documents; the largest in use, with
// a system call filter for every architecture, have some 100 KiB.
const maxConfig = 16 << 20

// openBundle makes the bundle the working directory, which relative paths of
// its config are below, and reads the config.
func openBundle(bundle string) (*specs.Spec, error) {
	if bundle != "" {
		if err := os.Chdir(bundle); err != nil {
			return nil, err
		}
	}
	return readConfig()
}

func readConfig() (*specs.Spec, error) {
	f, err := os.Open(configFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("JSON specification file %s not found", configFile)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var oci *specs.Spec
	if err := decode(f, configFile, &oci); err != nil {
		return nil, err
	}
	if oci == nil {
		return nil, errors.New("config cannot be null")
	}
	return oci, checkProcess(oci.Process)
}

// decode reads one JSON document of bounded size from a regular file or a
// stream that is not a device.
func decode(f *os.File, name string, into any) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode()&os.ModeDevice != 0 && info.Mode()&os.ModeCharDevice == 0 || info.Size() > maxConfig {
		return fmt.Errorf("%s is not a JSON document of at most %d MiB", name, maxConfig>>20)
	}
	limited := &io.LimitedReader{R: f, N: maxConfig}
	err = json.NewDecoder(limited).Decode(into)
	if err != nil && limited.N <= 0 {
		return fmt.Errorf("%s has more than %d MiB", name, maxConfig>>20)
	}
	if err != nil {
		return errors.New(printable(fmt.Sprintf("%s: %v", name, err)))
	}
	return nil
}

func checkProcess(p *specs.Process) error {
	switch {
	case p == nil:
		return errors.New("process property must not be empty")
	case p.Cwd == "":
		//lint:ignore ST1005 the text is runc's, which callers look for
		return errors.New("Cwd property must not be empty")
	case !filepath.IsAbs(p.Cwd):
		//lint:ignore ST1005 the text is runc's, which callers look for
		return errors.New("Cwd must be an absolute path")
	case len(p.Args) == 0:
		return errors.New("args must not be empty")
	case p.SelinuxLabel != "" && !selinux.GetEnabled():
		return errors.New("selinux label is specified in config, but selinux is disabled or not supported")
	}
	return nil
}
