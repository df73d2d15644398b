package kube

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/problem"
)

const several = `# a comment
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec:
    selector: {}
    template:
      spec:
        hostPID: yes
        initContainers: [{name: first, image: a}]
        containers:
        - name: app
          image: nginx
          securityContext:
            privleged: true
            privileged: true
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: "", jobTemplate: {spec: {template: {spec: {containers: [{name: c}], volumes: [{name: v, hostPath: {path: /var/run}}]}}}}}
---
apiVersion: v1
kind: ConfigMap
`

func TestRead(t *testing.T) {
	m, err := Read("all.yaml", []byte(several))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Pods) != 2 || m.Pods[0].Name != "Deployment/web" || m.Pods[1].Name != "CronJob/nightly" {
		t.Fatalf("pods: %+v", m.Pods)
	}
	want := []string{
		`all.yaml:18:13: unknown field "spec.template.spec.containers[0].securityContext.privleged", which says nothing`,
		`all.yaml:26:1: v1 ConfigMap was not looked at`,
	}
	if !slices.Equal(m.Warnings, want) {
		t.Errorf("warnings %q, want %q", m.Warnings, want)
	}
	if level, failed := m.Pods[0].Standard(); level != Privileged || !slices.Contains(failed, "hostNamespaces") || !slices.Contains(failed, "privileged") {
		t.Errorf("the standard is %s, %q", level, failed)
	}
	places := map[string]audit.Place{}
	subjects := map[string][]string{}
	for _, f := range m.Pods[0].Findings() {
		if f.Verdict == audit.Violated {
			places[f.Rule] = f.Where
			subjects[f.Rule] = append(subjects[f.Rule], f.Subject)
		}
	}
	if at := places["pid-namespace"]; at.Line != 12 || at.Path != "items[0].spec.template.spec.hostPID" {
		t.Errorf("hostPID is at %+v", at)
	}
	if at := places["devices"]; at.Line != 19 || at.Column != 13 {
		t.Errorf("privileged is at %+v", at)
	}
	if got := subjects["pid-namespace"]; !slices.Equal(got, []string{"Deployment/web"}) {
		t.Errorf("the host's PID namespace is said of %q, want of the pod, once", got)
	}
	if got := subjects["devices"]; !slices.Equal(got, []string{"Deployment/web, container app"}) {
		t.Errorf("privileged is said of %q", got)
	}
}

func TestBad(t *testing.T) {
	for name, test := range map[string]struct{ in, says string }{
		"empty":    {"", "no pods"},
		"no kind":  {"a: b\n", "apiVersion and kind"},
		"a list":   {"- a\n", "no Kubernetes object"},
		"types":    {"apiVersion: v1\nkind: Pod\nspec: {containers: 7}\n", "Pod"},
		"template": {"apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Name }}}\n", "template"},
		"lists":    {"{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List}]}]}]}]}", "lists are in lists"},
		"nothing":  {"apiVersion: v1\nkind: ReplicationController\n", "no template"},
	} {
		_, err := Read("f.yaml", []byte(test.in))
		if err == nil || !strings.Contains(err.Error(), test.says) || problem.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, problem.HintOf(err))
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(several))
	for _, seed := range []string{
		"apiVersion: v1\nkind: Pod\nspec: {}\n", `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"ports":[{"hostPort":-1}]}],"ephemeralContainers":[{"name":"e"}]}}`,
		"apiVersion: v1\nkind: List\nitems: [null, 1]\n", "apiVersion: apps/v1\nkind: Deployment\nspec: {template: null}\n",
		"apiVersion: v1\nkind: Pod\nspec: {containers: [{resources: {limits: {memory: 1e999}}}]}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Read("f.yaml", data)
		if err != nil {
			return
		}
		for _, pod := range m.Pods {
			pod.Standard()
			if pod.Findings() == nil && len(pod.containers()) > 0 {
				t.Error("a container without findings")
			}
		}
	})
}
