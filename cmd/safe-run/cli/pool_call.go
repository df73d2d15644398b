package cli

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/safe-run/safe-run/spec/problem"
)

func (b *runBuilder) pool(name string) error {
	b.o.Pool = name
	return checkPoolName(name)
}

// callPool is `run --pool=NAME`. It is done before Go starts where --pool is the
// first flag and the pool is there (sandbox/initproc/poolclient.c), so that what
// is left is to put it first, and to say why that did not do.
func callPool(name string, seen []occurrence, args []string) error {
	conn, err := net.Dial("unix", filepath.Join(poolsDir, name))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return launcherError(problem.New("run safe-run as root", "pool %s: %w", name, err))
	case err != nil:
		return launcherError(problem.New("start it: safe-run pool --name "+name+" IMAGE", "there is no pool %s", name))
	}
	conn.Close()
	words := []string{os.Args[0], runVerb, "--pool=" + name}
	for _, f := range seen {
		if f.name != "pool" {
			words = append(words, "--"+f.name+"="+f.value)
		}
	}
	words = append(append(words, "--"), args...)
	if strings.HasPrefix(strings.Join(os.Args[1:], " "), strings.Join(words[1:3], " ")) {
		return launcherError(problem.New("try again", "pool %s did not answer", name))
	}
	return launcherError(syscall.Exec("/proc/self/exe", words, os.Environ()))
}
