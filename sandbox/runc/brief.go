//go:build cgo && seccomp

package runc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runc/libcontainer/configs"
	libseccomp "github.com/seccomp/libseccomp-golang"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

// canBeBrief says whether a filter is one whose calls can be left out; see briefly.
func canBeBrief(filter *configs.Seccomp) bool {
	return filter.DefaultAction == configs.Errno && filter.DefaultErrnoRet != nil && len(filter.Architectures) == 1
}

// briefly gives a filter of two calls that init may be told in the place of the
// whole one, and what makes it load the whole one's program. A filter has some
// thirty kilobytes of JSON, which are written twice by the launcher and read by
// init, for nothing but to ask libseccomp a question whose answer is known. So
// libseccomp is asked it here, where a wrong answer is noticed as it is in init,
// and init asks a short one.
//
// The short filter allows nothing. If init were to load that, for want of the
// program, nothing would run. Flags and architectures are those of the whole, and
// so is all else that libcontainer looks for in the calls: whether one reports,
// and the highest number, above which it refuses in instructions of its own
// (patchbpf.PatchAndLoad).
func briefly(filter *configs.Seccomp, known compiled.Entry) (*configs.Seccomp, compiled.Entry, error) {
	var program []byte
	err := compiled.Replay(known, func() (err error) {
		program, err = compile(filter, libseccomp.ArchInvalid)
		return err
	})
	if err != nil {
		return nil, compiled.Entry{}, err
	}
	last, err := highest(filter)
	if err != nil {
		return nil, compiled.Entry{}, err
	}
	brief := *filter
	brief.Syscalls = []*configs.Syscall{{Name: last, Action: filter.DefaultAction, ErrnoRet: filter.DefaultErrnoRet}}
	if at := slices.IndexFunc(filter.Syscalls, func(c *configs.Syscall) bool { return c.Action == configs.Notify }); at >= 0 {
		brief.Syscalls = append(brief.Syscalls, &configs.Syscall{Name: filter.Syscalls[at].Name, Action: configs.Notify})
	}
	e, err := entryOf(&brief)
	e.Program = program
	return &brief, e, err
}

// highest is the call of the highest number that a filter names, on this machine's
// own architecture, which must be the filter's.
func highest(filter *configs.Seccomp) (name string, err error) {
	arch, err := libseccomp.GetArchFromString(filter.Architectures[0])
	if err != nil {
		return "", err
	}
	if native, err := libseccomp.GetNativeArch(); err != nil || native != arch {
		return "", errors.Join(err, errors.New("a filter of another architecture"))
	}
	most := libseccomp.ScmpSyscall(0)
	for _, call := range filter.Syscalls {
		if n, err := libseccomp.GetSyscallFromNameByArch(call.Name, arch); err == nil && n > most {
			name, most = call.Name, n
		}
	}
	if name == "" {
		return "", errors.New("a filter that names no call")
	}
	return name, nil
}

// wholeFile is the filter that a container's state has in brief, beside the state.
const wholeFile = "filter.json"

// maxWhole bounds it.
const maxWhole = 4 << 20

// restore makes the filter of a container's state whole, for who joins. Where it
// is not kept, the state has it.
func restore(filter *configs.Seccomp, dir string) error {
	f, err := os.Open(filepath.Join(dir, wholeFile))
	if errors.Is(err, os.ErrNotExist) || filter == nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxWhole+1))
	if err != nil || len(data) > maxWhole {
		return errors.Join(err, errors.New("the container's filter cannot be read"))
	}
	var whole configs.Seccomp
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&whole); err != nil {
		return err
	}
	whole.ListenerPath, whole.ListenerMetadata = filter.ListenerPath, filter.ListenerMetadata
	*filter = whole
	return nil
}
