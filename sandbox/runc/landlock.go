package runc

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/runc/libcontainer/configs"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/plainjson"
	"github.com/safe-run/safe-run/spec/problem"
)

// landlockLabel is where libcontainer's state keeps the rules, for those who
// join later.
const landlockLabel = "dev.safe-run.landlock="

// underLandlock writes the rules into a container's configuration, whose other
// labels are annotations, which whoever starts a container chooses: one that looks
// like rules is none. They are applied where init makes its filter
// (compiled/answer.c), so that there has to be one: without a policy it is one that
// allows everything, by every way.
func underLandlock(config *configs.Config, rules *spec.Landlock) error {
	config.Labels = slices.DeleteFunc(config.Labels, func(l string) bool { return strings.HasPrefix(l, landlockLabel) })
	if rules == nil {
		return nil
	}
	data, err := plainjson.Marshal(rules)
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	config.Labels = append(config.Labels, landlockLabel+string(data))
	if config.Seccomp == nil {
		config.Seccomp = allowsAll()
	}
	return nil
}

// allowsAll is a filter that refuses nothing.
func allowsAll() *configs.Seccomp {
	return &configs.Seccomp{DefaultAction: configs.Allow, Architectures: everyWay()}
}

// withoutLandlock says what can be done when init could not put itself under its
// rules, which libcontainer takes for a filter that cannot be made.
func withoutLandlock(err error, m *memory) error {
	if m.rules == nil || !strings.Contains(err.Error(), "error creating filter") {
		return err
	}
	return problem.New("to go without, accept landlock in the profile, or in shim.yaml or oci.yaml: accept: [{name: landlock, why: ...}]",
		"the kernel did not take the rules for Landlock, or a limit: %w", err)
}

// everyWay are the architectures whose calls this machine takes.
func everyWay() []string {
	switch runtime.GOARCH {
	case "amd64":
		return []string{"amd64", "x86", "x32"}
	case "arm64":
		return []string{"arm64", "arm"}
	}
	return []string{runtime.GOARCH}
}

// landlockOf gives the rules of a configuration, as they were written; nil where
// there are none.
func landlockOf(config *configs.Config) []byte {
	for _, label := range config.Labels {
		if rules, ok := strings.CutPrefix(label, landlockLabel); ok {
			return []byte(rules)
		}
	}
	return nil
}
