package kubernetes

// workload is the object that makes the pods.
func (x *exporter) workload() object {
	pod := x.podSpec()
	template := object{}.with("metadata", object{}.with("labels", x.labels())).with("spec", pod)
	selector := object{}.with("matchLabels", x.labels())
	spec := object{}
	switch x.o.Kind {
	case "Pod":
		return head("v1", "Pod").with("metadata", x.metadata()).with("spec", pod)
	case "Job":
		return head("batch/v1", "Job").with("metadata", x.metadata()).with("spec", x.jobSpec(template))
	case "CronJob":
		spec = spec.with("schedule", x.o.Schedule, "--schedule").
			with("concurrencyPolicy", "Forbid", "one at a time").
			with("jobTemplate", object{}.with("spec", x.jobSpec(template)))
		return head("batch/v1", "CronJob").with("metadata", x.metadata()).with("spec", spec)
	case "DaemonSet":
		spec = spec.with("selector", selector).with("template", template)
	case "StatefulSet":
		spec = spec.with("replicas", int64(x.in.Replicas)).with("serviceName", x.in.Name).
			with("selector", selector).with("template", template)
		if claims := x.claims(); claims != nil {
			spec = spec.with("volumeClaimTemplates", claims)
		}
	default:
		spec = spec.with("replicas", int64(x.in.Replicas)).
			with("selector", selector).with("template", template)
	}
	return head("apps/v1", x.o.Kind).with("metadata", x.metadata()).with("spec", spec)
}

// jobSpec runs the pod once: what failed is looked at and not tried again.
func (x *exporter) jobSpec(template object) object {
	return object{}.with("backoffLimit", int64(0)).with("template", template)
}

// disruption keeps a node's maintenance from ending all replicas at once.
func (x *exporter) disruption() object {
	if x.in.Replicas < 2 {
		return nil
	}
	spec := object{}.with("maxUnavailable", int64(1), "of "+itoa(uint16(x.in.Replicas))).
		with("unhealthyPodEvictionPolicy", "AlwaysAllow", "what is not ready keeps no node from its maintenance").
		with("selector", object{}.with("matchLabels", x.labels()))
	return head("policy/v1", "PodDisruptionBudget").with("metadata", x.metadata()).with("spec", spec)
}

// namespace enforces the level that the pod is made for, on everything in it.
func (x *exporter) namespace() object {
	labels := object{}
	for _, mode := range []string{"enforce", "audit", "warn"} {
		labels = labels.with("pod-security.kubernetes.io/"+mode, x.o.PodSecurity)
	}
	metadata := object{}.with("name", x.o.Namespace).with("labels", labels, "Pod Security Standards, for all that runs in it")
	return head("v1", "Namespace").with("metadata", metadata)
}
