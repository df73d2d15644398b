package kubernetes

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
)

func ptr[T any](v T) *T { return &v }

// noPolicy are fields that say nothing about a container, and why.
var noPolicy = map[string]string{
	"apiVersion": "names the format", "kind": "names the format", "metadata.name": "a name", "metadata.description": "a text",
	"extends": "is resolved before", "replace": "is resolved before",
	"process.root.why": "a reason", "process.socketActivation.why": "a reason", "process.capabilities.why": "a reason",
	"rootfs.why": "a reason", "mounts.tmpfs.why": "a reason", "mounts.hostPaths.why": "a reason", "seccomp.allow.why": "a reason",
	"seccomp.addressFamilies.why": "a reason", "network.why": "a reason", "accept.why": "a reason",
	"image.signatures.why": "a reason", "image.vulnerabilities.why": "a reason",
	"verify.allow.probe": "what safe-run verify is to find", "verify.allow.why": "a reason",
}

// changes change one field each. What comes out must change with it.
var changes = map[string]func(p *profiles.Profile){
	"process.runAsUser":                 func(p *profiles.Profile) { p.Process.RunAsUser = ptr(int64(4711)) },
	"process.runAsGroup":                func(p *profiles.Profile) { p.Process.RunAsGroup = ptr(int64(4711)) },
	"process.userFrom":                  func(p *profiles.Profile) { p.Process.UserFrom = ptr(profiles.UserFromImage) },
	"process.root.allow":                func(p *profiles.Profile) { p.Process.Root = &profiles.Allowance{Allow: ptr(true), Why: "w"} },
	"process.socketActivation.allow":    func(p *profiles.Profile) { p.Process.SocketActivation.Allow = ptr(false) },
	"process.socketActivation.outbound": func(p *profiles.Profile) { p.Process.SocketActivation.Outbound = ptr(true) },
	"process.capabilities.name":         func(p *profiles.Profile) { p.Process.Capabilities[0].Name = "CHOWN" },
	"process.rlimits.name":              func(p *profiles.Profile) { p.Process.Rlimits[0].Name = "stack" },
	"process.rlimits.soft":              func(p *profiles.Profile) { p.Process.Rlimits[1].Soft = ptr(int64(7)) },
	"process.rlimits.hard":              func(p *profiles.Profile) { p.Process.Rlimits[1].Hard = ptr(int64(7777)) },
	"process.init":                      func(p *profiles.Profile) { p.Process.Init = ptr(true) },
	"process.stopSignal":                func(p *profiles.Profile) { p.Process.StopSignal = ptr(profiles.Signal("SIGQUIT")) },
	"process.stopTimeout":               func(p *profiles.Profile) { p.Process.StopTimeout = ptr(profiles.Duration(3e9)) },
	"process.oomScoreAdj":               func(p *profiles.Profile) { p.Process.OOMScoreAdj = ptr(int64(12)) },
	"rootfs.readOnly":                   func(p *profiles.Profile) { p.Rootfs.ReadOnly, p.Rootfs.Why = ptr(false), "w" },
	"rootfs.size":                       func(p *profiles.Profile) { p.Rootfs.Size = ptr(profiles.Bytes(1 << 27)) },
	"mounts.tmpfs.path":                 func(p *profiles.Profile) { p.Mounts.Tmpfs[0].Path = "/elsewhere" },
	"mounts.tmpfs.size":                 func(p *profiles.Profile) { p.Mounts.Tmpfs[0].Size = ptr(profiles.Bytes(1 << 21)) },
	"mounts.tmpfs.inodes":               func(p *profiles.Profile) { p.Mounts.Tmpfs[0].Inodes = ptr(int64(999)) },
	"mounts.tmpfs.mode":                 func(p *profiles.Profile) { p.Mounts.Tmpfs[0].Mode = ptr(profiles.Mode(0o700)) },
	"mounts.tmpfs.exec":                 func(p *profiles.Profile) { p.Mounts.Tmpfs[0].Exec, p.Mounts.Tmpfs[0].Why = ptr(true), "w" },
	"mounts.hostPaths.path":             func(p *profiles.Profile) { p.Mounts.HostPaths[0].Path = "/etc/hosts" },
	"mounts.hostPaths.write":            func(p *profiles.Profile) { p.Mounts.HostPaths[0].Write = ptr(true) },
	"mounts.volumes":                    func(p *profiles.Profile) { p.Mounts.Volumes = ptr(false) },
	"paths.masked":                      func(p *profiles.Profile) { p.Paths.Masked = append(p.Paths.Masked, "/proc/more") },
	"paths.readOnly":                    func(p *profiles.Profile) { p.Paths.ReadOnly = append(p.Paths.ReadOnly, "/proc/more") },
	"resources.memory":                  func(p *profiles.Profile) { p.Resources.Memory = ptr(profiles.Bytes(1 << 27)) },
	"resources.swap":                    func(p *profiles.Profile) { p.Resources.Swap = ptr(profiles.Bytes(1 << 27)) },
	"resources.cpus":                    func(p *profiles.Profile) { p.Resources.CPUs = ptr(profiles.MilliCPU(250)) },
	"resources.pids":                    func(p *profiles.Profile) { p.Resources.Pids = ptr(int64(9)) },
	"seccomp.allow.name": func(p *profiles.Profile) {
		p.Seccomp.Allow = append(p.Seccomp.Allow, profiles.Syscall{Name: "ptrace", Why: "w"})
	},
	"seccomp.addressFamilies.name":     func(p *profiles.Profile) { p.Seccomp.AddressFamilies = p.Seccomp.AddressFamilies[1:] },
	"seccomp.onViolation.high":         func(p *profiles.Profile) { p.Seccomp.OnViolation.High = ptr(profiles.ReactKill) },
	"seccomp.onViolation.medium":       func(p *profiles.Profile) { p.Seccomp.OnViolation.Medium = ptr(profiles.ReactFreeze) },
	"seccomp.onViolation.low":          func(p *profiles.Profile) { p.Seccomp.OnViolation.Low = ptr(profiles.ReactLog) },
	"network.mode":                     func(p *profiles.Profile) { p.Network.Mode = ptr(profiles.NetworkNone); p.Network.Egress = nil },
	"network.egress.to":                func(p *profiles.Profile) { p.Network.Egress[0].To = "10.9.0.0/16" },
	"network.egress.ports":             func(p *profiles.Profile) { p.Network.Egress[0].Ports = []string{"1-9/udp"} },
	"network.egress.why":               func(p *profiles.Profile) { p.Network.Egress[0].Why = "another reason" },
	"network.unprivilegedPortStart":    func(p *profiles.Profile) { p.Network.UnprivilegedPortStart = ptr(int64(99)) },
	"image.registries":                 func(p *profiles.Profile) { p.Image.Registries = []profiles.Registry{"ghcr.io/acme", "more.example"} },
	"image.requireDigest":              func(p *profiles.Profile) { p.Image.RequireDigest = ptr(true) },
	"image.signatures.name":            func(p *profiles.Profile) { p.Image.Signatures[0].Name = "other" },
	"image.signatures.keys":            func(p *profiles.Profile) { p.Image.Signatures[0].Keys = []string{"/other.pub"} },
	"image.signatures.keyless.issuer":  func(p *profiles.Profile) { p.Image.Signatures[1].Keyless[0].Issuer = "https://other.example" },
	"image.signatures.keyless.subject": func(p *profiles.Profile) { p.Image.Signatures[1].Keyless[0].Subject = "other" },
	"image.signatures.keyless.subjectRegExp": func(p *profiles.Profile) {
		p.Image.Signatures[1].Keyless[0].Subject, p.Image.Signatures[1].Keyless[0].SubjectRegExp = "", "o.*"
	},
	"image.signatures.trustRoot":  func(p *profiles.Profile) { p.Image.Signatures[1].TrustRoot = "/other.json" },
	"image.vulnerabilities.block": func(p *profiles.Profile) { p.Image.Vulnerabilities.Block = ptr(profiles.SeverityLow) },
	"image.vulnerabilities.fixableOnly": func(p *profiles.Profile) {
		p.Image.Vulnerabilities.FixableOnly, p.Image.Vulnerabilities.Why = ptr(true), "w"
	},
	"image.vulnerabilities.maxAge": func(p *profiles.Profile) { p.Image.Vulnerabilities.MaxAge = ptr(profiles.Duration(3600e9)) },
	"image.vulnerabilities.sources": func(p *profiles.Profile) {
		p.Image.Vulnerabilities.Sources = []profiles.FindingSource{profiles.FromScanner}
	},
	"image.vulnerabilities.report": func(p *profiles.Profile) { p.Image.Vulnerabilities.Report = ptr("/report.json") },
	"image.vulnerabilities.vex":    func(p *profiles.Profile) { p.Image.Vulnerabilities.VEX = []string{"/vex.json"} },
	"health.test":                  func(p *profiles.Profile) { p.Health.Test = ptr(profiles.Command(`["/other"]`)) },
	"health.interval":              func(p *profiles.Profile) { p.Health.Interval = ptr(profiles.Duration(7e9)) },
	"health.timeout":               func(p *profiles.Profile) { p.Health.Timeout = ptr(profiles.Duration(7e9)) },
	"health.startPeriod":           func(p *profiles.Profile) { p.Health.StartPeriod = ptr(profiles.Duration(100e9)) },
	"health.startInterval":         func(p *profiles.Profile) { p.Health.StartInterval = ptr(profiles.Duration(2e9)) },
	"health.retries":               func(p *profiles.Profile) { p.Health.Retries = ptr(int64(9)) },
	"health.disabled":              func(p *profiles.Profile) { p.Health = profiles.Health{Disabled: ptr(true)} },
	"accept.name":                  func(p *profiles.Profile) { p.Accept[0].Name = "idmapped-mounts" },
}

