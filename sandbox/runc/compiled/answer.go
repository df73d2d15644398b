//go:build cgo && seccomp

package compiled

/*
#cgo pkg-config: libseccomp
#cgo LDFLAGS: -Wl,--wrap=seccomp_init -Wl,--wrap=seccomp_release -Wl,--wrap=seccomp_reset -Wl,--wrap=seccomp_merge -Wl,--wrap=seccomp_load
#cgo LDFLAGS: -Wl,--wrap=seccomp_arch_add -Wl,--wrap=seccomp_arch_remove -Wl,--wrap=seccomp_attr_set
#cgo LDFLAGS: -Wl,--wrap=seccomp_rule_add_array -Wl,--wrap=seccomp_rule_add_exact_array
#cgo LDFLAGS: -Wl,--wrap=seccomp_export_pfc -Wl,--wrap=seccomp_export_bpf
#include <seccomp.h>
#include <stdlib.h>
#include "answer.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"
)

// one holds who asks libseccomp while something is recorded or answered.
var one sync.Mutex

// Record calls compile, which has libseccomp make one filter, and gives what it
// was asked.
func Record(compile func() error) (question []byte, err error) {
	one.Lock()
	defer one.Unlock()
	C.safe_run_filter_record()
	err = compile()
	var at unsafe.Pointer
	length := C.safe_run_filter_recorded(&at)
	if err == nil && length == 0 {
		err = errors.New("libseccomp was not asked")
	}
	if err != nil {
		return nil, err
	}
	return C.GoBytes(at, C.int(length)), nil
}

// Answer makes libseccomp give e's program for the next filter of this process,
// if it is asked what e was made of.
func Answer(e Entry) {
	one.Lock()
	defer one.Unlock()
	question := C.CBytes(e.Question)
	defer C.free(question)
	// The program is written much later, and by C.
	C.safe_run_filter_answer(question, C.size_t(len(e.Question)), C.CBytes(e.Program), C.size_t(len(e.Program)))
}

// Replay calls compile, which has libseccomp make one filter, and has it answered
// by e if it is asked what e was made of. Otherwise it is made.
func Replay(e Entry, compile func() error) error {
	one.Lock()
	defer one.Unlock()
	question, program := C.CBytes(e.Question), C.CBytes(e.Program)
	defer C.free(question)
	defer C.free(program)
	C.safe_run_filter_answer(question, C.size_t(len(e.Question)), program, C.size_t(len(e.Program)))
	var nothing unsafe.Pointer
	defer C.safe_run_filter_recorded(&nothing) // it is forgotten, before it is freed
	return compile()
}

// Answered says whether the last filter that Answer was for was the same.
func Answered() bool { return C.safe_run_filter_answered() != 0 }

// library is the version of what compiles.
func library() string {
	v := C.seccomp_version()
	return fmt.Sprintf("libseccomp %d.%d.%d", v.major, v.minor, v.micro)
}
