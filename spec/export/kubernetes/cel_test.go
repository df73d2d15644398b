package kubernetes

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/cel-go/cel"
	admission "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
)

// verdict evaluates a policy as the API server does, in the environment of the
// oldest Kubernetes that the manifests are for, and gives what it says against a
// pod.
type verdict func(t *testing.T, pod map[string]any) []string

// celEnv is made once: it is slow to make.
var celEnv = sync.OnceValues(func() (*cel.Env, error) {
	env, err := environment.MustBaseEnvSet(version.MajorMinor(1, 33)).Env(environment.NewExpressions)
	if err != nil {
		return nil, err
	}
	return env.Extend(cel.Variable("object", cel.DynType), cel.Variable("oldObject", cel.DynType),
		cel.Variable("request", cel.DynType), cel.Variable("variables", cel.DynType))
})

// compiled compiles every expression of a policy.
func compiled(t *testing.T, policy *admission.ValidatingAdmissionPolicy) verdict {
	t.Helper()
	env, err := celEnv()
	if err != nil {
		t.Fatal(err)
	}
	program := func(text string) cel.Program {
		ast, issues := env.Compile(text)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", text, issues.Err())
		}
		p, err := env.Program(ast)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	variable := program(policy.Spec.Variables[0].Expression)
	condition := program(policy.Spec.MatchConditions[0].Expression)
	programs := make([]cel.Program, len(policy.Spec.Validations))
	for i, v := range policy.Spec.Validations {
		programs[i] = program(v.Expression)
	}
	return func(t *testing.T, pod map[string]any) (refused []string) {
		t.Helper()
		in := map[string]any{"object": pod, "oldObject": nil, "request": map[string]any{"operation": "CREATE"}}
		if out, _, err := condition.ContextEval(context.Background(), in); err != nil || out.Value() != true {
			t.Fatalf("the condition: %v %v", out, err)
		}
		containers, _, err := variable.ContextEval(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		in["variables"] = map[string]any{"containers": containers}
		for i, p := range programs {
			// An error refuses, because failurePolicy is Fail; but none is meant.
			out, _, err := p.ContextEval(context.Background(), in)
			if err != nil {
				t.Fatalf("%s: %v", policy.Spec.Validations[i].Expression, err)
			}
			if out.Value() != true {
				refused = append(refused, policy.Spec.Validations[i].Message)
			}
		}
		return refused
	}
}

// policyAnd gives the policy of an export and its pod.
func policyAnd(t *testing.T, in export.Input, o Options) (verdict, core.PodTemplateSpec) {
	t.Helper()
	var policy *admission.ValidatingAdmissionPolicy
	var pod core.PodTemplateSpec
	for _, f := range exported(t, in, o).Files {
		if !strings.HasSuffix(f.Path, ".yaml") {
			continue
		}
		obj := decode(t, f.Path, f.Data)
		if p, ok := obj.(*admission.ValidatingAdmissionPolicy); ok {
			policy = p
		}
		if p, ok := podOf(obj); ok {
			pod = p
		}
	}
	return compiled(t, policy), pod
}

// asObject is a pod as expressions see it.
func asObject(t *testing.T, pod core.PodTemplateSpec) map[string]any {
	t.Helper()
	data, err := json.Marshal(core.Pod{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec})
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return whole(out).(map[string]any)
}

// whole turns numbers into integers, as the API server has them.
func whole(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case float64:
		return int64(v)
	}
	return v
}

// TestAdmissionAccepts: the policy lets through what it was exported with.
func TestAdmissionAccepts(t *testing.T) {
	for _, name := range builtin.Names() {
		for _, kind := range Kinds {
			verdict, pod := policyAnd(t, inputOf(resolved(t, name)), optionsOf(kind))
			if refused := verdict(t, asObject(t, pod)); refused != nil {
				t.Errorf("%s/%s: %v", name, kind, refused)
			}
		}
	}
	for _, o := range []Options{
		{Seccomp: RuntimeDefault, AppArmor: None, HostUsers: true}, {Seccomp: FilterOperator, AppArmor: "acme", PodSecurity: "privileged"},
	} {
		verdict, pod := policyAnd(t, inputOf(resolved(t, "shell")), o)
		if refused := verdict(t, asObject(t, pod)); refused != nil {
			t.Errorf("%+v: %v", o, refused)
		}
	}
}

// strictImages is a profile that says something of images.
func strictImages(t *testing.T) profiles.Profile {
	p := resolved(t, "web")
	p.Image.Registries = []profiles.Registry{"ghcr.io/acme"}
	p.Image.RequireDigest = ptr(true)
	p.Mounts.Volumes = ptr(false)
	return p
}

// TestAdmissionRefuses: each field that is weakened is refused, and by what was
// meant to refuse it.
func TestAdmissionRefuses(t *testing.T) {
	verdict, pod := policyAnd(t, inputOf(strictImages(t)), Options{RuntimeClass: "gvisor"})
	if refused := verdict(t, asObject(t, pod)); refused != nil {
		t.Fatal(refused)
	}
	for want, weaken := range mutants {
		mutant := *pod.DeepCopy()
		weaken(&mutant.Spec, &mutant.Spec.Containers[0])
		want, _, _ = strings.Cut(want, "#")
		refused := verdict(t, asObject(t, mutant))
		if len(refused) == 0 || !strings.Contains(strings.Join(refused, "; "), want) {
			t.Errorf("%s: %q", want, refused)
		}
	}
	// Every demand refuses some mutant.
	x := exporter{in: inputOf(strictImages(t)), p: strictImages(t), o: Options{RuntimeClass: "gvisor", Namespace: "shop"}}
	for _, step := range []func() error{x.defaults, x.identity, x.places} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range x.checks() {
		covered := false
		for want := range mutants {
			want, _, _ = strings.Cut(want, "#")
			covered = covered || strings.Contains(c.message, want)
		}
		if !covered {
			t.Errorf("no mutant is refused by %q", c.message)
		}
	}
}
