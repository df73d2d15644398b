package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// The kinds of maps and programs that are used here (bpf(2)).
const (
	mapHash     = unix.BPF_MAP_TYPE_HASH
	mapArray    = unix.BPF_MAP_TYPE_ARRAY
	programType = unix.BPF_PROG_TYPE_RAW_TRACEPOINT
)

// bpf is bpf(2), with one of the structures of its union.
func bpf[T any](command uintptr, attr *T) (uintptr, error) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
	runtime.KeepAlive(attr)
	if errno != 0 {
		return 0, errno
	}
	return r, nil
}

// table is a map of the kernel.
type table struct{ file *os.File }

func newTable(kind, key, value, most uint32) (*table, error) {
	attr := struct{ kind, key, value, most, flags uint32 }{kind, key, value, most, 0}
	fd, err := bpf(unix.BPF_MAP_CREATE, &attr)
	if err != nil {
		return nil, fmt.Errorf("make a map: %w", err)
	}
	return &table{os.NewFile(fd, "map")}, nil
}

// element is what the commands on elements take.
type element struct {
	fd    uint32
	_     uint32
	key   unsafe.Pointer
	value unsafe.Pointer // or the next key
	_     uint64         // flags
}

func (t *table) do(command uintptr, key, value []byte) error {
	attr := element{fd: uint32(t.file.Fd()), value: unsafe.Pointer(&value[0])}
	if key != nil {
		attr.key = unsafe.Pointer(&key[0])
	}
	_, err := bpf(command, &attr)
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	return err
}

func (t *table) get(key, value []byte) error { return t.do(unix.BPF_MAP_LOOKUP_ELEM, key, value) }
func (t *table) put(key, value []byte) error { return t.do(unix.BPF_MAP_UPDATE_ELEM, key, value) }

// next is the key after key, or the first one after nil; ENOENT after the last.
func (t *table) next(key, next []byte) error { return t.do(unix.BPF_MAP_GET_NEXT_KEY, key, next) }

// load gives a program to the kernel, which checks it.
func load(program asm.Instructions) (*os.File, error) {
	var code bytes.Buffer
	if err := program.Marshal(&code, binary.LittleEndian); err != nil {
		return nil, err
	}
	license := []byte("GPL\x00")
	attr := struct {
		kind, count   uint32
		code, license unsafe.Pointer
		logLevel      uint32
		logSize       uint32
		log           unsafe.Pointer
		version       uint32
		flags         uint32
	}{kind: programType, count: uint32(code.Len() / asm.InstructionSize), code: unsafe.Pointer(&code.Bytes()[0]), license: unsafe.Pointer(&license[0])}
	fd, err := bpf(unix.BPF_PROG_LOAD, &attr)
	runtime.KeepAlive(license)
	if err != nil {
		return nil, fmt.Errorf("load a program: %w", err)
	}
	return os.NewFile(fd, "program"), nil
}

// attach runs a program at each end of a system call.
func attach(program *os.File) (*os.File, error) {
	name := []byte("sys_exit\x00")
	attr := struct {
		name unsafe.Pointer
		fd   uint32
		_    uint32
	}{name: unsafe.Pointer(&name[0]), fd: uint32(program.Fd())}
	fd, err := bpf(unix.BPF_RAW_TRACEPOINT_OPEN, &attr)
	runtime.KeepAlive(name)
	if err != nil {
		return nil, fmt.Errorf("attach a program to sys_exit: %w", err)
	}
	return os.NewFile(fd, "sys_exit"), nil
}
