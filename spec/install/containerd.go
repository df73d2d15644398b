package install

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/safe-run/safe-run/spec/problem"
)

const (
	containerdMain = "/etc/containerd/config.toml"
	dropIn         = "/etc/containerd/conf.d/saferun.toml"
	imports        = `imports = ["/etc/containerd/conf.d/*.toml"]` + "\n"
)

// The versions of containerd's configuration that are written: 2 is read by
// every containerd from 1.3 on, 3 by 2.x.
const (
	version2 = 2
	version3 = 3
)

func containerd(in Input) (Plan, error) {
	main, err := readMain(in.Existing)
	if err != nil {
		return Plan{}, err
	}
	version := in.ConfigVersion
	if version == 0 {
		version = min(main.version, version3) // each containerd reads older ones, too
	}
	switch {
	case version == 0:
		return Plan{}, problem.New("name it: --config-version 3 for containerd 2.x, --config-version 2 for 1.x",
			"there is no %s that says which version it has", containerdMain)
	case version != version2 && version != version3:
		return Plan{}, problem.New("choose --config-version 2 or 3", "configuration version %d of containerd is not known", version)
	case version == version2 && main.version > version2:
		return Plan{}, problem.New("leave --config-version out", "%s has version %d, which --config-version 2 cannot be added to", containerdMain, main.version)
	case version == version2:
		return forRunc(in, main)
	}
	return forShim(in, main)
}

// mainFile is what counts of containerd's configuration.
type mainFile struct {
	data    []byte
	version int
	tree    map[string]any
}

func readMain(data []byte) (mainFile, error) {
	m := mainFile{data: data}
	if data == nil {
		return m, nil
	}
	if _, err := toml.Decode(string(data), &m.tree); err != nil {
		return m, problem.New("containerd does not read it either: mend it first", "%s: %w", containerdMain, err)
	}
	version, _ := m.tree["version"].(int64)
	if m.version = int(version); version < version2 {
		return m, problem.New("bring it up to date: containerd config migrate", "%s has configuration version %d, which is too old", containerdMain, max(version, 1))
	}
	return m, nil
}

// at goes down a tree of tables.
func (m mainFile) at(keys ...string) any {
	var value any = m.tree
	for _, key := range keys {
		table, _ := value.(map[string]any)
		value = table[key]
	}
	return value
}

// imported says whether what is in conf.d is read.
func (m mainFile) imported() bool {
	all, _ := m.tree["imports"].([]any)
	for _, one := range all {
		pattern, _ := one.(string)
		if !path.IsAbs(pattern) {
			pattern = path.Join(path.Dir(containerdMain), pattern)
		}
		if ok, err := path.Match(path.Clean(pattern), dropIn); ok && err == nil {
			return true
		}
	}
	return false
}

// forShim is for containerd 2.x, which starts the shim.
func forShim(in Input, main mainFile) (Plan, error) {
	plan := Plan{
		Program: in.Bin + "/" + shim,
		Files:   []File{policyOf(shim)},
		Next: []string{
			"check that containerd --version is 2.0 or later: 1.x does not read configuration version 3 (--undo, then --config-version 2)",
			"systemctl restart containerd",
			"ctr run --rm --runtime io.containerd.saferun.v2 --user 1000:1000 IMAGE test true",
			"kubectl apply -f deploy/containerd/runtimeclass.yaml, and runtimeClassName: " + Runtime + " with hostUsers: false in a pod",
		},
	}
	var text strings.Builder
	fmt.Fprintf(&text, shimHead+shimRuntime, in.Bin)
	profiles := in.Profiles
	if len(profiles) == 0 {
		profiles = slices.DeleteFunc(slices.Clone(in.Usual), func(name string) bool { return name == "default" }) // saferun itself
	}
	for _, name := range profiles {
		fmt.Fprintf(&text, profileRuntime, in.Bin, name)
	}
	plan.Files = append(plan.Files, File{Path: dropIn, Data: []byte(text.String())})
	if main.imported() {
		return plan, nil
	}
	merged := []byte("version = 3\n" + imports)
	if main.data != nil {
		if _, has := main.tree["imports"]; has {
			return Plan{}, problem.New(`add "/etc/containerd/conf.d/*.toml" to its imports`, "%s does not import %s", containerdMain, dropIn)
		}
		// A key of no table stands before the first table.
		merged = append([]byte(imports), main.data...)
	}
	plan.Files = append(plan.Files, File{Path: containerdMain, Data: merged, Merged: true})
	return plan, parses(merged)
}

