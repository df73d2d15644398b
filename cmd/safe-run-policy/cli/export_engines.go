package cli

import (
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/apparmor"
	"github.com/safe-run/safe-run/spec/export/compose"
	"github.com/safe-run/safe-run/spec/export/docker"
	"github.com/safe-run/safe-run/spec/export/nomad"
	"github.com/safe-run/safe-run/spec/export/oci"
	"github.com/safe-run/safe-run/spec/export/podman"
	"github.com/safe-run/safe-run/spec/export/seccomp"
	"github.com/safe-run/safe-run/spec/export/systemd"
)

func newDockerTarget() *exportTarget {
	return &exportTarget{
		use: "docker --output DIR [flags] IMAGE [-- ARGUMENT...]", short: "a command line of docker, its filter, and what the daemon should be told",
		long: `write docker-run.sh, a command line that docker 20.10 and newer take, with seccomp.json
beside it and daemon.json with what belongs into /etc/docker/daemon.json. What the script
is given are further flags of docker run: sh docker-run.sh --detach`,
		example: `  safe-run export docker --profile web -p 8080:80 --output deploy/ nginx:1.27
  sh deploy/docker-run.sh --rm`,
		export: docker.Export,
	}
}

func newComposeTarget() *exportTarget {
	return &exportTarget{
		use: "compose --output DIR [flags] IMAGE [-- ARGUMENT...]", short: "a compose.yaml and its filter",
		long:    "write compose.yaml with one service, and seccomp.json, which it names beside itself.",
		example: "  safe-run export compose --profile web -p 8080:80 --output deploy/ nginx:1.27\n  docker compose -f deploy/compose.yaml up",
		export:  compose.Export,
	}
}

func newPodmanTarget() *exportTarget {
	return &exportTarget{
		use: "podman --output DIR [flags] IMAGE [-- ARGUMENT...]", short: "a command line of podman, a unit for Quadlet, and their filter",
		long: `write podman-run.sh, NAME.container for Quadlet (/etc/containers/systemd), and
seccomp.json, which both name. What the script is given are further flags of podman run.`,
		example: "  safe-run export podman --profile web -p 8080:80 --output deploy/ nginx:1.27\n  sh deploy/podman-run.sh --rm",
		export:  podman.Export,
	}
}

func newOCITarget() *exportTarget {
	return &exportTarget{
		use: "oci [flags] IMAGE [-- ARGUMENT...]", short: "the config.json of a bundle for runc and crun",
		long: `write config.json for x86-64, and config-arm64.json beside it where --output is a
directory. The image's tree belongs into rootfs beside it.`,
		example: "  safe-run export oci --profile batch --output bundle/ debian:12 -- sort /etc/passwd\n  runc run --bundle bundle sort",
		export:  oci.Export,
		stream:  func(files []export.File) ([]byte, error) { return files[0].Data, nil },
	}
}

func newSeccompTarget() *exportTarget {
	return &exportTarget{
		use: "seccomp [flags]", short: "the system call filter alone, as engines and kubelets read it",
		long:    "write the filter in Docker's form, for x86-64 and arm64, which Docker, Podman, containerd and the kubelet read.",
		example: "  safe-run export seccomp --profile web > seccomp.json\n  docker run --security-opt seccomp=seccomp.json nginx:1.27",
		noImage: true, export: seccomp.Export,
	}
}

func newSystemdTarget() *exportTarget {
	return &exportTarget{
		use: "systemd [flags] --name NAME --command PROGRAM [-- ARGUMENT...]", short: "a hardened unit for a plain program, without a container",
		long: `write NAME.service for a program of the host: a read-only system, system calls, address
families, limits and capabilities as the profile has them.`,
		example: "  safe-run export systemd --profile batch --name report --command /usr/local/bin/report -- --daily > report.service\n  systemd-analyze security --offline=true report.service",
		noImage: true, export: systemd.Export,
	}
}

func newAppArmorTarget() *exportTarget {
	return &exportTarget{
		use: "apparmor [flags] [IMAGE]", short: "an AppArmor profile for the containers of another runtime",
		long: `write a profile for AppArmor 3.0 and newer, called safe-run-NAME: what may be read, run and
written inside, capabilities, kinds of sockets, signals, and no mounts. NAME is the
image's, or the profile's where no image is named; an image's volumes can be written to
if the image is named and its config can be read here.`,
		example: `  safe-run export apparmor --profile web --output safe-run-nginx nginx:1.27
  apparmor_parser --replace safe-run-nginx
  docker run --security-opt apparmor=safe-run-nginx nginx:1.27
  safe-run export kubernetes --profile web --apparmor safe-run-nginx nginx:1.27`,
		noImage: true, export: apparmor.Export,
	}
}

func newNomadTarget() *exportTarget {
	return &exportTarget{
		use: "nomad --output DIR [flags] IMAGE [-- ARGUMENT...]", short: "a job of Nomad for its docker driver, and its filter",
		long: `write NAME.nomad.hcl, a service for Nomad 1.5 and newer, and seccomp.json, which each client
has to have at the place that the job names.`,
		example: "  safe-run export nomad --profile web -p 8080:80 --output deploy/ nginx:1.27\n  nomad job run deploy/nginx.nomad.hcl",
		export:  nomad.Export,
	}
}
