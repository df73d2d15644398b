// Package oci exports a profile as the config.json of a bundle for runc and crun.
// It is what safe-run itself would run on a host that can do everything; what
// depends on the host, and what OCI leaves to others, is listed.
package oci

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/export"
)

// ids are where safe-run's own ranges begin, which systemd leaves free.
const firstID = 0x70000000

// id names the container and its control group. The runtime is told another.
const id = "0000000000000000000000000000000000000000000000000000000000000000"

// anyHost can do everything, so that nothing is left out, and has nothing that
// could be taken over.
func anyHost(arch string) spec.Host {
	return spec.Host{
		Executable: "/usr/bin/safe-run", Arch: arch, Kernel: "6.12.0",
		Cgroup:         spec.Cgroup{Version: 2, Driver: "cgroupfs", Controllers: []string{"cpu", "memory", "pids", "devices", "freezer"}, SwapLimit: true},
		UserNamespaces: spec.Yes, IDMappedMounts: spec.Yes, OverlayIDMap: spec.Yes, Seccomp: spec.Yes, Nftables: spec.Yes,
		Capabilities: append([]string{}, profiles.CapabilityNames()...), Rlimits: map[string]uint64{},
		IDs: spec.IDRange{First: firstID, Count: 1 << 28}, CPUs: 1,
	}
}

// arches that a bundle may be for, by the name of OCI's filter.
var arches = []string{"amd64", "arm64"}

// Export gives config.json, and config-arm64.json.
func Export(in export.Input) (export.Result, error) {
	s, err := export.Prepare(in)
	if err != nil {
		return export.Result{}, err
	}
	var files []export.File
	for _, arch := range arches {
		oci, err := compiled(s, arch)
		if err != nil {
			return export.Result{}, err
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "\t")
		if err := enc.Encode(oci); err != nil {
			return export.Result{}, err
		}
		name := "config.json"
		if arch != arches[0] {
			name = "config-" + arch + ".json"
		}
		files = append(files, export.File{Path: name, Data: b.Bytes()})
	}
	lose(s)
	return export.Result{Files: files, Losses: s.Losses.List()}, nil
}

// compiled is the plan's OCI part, without what only safe-run would act on.
func compiled(s *export.Subject, arch string) (*specs.Spec, error) {
	p := s.Profile
	p.Accept, p.Image = nil, profiles.Image{}
	p.Process.Init = nil // safe-run's own first process is not in the bundle
	p.Seccomp.OnViolation = profiles.OnViolation{}
	p.Network.Mode = new(profiles.NetworkNone)
	p.Network.Egress = nil
	args := slices.Concat(s.Image.Entrypoint, s.Image.Cmd)
	switch {
	case s.Command != nil:
		args = slices.Concat(s.Command, s.Args)
	case s.Args != nil:
		args = slices.Concat(s.Image.Entrypoint, s.Args)
	}
	if len(args) == 0 {
		args = []string{"/bin/sh"}
		s.Losses.Different("command", "", "the image's own command is not known; config.json says /bin/sh", "name one: export oci IMAGE COMMAND")
	}
	plan, err := spec.Compile(spec.Input{
		Profile: p, Host: anyHost(arch),
		Image: spec.Image{Reference: s.Image.Reference, Rootfs: "/rootfs", Config: spec.ImageConfig{
			Entrypoint: args, WorkingDir: s.Image.WorkingDir, Volumes: s.Image.Volumes,
		}},
		Request:  spec.Request{Hostname: s.Name, Env: s.Env, User: user(s)},
		Instance: spec.Instance{ID: id, Name: s.Name, IDs: spec.IDRange{First: firstID, Count: spec.IDsPerContainer}},
	})
	if err != nil {
		return nil, err
	}
	oci := plan.OCI
	oci.Root.Path, oci.Root.Readonly = "rootfs", s.ReadOnly
	oci.Linux.CgroupsPath = ""
	oci.Linux.Seccomp.Flags = nil // see seccomp.Filter
	if *s.Profile.Network.Mode != profiles.NetworkNone {
		oci.Annotations = map[string]string{"dev.safe-run.network": string(*s.Profile.Network.Mode)}
	}
	return oci, nil
}

// user is who the first process is, as safe-run's flag; root needs no flag,
// because where it is allowed the image asked for it.
func user(s *export.Subject) string {
	return strconv.FormatInt(s.UID, 10) + ":" + strconv.FormatInt(s.GID, 10)
}