// forRunc is for containerd 1.x: its own shim of runc starts safe-run-oci. There
// a drop-in would replace all that the main file says of the same plugin, and so
// the runtime is written into the main file.
func forRunc(in Input, main mainFile) (Plan, error) {
	if len(in.Profiles) > 0 {
		return Plan{}, problem.New("leave --profile out: a pod names its profile by the annotation safe-run.dev/profile",
			"with configuration version 2 there is one runtime for all profiles")
	}
	runtimes := []string{"plugins", "io.containerd.grpc.v1.cri", "containerd", "runtimes"}
	if main.at(append(runtimes, Runtime)...) != nil {
		return Plan{}, problem.New("take it out, or keep it and set its BinaryName to "+in.Bin+"/"+oci, "%s has a runtime %s already", containerdMain, Runtime)
	}
	options := ""
	// The driver of control groups is the node's, not a runtime's.
	if systemd, _ := main.at(append(runtimes, "runc", "options", "SystemdCgroup")...).(bool); systemd {
		options = "    SystemdCgroup = true\n"
	}
	data := main.data
	if data == nil {
		data = []byte("version = 2\n")
	}
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		data = append(bytes.Clone(data), '\n')
	}
	merged := append(bytes.Clone(data), fmt.Sprintf(runcRuntime, in.Bin, options)...)
	next := []string{
		"here runc's shim starts safe-run-oci; containerd-shim-saferun-v2 is for containerd 1.x, too, by ctr run --runtime io.containerd.saferun.v2",
		"systemctl restart containerd",
		"ctr run --rm --runc-binary " + in.Bin + "/" + oci + " --user 1000:1000 IMAGE test true",
		userNamespace + ": containerd 1.7 does for pods with hostUsers: false; else name a profile that accepts to go without",
	}
	if _, has := main.tree["imports"]; has {
		next = append(next, containerdMain+" imports others: one that configures io.containerd.grpc.v1.cri replaces all of it, this runtime too")
	}
	return Plan{
		Program: in.Bin + "/" + oci,
		Files:   []File{policyOf(oci), {Path: containerdMain, Data: merged, Merged: true}},
		Next:    next,
	}, parses(merged)
}

// inline is a table on the way to the runtimes that is written as {...}: TOML
// closes it there. Ours of the two readers lets an empty one be added to.
var inline = regexp.MustCompile(`(?m)^[^#\n]*(plugins|cri["']?|containerd|runtimes)\s*=\s*\{`)

// parses: nothing is written that containerd could not read.
func parses(data []byte) error {
	var tree map[string]any
	_, err := toml.Decode(string(data), &tree)
	if err == nil && inline.Match(data) {
		err = errors.New("it has a table between braces, which nothing can be added to")
	}
	if err != nil {
		return problem.New("write the runtime into it by hand; the configuration is under deploy/containerd", "%s cannot be added to: %w", containerdMain, err)
	}
	return nil
}

const shimHead = `# containerd 2.x, as /etc/containerd/conf.d/saferun.toml, where the main
# file has imports = ["/etc/containerd/conf.d/*.toml"]. A runtime for each profile:
# the policy is the node's, and a pod chooses among them by its RuntimeClass.
version = 3
`

const shimRuntime = `
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.saferun]
  runtime_type = "io.containerd.saferun.v2"
  runtime_path = "%[1]s/containerd-shim-saferun-v2"
  pod_annotations = ["safe-run.dev/*"]
  container_annotations = ["safe-run.dev/*"]
`

const profileRuntime = `
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.saferun-%[2]s]
  runtime_type = "io.containerd.runc.v2" # whose options are the only ones that pods with hostUsers: false can have
  runtime_path = "%[1]s/containerd-shim-saferun-v2"
  pod_annotations = ["safe-run.dev/*"]
  container_annotations = ["safe-run.dev/*"]
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.saferun-%[2]s.options]
    BinaryName = "%[2]s" # the profile
`

const runcRuntime = `
# safe-run, as the runtime that runc's shim starts.
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.saferun]
  runtime_type = "io.containerd.runc.v2"
  pod_annotations = ["safe-run.dev/*"]
  container_annotations = ["safe-run.dev/*"]
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.saferun.options]
    BinaryName = "%[1]s/safe-run-oci"
%[2]s`
