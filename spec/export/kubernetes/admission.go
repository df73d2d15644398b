package kubernetes

// policyName is what the policies are called: they are the cluster's, not the
// namespace's.
func (x *exporter) policyName() string { return "safe-run-" + x.o.Namespace + "-" + x.in.Name }

// said is the message of a check, with the profile that demands it.
func (x *exporter) said(c check) string {
	return "profile " + x.p.Metadata.Name + ": " + c.message
}

// note is where the profile demands it.
func (x *exporter) note(c check) string {
	if c.from == "" {
		return ""
	}
	return x.from(c.from)
}

// admissionPolicy holds every pod of the namespace to the profile, by the
// cluster's own means.
func (x *exporter) admissionPolicy() object {
	rule := object{}.with("apiGroups", list{""}).with("apiVersions", list{"v1"}).
		with("operations", list{"CREATE", "UPDATE"}).with("resources", list{"pods", "pods/ephemeralcontainers"})
	validations := list{}
	for _, c := range x.checks() {
		validations = append(validations, object{}.with("expression", c.expression, x.note(c)).with("message", x.said(c)))
	}
	spec := object{}.
		with("failurePolicy", "Fail").
		with("matchConstraints", object{}.with("resourceRules", list{rule})).
		with("matchConditions", x.newOrChanged(), "what was there before can still be labelled and removed").
		with("variables", list{object{}.with("name", "containers").with("expression", containersVariable)}).
		with("validations", validations)
	return head("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy").
		with("metadata", object{}.with("name", x.policyName())).with("spec", spec)
}

// newOrChanged leaves alone what was there before, until its spec changes.
func (x *exporter) newOrChanged() list {
	return list{object{}.with("name", "new-or-changed").
		with("expression", "request.operation == 'CREATE' || object.spec != oldObject.spec")}
}

// admissionBinding says where the policy holds.
func (x *exporter) admissionBinding() object {
	selector := object{}.with("matchLabels", object{}.with("kubernetes.io/metadata.name", x.o.Namespace))
	spec := object{}.with("policyName", x.policyName()).
		with("validationActions", list{"Deny", "Audit"}).
		with("matchResources", object{}.with("namespaceSelector", selector))
	return head("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding").
		with("metadata", object{}.with("name", x.policyName())).with("spec", spec)
}
