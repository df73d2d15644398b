package kubernetes

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/problem"
)

func noFiles(string) ([]byte, error) { return nil, errors.New("no such file") }

const deployment = `apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      hostNetwork: true
      volumes:
        - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
        - {name: sock, hostPath: {path: /var/run/docker.sock}}
        - {name: conf, configMap: {name: c}}
      securityContext: {runAsUser: 1000, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: web
          image: nginx:1
          securityContext: {privileged: true, runAsGroup: 2000, capabilities: {add: [NET_ADMIN], drop: [ALL]}, readOnlyRootFilesystem: true}
          volumeMounts: [{name: tmp, mountPath: /tmp}, {name: sock, mountPath: /s}, {name: conf, mountPath: /c}]
          resources: {limits: {memory: 64Mi, cpu: 500m}}
          env: [{name: A, value: b}, {name: B, valueFrom: {secretKeyRef: {name: x, key: y}}}]
          livenessProbe: {exec: {command: [/check]}, periodSeconds: 7}
          ports: [{containerPort: 80}]
`

func TestConvert(t *testing.T) {
	all, err := Convert("k.yaml", []byte(deployment), noFiles)
	if err != nil || len(all) != 1 {
		t.Fatal(err, len(all))
	}
	p := all[0].Profile
	if *p.Process.RunAsUser != 1000 || *p.Process.RunAsGroup != 2000 || *p.Resources.Memory != 64<<20 || *p.Resources.CPUs != 500 ||
		*p.Mounts.Tmpfs[0].Size != 1<<20 || *p.Health.Interval != 7e9 {
		t.Errorf("%+v", p)
	}
	for _, want := range []string{"tightened hostNetwork", "tightened securityContext.privileged", "kept securityContext.capabilities.add", "tightened volumes", "missing volumes", "missing env.B", "tightened securityContext.allowPrivilegeEscalation"} {
		if !slices.ContainsFunc(all[0].Findings, func(f convert.Finding) bool {
			return want == string(f.Kind)+" "+f.Setting || want == "tightened securityContext.allowPrivilegeEscalation" && f.Setting == "no-new-privileges"
		}) {
			t.Errorf("no %q in %+v", want, all[0].Findings)
		}
	}
	if got := strings.Join(all[0].Run, " "); got != "--publish=127.0.0.1:80:80/tcp --env=A=b -- nginx:1" {
		t.Errorf("run %s", got)
	}
}

func TestBadManifests(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n"
	for text, want := range map[string]string{
		"":     "k.yaml:1:1: there is no document",
		"a: b": "k.yaml:1:1: it does not say its apiVersion",
		"apiVersion: example.com/v1\nkind: Pod\nspec: {}":                                              "k.yaml:1:1: nothing in it runs a pod: example.com/v1 Pod",
		"apiVersion: apps/v1\nkind: Deployment\nspec: {}":                                              "k.yaml:3:7: Deployment",
		pod + "  containers: {}":                                                                       "k.yaml:5:15: a map where a list is meant",
		pod + "  containers: []":                                                                       "no containers",
		pod + "  hostnetwork: true":                                                                    "k.yaml:5:3: unknown field \"hostnetwork\"",
		pod + "  containers: [{name: a, image: b, securityContext: {runasuser: 1}}]":                   "unknown field \"runasuser\"",
		pod + "  containers: [{name: a, image: b, resources: {limits: {memory: lots}}}]":               "not a quantity",
		pod + "  containers: [{name: a, image: b, volumeMounts: [{name: x, mountPath: /a}]}]":          "no volume",
		pod + "  containers: [{name: {{ .Values.name }}}]":                                             "k.yaml:5:23: this is a template",
		pod + "  containers: [{name: a}]":                                                              "no name or no image",
		pod + "  containers: [{name: a, image: b, ports: [{containerPort: 99999}]}]":                   "not a port",
		pod + "  securityContext: {seccompProfile: {type: None}}\n  containers: [{name: a, image: b}]": "no type of a seccompProfile",
		pod + "  terminationGracePeriodSeconds: soon\n  containers: [{name: a, image: b}]":             "time to stop",
	} {
		_, err := Convert("k.yaml", []byte(text), noFiles)
		if err == nil || !strings.Contains(err.Error(), want) || problem.HintOf(err) == "" {
			t.Errorf("%q: %v (hint %q), want %q", text, err, problem.HintOf(err), want)
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, seed := range []string{deployment, "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: b}]}}]",
		"apiVersion: batch/v1\nkind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: b, resources: {limits: {cpu: 1e9, memory: 0}}}]}}}}}",
		"apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: b, securityContext: {runAsUser: -1, capabilities: {add: [CAP_X]}}}]}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := Convert("k.yaml", data, noFiles)
		if err != nil {
			return
		}
		for _, r := range all {
			text, err := profiles.Encode(r.Profile)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := profiles.Decode("x.yaml", text); err != nil {
				t.Fatalf("%q became no profile: %v\n%s", data, err, text)
			}
		}
	})
}
