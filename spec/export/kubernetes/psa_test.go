package kubernetes

import (
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// TestPodSecurity: what Kubernetes itself says of every pod that is exported.
func TestPodSecurity(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	everyPod(t, func(t *testing.T, pod core.PodTemplateSpec) {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
		if !result.Allowed {
			t.Errorf("refused: %s", result.ForbiddenDetail())
		}
		// The check itself bites.
		pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
		if policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec)).Allowed {
			t.Error("a weakened pod is allowed")
		}
	})
}
