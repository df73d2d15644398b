//go:build cgo

package seccomp_test

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// program is a filter as the kernel gets it, run by two interpreters that must
// agree: that of x/net/bpf, and one of a few lines that notes which
// instructions it came by.
type program struct {
	raw     []seccomp.Instruction
	vm      *bpf.VM
	reached []bool
}

func newProgram(raw []seccomp.Instruction) (*program, error) {
	var instructions []bpf.Instruction
	for i, in := range raw {
		ins := bpf.RawInstruction{Op: in.Code, Jt: in.JT, Jf: in.JF, K: in.K}.Disassemble()
		if _, unknown := ins.(bpf.RawInstruction); unknown {
			return nil, fmt.Errorf("instruction %d: %+v is not known to the interpreter", i, in)
		}
		instructions = append(instructions, ins)
	}
	vm, err := bpf.NewVM(instructions)
	return &program{raw, vm, make([]bool, len(raw))}, err
}

// run gives what the filter answers to a call.
func (p *program) run(c call) (uint32, error) {
	packet := c.packet()
	want, err := p.vm.Run(packet)
	if err != nil {
		return 0, err
	}
	got, err := p.walk(packet)
	if err == nil && got != uint32(want) {
		err = fmt.Errorf("the interpreters differ: %#x and %#x", got, want)
	}
	return got, err
}

// walk interprets the few instructions that libseccomp makes.
func (p *program) walk(packet []byte) (uint32, error) {
	var a uint32
	for pc := 0; pc < len(p.raw); pc++ {
		in := p.raw[pc]
		p.reached[pc] = true
		branch := func(taken bool) {
			if taken {
				pc += int(in.JT)
			} else {
				pc += int(in.JF)
			}
		}
		switch in.Code {
		case 0x20: // ld [K]
			a = binary.BigEndian.Uint32(packet[in.K:])
		case 0x54: // and #K
			a &= in.K
		case 0x05: // ja K
			pc += int(in.K)
		case 0x15: // jeq
			branch(a == in.K)
		case 0x25: // jgt
			branch(a > in.K)
		case 0x35: // jge
			branch(a >= in.K)
		case 0x45: // jset
			branch(a&in.K != 0)
		case 0x06: // ret #K
			return in.K, nil
		default:
			return 0, fmt.Errorf("instruction %d has code %#x", pc, in.Code)
		}
	}
	return 0, fmt.Errorf("the program has no end")
}

// unreached lists instructions that no call came by, but for those that nothing
// leads to: libseccomp leaves its last return behind when it had to be copied
// to a nearer place.
func (p *program) unreached() (out []string) {
	led := map[int]bool{0: true}
	for i, in := range p.raw {
		switch in.Code {
		case 0x06:
		case 0x05:
			led[i+1+int(in.K)] = true
		case 0x15, 0x25, 0x35, 0x45:
			led[i+1+int(in.JT)], led[i+1+int(in.JF)] = true, true
		default:
			led[i+1] = true
		}
	}
	for i, hit := range p.reached {
		if !hit && led[i] {
			out = append(out, fmt.Sprintf("%d: %+v", i, p.raw[i]))
		}
	}
	return out
}

// stricter is how the kernel chooses between the answers of two filters
// (seccomp_run_filters): the action that is the smaller signed number.
func stricter(a, b uint32) uint32 {
	if int32(b&0xffff0000) < int32(a&0xffff0000) {
		return b
	}
	return a
}
