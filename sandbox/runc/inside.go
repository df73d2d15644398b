package runc

/*
#include <stdlib.h>
#include "inside.h"
*/
import "C"

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"github.com/safe-run/safe-run/spec/problem"
)

// writeInside writes sysctls of the namespaces of a process, which waits. They
// are those of namespaces that the process does not share with the launcher;
// others would be the host's.
func writeInside(pid int, sysctls map[string]string, proc *ownProcfs) error {
	in, err := openInside(pid, sysctls)
	if err != nil {
		return err
	}
	return in.write(proc)
}

// inside are the namespaces of a process, and what is to be written in them.
type inside struct {
	sysctls map[string]string
	spaces  map[string]*os.File // those that are its own, by their kind
}

// openInside opens the namespaces of a process, which must not have been waited for;
// write must follow.
func openInside(pid int, sysctls map[string]string) (*inside, error) {
	in := &inside{sysctls: sysctls, spaces: map[string]*os.File{}}
	if len(sysctls) == 0 {
		return in, nil
	}
	for _, kind := range []string{"user", "pid", "ipc"} {
		f, err := ownNamespace(pid, kind)
		if err != nil {
			in.close()
			return nil, err
		}
		if f != nil {
			in.spaces[kind] = f
		}
	}
	return in, nil
}

func (i *inside) close() {
	for _, f := range i.spaces {
		f.Close()
	}
}

// fd is the descriptor of a namespace; -1 when it is the launcher's as well.
func (i *inside) fd(kind string) C.int {
	if f := i.spaces[kind]; f != nil {
		return C.int(f.Fd())
	}
	return -1
}

// write writes, on whatever thread, and closes the namespaces.
func (i *inside) write(proc *ownProcfs) error {
	defer i.close()
	if len(i.sysctls) == 0 {
		return nil
	}
	root, err := proc.root()
	if err != nil {
		return err
	}
	in := (*C.struct_safe_run_inside)(C.calloc(1, C.sizeof_struct_safe_run_inside))
	defer C.free(unsafe.Pointer(in))
	in.proc, in.user, in.pid, in.ipc = C.int(root.Fd()), i.fd("user"), i.fd("pid"), i.fd("ipc")
	// Those of the ipc namespace first.
	keys := slices.SortedFunc(maps.Keys(i.sysctls), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank[namespaceOf(a)], rank[namespaceOf(b)]), strings.Compare(a, b))
	})
	for _, key := range keys {
		if i.spaces[namespaceOf(key)] == nil {
			return fmt.Errorf("write %s inside: the container shares the namespace with the host", key)
		}
		if namespaceOf(key) == "ipc" {
			in.first++
		}
	}
	paths, values := make([]string, len(keys)), make([]string, len(keys))
	for at, key := range keys {
		paths[at], values[at] = "sys/"+strings.ReplaceAll(key, ".", "/"), i.sysctls[key]
	}
	var free func()
	in.count = C.int(len(keys))
	if in.paths, free = cStrings(paths); free != nil {
		defer free()
	}
	if in.values, free = cStrings(values); free != nil {
		defer free()
	}
	if code := C.safe_run_inside(in); code != 0 {
		return insideError(keys, int(in.failed), syscall.Errno(-code))
	}
	return nil
}

// namespaceOf says which namespace a sysctl belongs to.
func namespaceOf(key string) string {
	switch {
	case strings.HasPrefix(key, "user."):
		return "user"
	case strings.HasPrefix(key, "kernel.shm"):
		return "ipc"
	}
	return "pid"
}

// rank is the order in which namespaces are written to.
var rank = map[string]int{"ipc": 0, "pid": 1, "user": 1}

// ownNamespace opens a namespace of the process, or gives nil when it is the
// launcher's as well.
func ownNamespace(pid int, kind string) (*os.File, error) {
	path := fmt.Sprintf("/proc/%d/ns/%s", pid, kind)
	theirs, err := os.Readlink(path)
	if err != nil {
		return nil, fmt.Errorf("namespaces of the container: %w", err)
	}
	if ours, err := os.Readlink("/proc/self/ns/" + kind); err != nil || ours == theirs {
		return nil, err
	}
	return os.Open(path)
}

// cStrings copies strings for C.
func cStrings(list []string) (out **C.char, free func()) {
	array := (*[1 << 10]*C.char)(C.calloc(C.size_t(len(list)), C.size_t(unsafe.Sizeof(*out))))
	for i, s := range list {
		array[i] = C.CString(s)
	}
	return &array[0], func() {
		for i := range list {
			C.free(unsafe.Pointer(array[i]))
		}
		C.free(unsafe.Pointer(array))
	}
}

func insideError(keys []string, failed int, err error) error {
	const hint = "`safe-run explain` shows what is set; a security module or a read-only /proc/sys of this host refuses it"
	if failed < 0 || failed >= len(keys) {
		return problem.New(hint, "join the container's namespaces to set its sysctls: %w", errors.Join(err))
	}
	return problem.New(hint, "set %s inside the container: %w", keys[failed], err)
}
