//go:build cgo && seccomp

package compiled_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	libseccomp "github.com/seccomp/libseccomp-golang"
	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

// asked is what one filter is made of.
type asked struct {
	otherwise, late bool // another default; a setting after the rules
	calls           []libseccomp.ScmpSyscall
	argument        uint64
}

// make asks libseccomp, as libcontainer does.
func (a asked) make() (program []byte, err error) {
	action := libseccomp.ActErrno.SetReturnCode(38)
	if a.otherwise {
		action = libseccomp.ActErrno.SetReturnCode(1)
	}
	filter, err := libseccomp.NewFilter(action)
	if err != nil {
		return nil, err
	}
	defer filter.Release()
	for i, call := range a.calls {
		if i%2 == 0 {
			err = filter.AddRule(call, libseccomp.ActAllow)
		} else {
			var c libseccomp.ScmpCondition
			if c, err = libseccomp.MakeCondition(0, libseccomp.CompareMaskedEqual, 0xffffffff, a.argument); err == nil {
				err = filter.AddRuleConditional(call, libseccomp.ActNotify, []libseccomp.ScmpCondition{c})
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if a.late {
		if err := filter.SetOptimize(2); err != nil {
			return nil, err
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	done := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(r)
		done <- all
	}()
	err = filter.ExportBPF(w)
	w.Close()
	return <-done, err
}

func must(t rapid.TB, a asked) []byte {
	t.Helper()
	program, err := a.make()
	if err != nil || len(program) < 8 {
		t.Fatalf("%+v: %d bytes: %v", a, len(program), err)
	}
	return program
}

func question(t rapid.TB, a asked) []byte {
	t.Helper()
	q, err := compiled.Record(func() error {
		_, err := a.make()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// told is no program that libseccomp makes.
var told = bytes.Repeat([]byte{6, 0, 0, 0, 0, 0, 0, 0}, 3)

// TestAnswer: the same question gets the answer, any other what libseccomp makes
// of it, and a filter after it is nobody's business.
func TestAnswer(t *testing.T) {
	known := asked{calls: []libseccomp.ScmpSyscall{1, 2, 3, 4, 5}, argument: 7}
	q := question(t, known)
	if again := question(t, known); !bytes.Equal(q, again) {
		t.Error("the same filter, and another question")
	}
	for name, other := range map[string]asked{
		"another default":    {otherwise: true, calls: known.calls, argument: 7},
		"another argument":   {calls: known.calls, argument: 8},
		"a rule less":        {calls: known.calls[:4], argument: 7},
		"a rule more":        {calls: append(known.calls[:5:5], 6), argument: 7},
		"the first rule":     {calls: []libseccomp.ScmpSyscall{9, 2, 3, 4, 5}, argument: 7},
		"the last rule":      {calls: []libseccomp.ScmpSyscall{1, 2, 3, 4, 9}, argument: 7},
		"a setting too late": {calls: known.calls, argument: 7, late: true},
		"no rules":           {},
	} {
		t.Run(name, func(t *testing.T) {
			want := must(t, other)
			compiled.Answer(compiled.Entry{Question: q, Program: told})
			if got := must(t, other); !bytes.Equal(got, want) || compiled.Answered() {
				t.Errorf("%d bytes and not %d; answered: %t", len(got), len(want), compiled.Answered())
			}
		})
	}
	compiled.Answer(compiled.Entry{Question: q, Program: told})
	if got := must(t, known); !bytes.Equal(got, told) || !compiled.Answered() {
		t.Errorf("the same question: %x; answered: %t", got, compiled.Answered())
	}
	if got := must(t, known); bytes.Equal(got, told) {
		t.Error("the next filter is answered, too")
	}
}

// TestAnswerHoldsNothingBack: whatever two filters have in common, what is made
// of the second beside the question of the first is what is made of it alone.
func TestAnswerHoldsNothingBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) asked {
			return asked{
				otherwise: rapid.Bool().Draw(t, name+" default"), late: rapid.Bool().Draw(t, name+" late"),
				calls: rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) libseccomp.ScmpSyscall {
					return libseccomp.ScmpSyscall(rapid.IntRange(0, 12).Draw(t, "call"))
				}), 0, 8, rapid.ID).Draw(t, name+" calls"),
				argument: rapid.Uint64Range(0, 1).Draw(t, name+" argument"),
			}
		}
		first, second := draw("first"), draw("second")
		if rapid.Bool().Draw(t, "alike") {
			second.calls, second.otherwise = first.calls, first.otherwise
		}
		q, want := question(t, first), must(t, second)
		settled := second.late && len(second.calls) > 0 // which libcontainer does not do, and is not answered
		if bytes.Equal(q, question(t, second)) && !settled {
			want = told
		}
		compiled.Answer(compiled.Entry{Question: q, Program: told})
		if got := must(t, second); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, and alone %d", len(got), len(want))
		}
	})
}

// TestRecordFails: what could not be compiled is no entry.
func TestRecordFails(t *testing.T) {
	if _, err := compiled.Record(func() error { return os.ErrInvalid }); err == nil {
		t.Error("an error became a question")
	}
	if _, err := compiled.Record(func() error { return nil }); err == nil {
		t.Error("nothing became a question")
	}
}
