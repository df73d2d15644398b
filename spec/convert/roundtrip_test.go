package convert_test

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/convert"
	composein "github.com/safe-run/safe-run/spec/convert/compose"
	dockerin "github.com/safe-run/safe-run/spec/convert/docker"
	kubernetesin "github.com/safe-run/safe-run/spec/convert/kubernetes"
	ociin "github.com/safe-run/safe-run/spec/convert/oci"
	"github.com/safe-run/safe-run/spec/export"
	composeout "github.com/safe-run/safe-run/spec/export/compose"
	dockerout "github.com/safe-run/safe-run/spec/export/docker"
	"github.com/safe-run/safe-run/spec/export/exporttest"
	kubernetesout "github.com/safe-run/safe-run/spec/export/kubernetes"
	ociout "github.com/safe-run/safe-run/spec/export/oci"
	podmanout "github.com/safe-run/safe-run/spec/export/podman"
	"github.com/safe-run/safe-run/spec/quote/quotetest"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// way is an export with the way back from it.
type way struct {
	out  exporttest.Export
	back func(t *rapid.T, files []export.File) (convert.Result, error)
}

var ways = map[string]way{
	"docker": {dockerout.Export, fromScript},
	"podman": {podmanout.Export, fromScript},
	"oci": {ociout.Export, func(_ *rapid.T, files []export.File) (convert.Result, error) {
		return ociin.Convert(files[0].Path, files[0].Data)
	}},
}

func init() {
	ways["compose"] = way{composeout.Export, func(_ *rapid.T, files []export.File) (convert.Result, error) {
		all, err := composein.Convert(files[0].Path, files[0].Data, found(files))
		return only(all, err)
	}}
	ways["kubernetes"] = way{
		func(in export.Input) (export.Result, error) {
			return kubernetesout.Export(in, kubernetesout.Options{PodSecurity: "privileged"})
		},
		func(_ *rapid.T, files []export.File) (convert.Result, error) {
			i := slices.IndexFunc(files, func(f export.File) bool { return f.Path == "workload.yaml" })
			all, err := kubernetesin.Convert(files[i].Path, files[i].Data, found(files))
			return only(all, err)
		},
	}
}

func only(all []convert.Result, err error) (convert.Result, error) {
	if err != nil {
		return convert.Result{}, err
	}
	return all[0], nil
}

// found reads the files of an export by their last name.
func found(files []export.File) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		i := slices.IndexFunc(files, func(f export.File) bool { return path.Base(f.Path) == path.Base(name) })
		if i < 0 {
			return nil, fs.ErrNotExist
		}
		return files[i].Data, nil
	}
}

// fromScript reads the command line of a script as a shell would.
func fromScript(t *rapid.T, files []export.File) (convert.Result, error) {
	script := string(files[0].Data)
	line := script[strings.Index(script, "exec ")+len("exec "):]
	line = strings.ReplaceAll(line, " \\\n\t", " ")
	line = strings.NewReplacer(` "$@"`, "", `"seccomp=$here/seccomp.json"`, "seccomp=seccomp.json").Replace(strings.TrimSuffix(line, "\n"))
	words, err := quotetest.ShellWords(line)
	if err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	return dockerin.Convert(words, found(files))
}

// TestRoundTripIsNeverLooser: what is exported and converted back allows nothing
// that the profile did not, but for what the export has told as lost.
func TestRoundTripIsNeverLooser(t *testing.T) {
	for name, w := range ways {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				in := anyInput(t)
				result, err := w.out(in)
				if err != nil {
					t.Fatal(err)
				}
				back, err := w.back(t, result.Files)
				if err != nil {
					t.Fatal(err)
				}
				text, err := profiles.Encode(back.Profile)
				if err != nil {
					t.Fatal(err)
				}
				got, err := exporttest.Resolve(text)
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				for _, c := range profiles.Looser(got, withLauncher(in.Profile)) {
					// All of the root could be written, and these places are what is left of it.
					part := !*in.Profile.Rootfs.ReadOnly && strings.HasPrefix(c.Path, "mounts.tmpfs[") && !strings.HasSuffix(c.Path, ".exec")
					if !part && !export.Covers(result.Losses, c.Path) {
						t.Errorf("looser at %s: %q was %q, and no loss says so\n%s", c.Path, c.New, c.Old, text)
					}
				}
			})
		})
	}
}

