package seccomp

import (
	"strings"
	"testing"
)

func TestDisassemble(t *testing.T) {
	const want = `   0: load architecture
   1: if equal #0xc000003e, then 2, else 5
   2: load number
   3: if at least #0x40000000, then 4, else 6
   4: if equal #0xffffffff, then 6, else 5
   5: return KILL the process
   6: return ALLOW
`
	if got := Disassemble("amd64", KillForeign("amd64")); got != want {
		t.Errorf("got\n%s", got)
	}
	got := Disassemble("amd64", []Instruction{
		{Code: loadWord, K: 0}, {Code: jumpEqual, JF: 3, K: 41}, {Code: loadWord, K: 16}, {Code: jumpEqual, JT: 1, K: 41},
		{Code: jumpAlways, K: 1}, {Code: ret, K: 0x50061}, {Code: ret, K: 0x5000b}, {Code: 0xffff, K: 9},
	})
	for _, part := range []string{"else 5       ; socket\n", "   2: load argument 0, low half\n   3: if equal #0x29, then 5, else 4\n   4: go to 6\n", "EAFNOSUPPORT", "errno 11", "code 0xffff"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	if b := Bytes(KillForeign("arm64")); len(b) != 4*8 {
		t.Errorf("%d bytes", len(b))
	}
}

func FuzzDisassemble(f *testing.F) {
	f.Add(uint16(0x15), uint8(255), uint8(255), uint32(0xffffffff))
	f.Add(uint16(0x05), uint8(0), uint8(0), uint32(0xffffffff))
	f.Fuzz(func(t *testing.T, code uint16, jt, jf uint8, k uint32) {
		in := Instruction{code, jt, jf, k}
		if Disassemble("amd64", []Instruction{in, in}) == "" {
			t.Fatal("nothing")
		}
	})
}