// fullProfile says something about everything.
func fullProfile(t testing.TB) profiles.Profile {
	p := resolved(t, "worker")
	p.Process.UserFrom = ptr(profiles.UserFromProfile)
	p.Process.SocketActivation = &profiles.SocketActivation{Allow: ptr(true), Why: "w"}
	p.Process.Capabilities = []profiles.Capability{{Name: "NET_BIND_SERVICE", Why: "w"}}
	p.Mounts.HostPaths = []profiles.HostPath{{Path: "/etc/ssl", Why: "w"}}
	p.Image = profiles.Image{
		Signatures: []profiles.Signature{
			{Name: "release", Keys: []string{"/keys/release.pub"}},
			{Name: "ci", Keyless: []profiles.Identity{{Issuer: "https://accounts.example.com", Subject: "ci@example.com"}}, TrustRoot: "/keys/root.json"},
		},
		Vulnerabilities: profiles.Vulnerabilities{Block: ptr(profiles.SeverityHigh)},
	}
	p.Health = profiles.Health{Test: ptr(profiles.Command(`["/check"]`)), StartPeriod: ptr(profiles.Duration(60e9))}
	p.Accept = []profiles.Accept{{Name: "user-namespace", Why: "w"}}
	return p
}

// leaves are the fields of a profile, by the names in YAML.
func leaves(path string, t reflect.Type, each func(path string)) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		each(path)
		return
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name == "-" {
			continue
		}
		leaves(strings.TrimPrefix(path+"."+name, "."), t.Field(i).Type, each)
	}
}