// withLauncher writes out what every filter allows beside the profile: the calls
// of the launcher itself, which a filter that is read back cannot tell from
// others.
func withLauncher(p profiles.Profile) profiles.Profile {
	p.Seccomp.Allow = slices.Clone(p.Seccomp.Allow)
	for _, name := range seccomp.Launcher(spec.SeccompPolicy(p, "amd64")) {
		p.Seccomp.Allow = append(p.Seccomp.Allow, profiles.Syscall{Name: name, Why: "the launcher's"})
	}
	return p
}

// anyInput is an application under a profile that differs from a built-in one in
// whatever an export could get wrong.
func anyInput(t *rapid.T) export.Input {
	p := exporttest.Profile(rapid.SampledFrom(builtin.Names()).Draw(t, "base"))
	number := func(name string, least, most int64) *int64 {
		return new(rapid.Int64Range(least, most).Draw(t, name))
	}
	p.Process.RunAsUser, p.Process.RunAsGroup = number("user", 1, 65535), number("group", 1, 65535)
	p.Resources.Memory = new(profiles.Bytes(*number("memory", 6<<20, 1<<40)))
	p.Resources.Swap = new(profiles.Bytes(*number("swap", 0, 1<<30)))
	p.Resources.CPUs = new(profiles.MilliCPU(*number("cpus", 10, 64000)))
	p.Resources.Pids = number("pids", 1, 4<<20)
	p.Process.Init = new(rapid.Bool().Draw(t, "init"))
	p.Rootfs.ReadOnly = new(rapid.Bool().Draw(t, "read-only"))
	p.Rootfs.Why = "drawn"
	p.Process.OOMScoreAdj = number("oom", 0, 1000)
	p.Process.StopTimeout = new(profiles.Duration(*number("stop", 0, 100) * 1e9))
	p.Network.UnprivilegedPortStart = number("ports", 0, 65535)
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(profiles.CapabilityNames()), 0, 3, rapid.ID[string]).Draw(t, "capabilities") {
		p.Process.Capabilities = append(p.Process.Capabilities, profiles.Capability{Name: name, Why: "drawn"})
	}
	p.Mounts.Tmpfs = nil
	for _, at := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"/tmp", "/run", "/dev/shm", "/a b", "/it's", "/$x", "/é"}), 0, 4, rapid.ID[string]).Draw(t, "tmpfs") {
		p.Mounts.Tmpfs = append(p.Mounts.Tmpfs, profiles.Tmpfs{
			Path: at, Size: new(profiles.Bytes(*number("size", 4096, 1<<40))), Inodes: number("inodes", 1, 1<<20),
			Mode: new(profiles.Mode(*number("mode", 0, 0o7777))), Exec: new(rapid.Bool().Draw(t, "exec")), Why: "drawn",
		})
	}
	soft := number("soft", 0, 1<<20)
	p.Process.Rlimits = []profiles.Rlimit{{Name: "nofile", Soft: soft, Hard: new(*soft + 1)}}
	p.Seccomp.Allow = nil
	names := append(seccomp.GroupNames(), seccomp.AllNames()...)
	names = slices.DeleteFunc(names, func(name string) bool {
		_, never := seccomp.Unfilterable(name)
		return never
	})
	for _, name := range append([]string{"@base"}, rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 12, rapid.ID[string]).Draw(t, "calls")...) {
		if !slices.ContainsFunc(p.Seccomp.Allow, func(s profiles.Syscall) bool { return s.Name == name }) {
			p.Seccomp.Allow = append(p.Seccomp.Allow, profiles.Syscall{Name: name, Why: "drawn"})
		}
	}
	p.Seccomp.AddressFamilies = nil
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(seccomp.FamilyNames()), 1, 4, rapid.ID[string]).Draw(t, "families") {
		p.Seccomp.AddressFamilies = append(p.Seccomp.AddressFamilies, profiles.Family{Name: name, Why: "drawn"})
	}
	in := export.Input{Profile: p, Name: "app", Image: export.Image{Reference: "acme/app:1", Config: true, Entrypoint: []string{"/bin/app"}}}
	if *p.Network.Mode == profiles.NetworkBridge && rapid.Bool().Draw(t, "published") {
		in.Publish = []export.Port{{HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: uint16(*number("port", 1, 65535)), Protocol: "tcp"}}
	}
	in.Env = []string{"A=" + rapid.SampledFrom([]string{"", "b c", "'", "$x", "`id`", "a\nb"}).Draw(t, "env")}
	return in
}
