package cli

import (
	"bytes"
	"encoding/pem"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/kubernetes"
	"github.com/safe-run/safe-run/spec/problem"
)

// newKubernetesTarget is `export kubernetes`.
func newKubernetesTarget() *exportTarget {
	var o kubernetes.Options
	var volumes, deny []string
	t := &exportTarget{
		use:   "kubernetes [flags] IMAGE [-- ARGUMENT...]",
		short: "a workload, its Service and NetworkPolicy, and admission policies for Kubernetes",
		long: `write a profile as Kubernetes has it. Standard output, or a single file, gets the
manifests that every cluster understands; a directory gets the system call filter, the
admission policies and what operators read beside them.`,
		example: `  safe-run export kubernetes --profile web -p 80 nginx:1.27 | kubectl apply -f -
  safe-run export kubernetes --profile web --replicas 3 --output deploy/ nginx:1.27
  safe-run export kubernetes --kind CronJob --schedule "0 3 * * *" --profile batch acme/report -- --daily`,
		stream: kubernetes.Stream,
		remove: "kubectl delete -f",
	}
	t.flags = func(f *pflag.FlagSet) {
		f.StringVar(&o.Kind, "kind", kubernetes.Kinds[0], strings.Join(kubernetes.Kinds, ", "))
		f.StringVar(&o.Namespace, "namespace", "", "the namespace (default: the application's name)")
		f.StringVar(&o.Schedule, "schedule", "", "when a CronJob runs, in the five fields of cron")
		f.StringVar(&o.RuntimeClass, "runtime-class", "", "a RuntimeClass of the cluster, such as gvisor")
		f.StringVar(&o.Seccomp, "seccomp", kubernetes.Filters[0], "where the nodes have the filter: "+strings.Join(kubernetes.Filters, ", "))
		f.StringVar(&o.AppArmor, "apparmor", kubernetes.RuntimeDefault, "runtime-default, none, or the name of a profile on the nodes")
		f.StringVar(&o.PodSecurity, "pod-security", kubernetes.Levels[0], "the Pod Security Standard of the namespace: "+strings.Join(kubernetes.Levels, ", "))
		f.BoolVar(&o.HostUsers, "host-users", false, "leave out the user namespace, where the nodes have none for pods")
		f.StringArrayVar(&volumes, "volume", nil, "a path on disk that can be written: PATH[=SIZE]")
		f.StringSliceVar(&deny, "deny-cidr", nil, "ranges that no egress rule reaches, such as those of the cluster's pods and nodes")
		f.StringVar(&o.Format, "format", kubernetes.Formats[0], strings.Join(kubernetes.Formats, ", "))
		f.StringSliceVar(&o.Parts, "only", nil, "only these parts: "+strings.Join(kubernetes.Parts, ", "))
	}
	t.export = func(in export.Input) (export.Result, error) {
		var err error
		if o.Volumes, err = parseVolumes(volumes); err != nil {
			return export.Result{}, usage{err}
		}
		if o.Deny, err = parseCIDRs(deny); err != nil {
			return export.Result{}, usage{err}
		}
		o.Keys = publicKeys(in.Profile.Image.Signatures)
		return kubernetes.Export(in, o)
	}
	return t
}

func parseVolumes(texts []string) ([]kubernetes.Volume, error) {
	var out []kubernetes.Volume
	for _, text := range texts {
		path, size, found := strings.Cut(text, "=")
		v := kubernetes.Volume{Path: path}
		if found {
			bytes, err := profiles.ParseBytes(size)
			if err != nil || bytes <= 0 {
				return nil, problem.New("write --volume /var/lib/app=1GiB", "--volume %s: %q is no size", text, size)
			}
			v.Size = bytes
		}
		out = append(out, v)
	}
	return out, nil
}

func parseCIDRs(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() || p.Addr().Is4In6() {
			return nil, problem.New("write --deny-cidr 10.42.0.0/16", "--deny-cidr %q is no range of addresses", text)
		}
		out = append(out, p)
	}
	return out, nil
}

// mostKey bounds a public key in PEM.
const mostKey = 64 << 10

// publicKeys reads the keys of a profile's signatures. One that cannot be read is
// left out, and the export says what that means.
func publicKeys(all []profiles.Signature) map[string]string {
	out := map[string]string{}
	for _, s := range all {
		for _, path := range s.Keys {
			data, err := policies.ReadBounded(path, mostKey)
			if block, rest := pem.Decode(data); err == nil && block != nil && block.Type == "PUBLIC KEY" && len(bytes.TrimSpace(rest)) == 0 {
				out[path] = string(pem.EncodeToMemory(block))
			}
		}
	}
	return out
}
