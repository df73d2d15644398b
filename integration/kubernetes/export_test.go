package kubernetes

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/kubernetes"
)

// file is a manifest with its kind.
type file struct {
	kind string
	data []byte
}

// manifests are the files of an export that a plain cluster understands.
func manifests(t *testing.T, p profiles.Profile, ns string, o kubernetes.Options) []file {
	t.Helper()
	in := export.Input{
		Profile: p, Name: "shop", Args: []string{"--serve"}, Env: []string{"A=on"},
		Image: export.Image{Reference: "ghcr.io/acme/shop:1.2", Digest: "sha256:" + strings.Repeat("01", 32), Config: true, User: "1000:1000"},
	}
	if *p.Network.Mode != profiles.NetworkNone {
		in.Publish = []export.Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}}
	}
	if o.Kind == "Deployment" {
		in.Replicas = 3
	}
	o.Namespace = ns
	result, err := kubernetes.Export(in, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []file
	for _, f := range result.Files {
		var head struct{ Kind string }
		if strings.HasSuffix(f.Path, ".yaml") && yaml.Unmarshal(f.Data, &head) == nil && places[head.Kind] != "" {
			out = append(out, file{head.Kind, f.Data})
		}
	}
	return out
}

func resolved(t *testing.T, name string) profiles.Profile {
	t.Helper()
	p, err := profiles.Resolve(name, builtin.Finder{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// apply makes all objects.
func apply(t *testing.T, s *server, ns string, files []file) {
	t.Helper()
	for _, f := range files {
		if code, said := s.create(t, f.kind, ns, f.data); code != http.StatusCreated {
			t.Fatalf("%s: %d %s\n%s", f.kind, code, said, f.data)
		}
	}
}

// podOf is the pod that a Deployment makes.
func podOf(t *testing.T, files []file) core.Pod {
	t.Helper()
	for _, f := range files {
		if f.kind == "Deployment" {
			var d apps.Deployment
			if err := yaml.Unmarshal(f.data, &d); err != nil {
				t.Fatal(err)
			}
			pod := core.Pod{Spec: d.Spec.Template.Spec}
			pod.APIVersion, pod.Kind, pod.Name, pod.Labels = "v1", "Pod", "one", d.Spec.Template.Labels
			return pod
		}
	}
	t.Fatal("no Deployment")
	return core.Pod{}
}

// try asks what would become of a pod.
func try(t *testing.T, s *server, ns string, pod core.Pod) (int, string) {
	t.Helper()
	data, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return s.ask(t, http.MethodPost, strings.Replace(places["Pod"], "NS", ns, 1)+"?fieldValidation=Strict&dryRun=All", data)
}

// TestServer: a real kube-apiserver takes every export, and refuses pods that are
// weaker: by the labels of the namespace, and by the policy.
func TestServer(t *testing.T) {
	s := started(t)
	t.Run("schemas", func(t *testing.T) { schemasAreTheServers(t, s) })
	for _, profile := range builtin.Names() {
		for _, kind := range kubernetes.Kinds {
			t.Run("accepts/"+profile+"/"+kind, func(t *testing.T) {
				o := kubernetes.Options{Kind: kind}
				if kind == "CronJob" {
					o.Schedule = "@daily"
				}
				ns := strings.ToLower(profile + "-" + kind)
				apply(t, s, ns, manifests(t, resolved(t, profile), ns, o))
			})
		}
	}
	for ns, o := range options {
		t.Run("accepts/"+ns, func(t *testing.T) { apply(t, s, ns, manifests(t, resolved(t, "db"), ns, o)) })
	}
	t.Run("operators", func(t *testing.T) { operatorsTypes(t, s) })
	t.Run("refuses by labels", func(t *testing.T) {
		var files []file
		for _, f := range manifests(t, resolved(t, "web"), "labels", kubernetes.Options{}) {
			if !strings.HasPrefix(f.kind, "ValidatingAdmission") {
				files = append(files, f)
			}
		}
		apply(t, s, "labels", files)
		refuses(t, s, gate{"labels", "violates PodSecurity", podOf(t, files)}, []string{"allowPrivilegeEscalation", "runAsNonRoot of the node", "seccompProfile", "hostNetwork", "hostPath"})
	})
	t.Run("refuses by policy", func(t *testing.T) {
		files := manifests(t, resolved(t, "web"), "policy", kubernetes.Options{PodSecurity: "privileged"})
		apply(t, s, "policy", files)
		// Policies count a moment after they are there.
		weak := podOf(t, files)
		weak.Spec.HostUsers = nil
		for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
			if code, _ := try(t, s, "policy", weak); code != http.StatusCreated {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the policy refuses nothing")
			}
		}
		var all []string
		for name := range weaker {
			all = append(all, name)
		}
		refuses(t, s, gate{"policy", "safe-run-policy-shop", podOf(t, files)}, all)
	})
}

// options are what else an export can be asked for, by the namespace that it is for.
var options = map[string]kubernetes.Options{
	"operator":  {Seccomp: kubernetes.FilterOperator, AppArmor: "acme", PodSecurity: "baseline"},
	"runtime":   {Seccomp: kubernetes.RuntimeDefault, AppArmor: kubernetes.None, HostUsers: true, RuntimeClass: "gvisor"},
	"disk":      {Kind: "StatefulSet", Volumes: []kubernetes.Volume{{Path: "/var/lib/db", Size: 10 << 30}}},
	"scratch":   {Volumes: []kubernetes.Volume{{Path: "/var/lib/db"}}, Deny: []netip.Prefix{netip.MustParsePrefix("10.42.0.0/16")}},
	"scheduled": {Kind: "CronJob", Schedule: "*/5 0-6 * JAN-MAR MON"},
}

// weaker are ways to weaken a pod.
var weaker = map[string]func(*core.PodSpec, *core.Container){
	"allowPrivilegeEscalation": func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.AllowPrivilegeEscalation = nil },
	"runAsNonRoot":             func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.RunAsNonRoot = nil },
	"seccompProfile": func(_ *core.PodSpec, c *core.Container) {
		c.SecurityContext.SeccompProfile = &core.SeccompProfile{Type: "Unconfined"}
	},
	// Pod Security leaves the user to pods that have a user namespace (the feature
	// UserNamespacesPodSecurityStandards); the policy does not.
	"runAsNonRoot of the node": func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.RunAsNonRoot, p.HostUsers = nil, nil },
	"hostNetwork": func(p *core.PodSpec, c *core.Container) {
		p.HostNetwork, p.HostUsers, c.Ports, p.SecurityContext.Sysctls = true, nil, nil, nil
	},
	"hostPath": func(p *core.PodSpec, _ *core.Container) {
		p.Volumes = append(p.Volumes, core.Volume{Name: "host", VolumeSource: core.VolumeSource{HostPath: &core.HostPathVolumeSource{Path: "/"}}})
	},
	"hostUsers": func(p *core.PodSpec, _ *core.Container) { p.HostUsers = nil },
	"readOnly":  func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.ReadOnlyRootFilesystem = nil },
	"memory":    func(_ *core.PodSpec, c *core.Container) { delete(c.Resources.Limits, "memory") },
	"token":     func(p *core.PodSpec, _ *core.Container) { p.AutomountServiceAccountToken = nil },
	"other file": func(p *core.PodSpec, _ *core.Container) {
		other := "other.json"
		p.SecurityContext.SeccompProfile.LocalhostProfile = &other
	},
	"size": func(p *core.PodSpec, _ *core.Container) { p.Volumes[0].EmptyDir.SizeLimit = nil },
	"second": func(p *core.PodSpec, c *core.Container) {
		p.InitContainers = []core.Container{{Name: "init", Image: c.Image}}
	},
	"no capacity": func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.Capabilities = nil },
}

// gate is a namespace, what refuses pods there, and a pod that it takes.
type gate struct {
	ns, by string
	pod    core.Pod
}

// refuses wants the pod as it is taken, and each weaker one refused.
func refuses(t *testing.T, s *server, g gate, names []string) {
	t.Helper()
	if code, said := try(t, s, g.ns, g.pod); code != http.StatusCreated {
		t.Fatalf("the pod itself: %d %s", code, said)
	}
	for _, name := range names {
		weak := *g.pod.DeepCopy()
		weaker[name](&weak.Spec, &weak.Spec.Containers[0])
		code, said := try(t, s, g.ns, weak)
		if code != http.StatusForbidden && code != http.StatusUnprocessableEntity || !strings.Contains(said, g.by) {
			t.Errorf("%s: %d %s", name, code, said)
		}
	}
}