// TestNoFieldForgotten: whatever a profile can say is in the files or among the
// losses, and is not there when it is not said.
func TestNoFieldForgotten(t *testing.T) {
	o := Options{PodSecurity: "privileged", Keys: map[string]string{"/keys/release.pub": somePEM, "/other.pub": otherPEM}}
	of := func(p profiles.Profile) (files string, losses []export.Loss) {
		in := inputOf(p)
		in.Publish = nil
		result := exported(t, in, o)
		for _, f := range result.Files {
			files += f.Path + "\n" + string(f.Data)
		}
		return files, result.Losses
	}
	var paths []string
	leaves("", reflect.TypeFor[profiles.Profile](), func(path string) { paths = append(paths, path) })
	for _, path := range paths {
		change, changed := changes[path]
		if _, none := noPolicy[path]; none == changed {
			t.Errorf("%s is neither exported nor listed as no policy, or both", path)
			continue
		}
		if !changed {
			continue
		}
		p := fullProfile(t)
		filesBefore, lossesBefore := of(p)
		p = fullProfile(t)
		change(&p)
		files, losses := of(p)
		if files == filesBefore && reflect.DeepEqual(losses, lossesBefore) {
			t.Errorf("%s changes neither the files nor the losses", path)
		}
	}
	for path := range changes {
		if !slices.Contains(paths, path) {
			t.Errorf("%s is no field", path)
		}
	}
	for path := range noPolicy {
		if !slices.Contains(paths, path) {
			t.Errorf("%s is no field", path)
		}
	}
}

// TestLosses: each loss says what is lost and what to do, about what the profile
// says and where.
func TestLosses(t *testing.T) {
	for _, l := range exported(t, inputOf(fullProfile(t)), Options{PodSecurity: "privileged"}).Losses {
		if l.Setting == "" || l.Lost == "" || l.Do == "" || l.Severity == "" || strings.HasSuffix(l.Lost, ".") {
			t.Errorf("%+v", l)
		}
	}
}

const (
	somePEM  = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"
	otherPEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAF\n-----END PUBLIC KEY-----\n"
)
