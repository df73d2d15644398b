package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/safe-run/safe-run/cmd/policies"
)

// testEtc moves the administrator's directory in scripts. The product has no
// such thing.
const testEtc = "TEST_ETC"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){Name: func() {
		if dir := os.Getenv(testEtc); dir != "" {
			policies.Here.Etc, policies.Here.Owner = dir, uint32(os.Geteuid())
		}
		os.Exit(Main(context.Background(), os.Args, IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv(testEtc, env.WorkDir+"/etc")
			env.Setenv("SAFE_RUN_STORE", env.WorkDir+"/store")
			return nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, errors.New("unknown condition " + cond)
		},
	})
}

// exits runs a program and checks its exit code: exits 125 safe-run-policy ...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}
