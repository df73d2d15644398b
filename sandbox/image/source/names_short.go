package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/safe-run/safe-run/spec/problem"
)

// resolve gives the full names that a name may mean, each with a tag or a
// digest. It never asks anybody.
func (r *registries) resolve(name string) ([]reference.Named, error) {
	if hasHost(name) {
		full, err := fullName(name)
		if err != nil {
			return nil, err
		}
		return []reference.Named{full}, nil
	}
	plain, suffix := cutTag(name)
	alias, err := r.alias(plain)
	if err != nil {
		return nil, badConfig("the short names of registries.conf cannot be read", err)
	}
	if alias != nil {
		full, err := fullName(alias.Name() + suffix)
		if err != nil {
			return nil, err
		}
		return []reference.Named{full}, nil
	}
	return r.search(name)
}

// alias looks a short name up. The library takes a lock beside the file in
// which podman records choices; where there is no such file, nothing shall be
// made there, least of all on a read-only system.
func (r *registries) alias(plain string) (reference.Named, error) {
	sys := *r.sys
	if sys.UserShortNameAliasConfPath == "" && !hasRecordedNames() {
		dir, err := os.MkdirTemp("", "safe-run-names-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		sys.UserShortNameAliasConfPath = filepath.Join(dir, "none")
	}
	alias, _, err := sysregistriesv2.ResolveShortNameAlias(&sys, plain)
	return alias, err
}

// hasRecordedNames reports whether podman recorded a choice on this machine.
func hasRecordedNames() bool {
	dir := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if dir, err = os.UserCacheDir(); err != nil {
			return false
		}
	}
	_, err := os.Stat(filepath.Join(dir, "containers/short-name-aliases.conf"))
	return !errors.Is(err, fs.ErrNotExist)
}

// search completes a short name with the registries that are searched.
func (r *registries) search(name string) ([]reference.Named, error) {
	hosts, _, err := sysregistriesv2.UnqualifiedSearchRegistriesWithOrigin(r.sys)
	if err != nil {
		return nil, badConfig("registries.conf cannot be read", err)
	}
	if len(hosts) == 0 {
		hosts = []string{"docker.io"}
	}
	mode, err := sysregistriesv2.GetShortNameMode(r.sys)
	if err != nil {
		return nil, badConfig("registries.conf cannot be read", err)
	}
	if len(hosts) > 1 && mode == types.ShortNameModeEnforcing {
		return nil, problem.New("write it with its registry, such as "+hosts[0]+"/"+name,
			"the name %s may mean an image at %s, and short-name-mode in registries.conf is enforcing", name, list(hosts))
	}
	var all []reference.Named
	for _, host := range hosts {
		full, err := fullName(host + "/" + name)
		if err != nil {
			return nil, err
		}
		all = append(all, full)
	}
	return all, nil
}
