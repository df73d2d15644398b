package cli

import (
	"strings"

	"github.com/safe-run/safe-run/spec"
)

// change is how a setting is made looser or tighter: flags for one run, a key
// of a profile for all. Both are empty where it is always so.
type change struct {
	Flag string `json:"flag,omitempty"`
	Key  string `json:"key,omitempty"`
}

// changes is the table of them, by the setting of a decision or by its first
// words where the rest is a name.
var changes = map[string]change{
	"address families":      {Key: "seccomp.addressFamilies"},
	"capabilities":          {"--cap-add", "process.capabilities"},
	"command":               {Flag: "--entrypoint"},
	"cpus":                  {"--cpus", "resources.cpus"},
	"devices":               {},
	"dns":                   {},
	"egress":                {"--egress", "network.egress"},
	"environment":           {Flag: "--env"},
	"health check":          {"--health-cmd", "health.test"},
	"host path":             {Key: "mounts.hostPaths"},
	"hostname":              {Flag: "--hostname"},
	"ids":                   {},
	"image digest":          {Key: "image.requireDigest"},
	"image registries":      {Key: "image.registries"},
	"image signature":       {Key: "image.signatures"},
	"image vex":             {Key: "image.vulnerabilities.vex"},
	"image vulnerabilities": {Key: "image.vulnerabilities.block"},
	"init":                  {"--init", "process.init"},
	"masked paths":          {Key: "paths.masked"},
	"memory":                {"--memory", "resources.memory"},
	"mount":                 {Flag: "--volume"},
	"namespaces":            {},
	"landlock":              {Key: "accept"},
	"guard":                 {Key: "accept"},
	"second layers":         {Key: "seccomp.allow"},
	"network":               {"--network", "network.mode"},
	"no_new_privs":          {},
	"out of memory":         {},
	"pids":                  {"--pids-limit", "resources.pids"},
	"publish":               {Flag: "--publish"},
	"read-only paths":       {Key: "paths.readOnly"},
	"rlimit":                {"--ulimit", "process.rlimits"},
	"rootfs":                {"--read-only", "rootfs.readOnly"},
	"seccomp":               {Key: "seccomp.allow"},
	"stop":                  {"--stop-signal", "process.stopSignal"},
	"swap":                  {"--memory-swap", "resources.swap"},
	"tmpfs":                 {"--tmpfs", "mounts.tmpfs"},
	"user":                  {"--user", "process.runAsUser"},
	"workdir":               {Flag: "--workdir"},
}

// changeOf says how a setting is changed. What is not in the table is a
// weakening, and those are accepted by name.
func changeOf(setting string) change {
	for words := setting; words != ""; {
		if c, ok := changes[words]; ok {
			return c
		}
		words = words[:max(0, strings.LastIndexByte(words, ' '))]
	}
	return change{"--accept", "accept"}
}

// String is the change for people.
func (c change) String() string {
	if c.Flag == "" || c.Key == "" {
		return c.Flag + c.Key
	}
	return c.Flag + ", " + c.Key
}

// explained is a decision and how to change it.
type explained struct {
	spec.Decision
	Change change `json:"change"`
}

func explainAll(decisions []spec.Decision) []explained {
	out := make([]explained, 0, len(decisions))
	for _, d := range decisions {
		out = append(out, explained{d, changeOf(d.Setting)})
	}
	return out
}
