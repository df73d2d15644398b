package install

import "fmt"

const (
	daemonJSON = "/etc/docker/daemon.json"
	podmanConf = "/etc/containers/containers.conf.d/50-safe-run.conf"
	crioConf   = "/etc/crio/crio.conf.d/50-safe-run.conf"
)

// userNamespace is what the built-in profiles ask and only the engine can give.
const userNamespace = "profiles ask for a user namespace, which only the engine can give"

func docker(in Input) (Plan, error) {
	program := in.Bin + "/" + oci
	merged, err := MergeRuntime(in.Existing, Runtime, program)
	if err != nil {
		return Plan{}, err
	}
	return Plan{
		Program: program,
		Files:   []File{policyOf(oci), {Path: daemonJSON, Data: merged, Merged: true}},
		Next: []string{
			"systemctl reload docker",
			"docker run --rm --runtime " + Runtime + " --user 1000:1000 IMAGE true",
			userNamespace + `: "userns-remap": "default" in ` + daemonJSON + ", or a profile that accepts to go without",
		},
	}, nil
}

func podman(in Input) (Plan, error) {
	program := in.Bin + "/" + oci
	return Plan{
		Program: program,
		Files: []File{policyOf(oci), {Path: podmanConf, Data: fmt.Appendf(nil,
			"# podman --runtime %[1]s, or runtime = %[1]q under [engine] for every container.\n[engine.runtimes]\n%[1]s = [%[2]q]\n", Runtime, program)}},
		Next: []string{
			"podman --runtime " + Runtime + " run --rm --userns=auto --user 1000:1000 IMAGE true",
			userNamespace + ": --userns=auto",
		},
	}, nil
}

func crio(in Input) (Plan, error) {
	program := in.Bin + "/" + oci
	return Plan{
		Program: program,
		Files: []File{policyOf(oci), {Path: crioConf, Data: fmt.Appendf(nil, `# A RuntimeClass with handler: %[1]s leads here.
[crio.runtime.runtimes.%[1]s]
runtime_path = %[2]q
runtime_type = "oci"
runtime_root = "/run/safe-run-oci"
`, Runtime, program)}},
		Next: []string{
			"systemctl restart crio",
			"crictl run --runtime " + Runtime + " container.json pod.json",
			userNamespace + ": hostUsers: false in the pod",
		},
	}, nil
}
