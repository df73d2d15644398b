package kubernetes

import "github.com/safe-run/safe-run/profiles"

// kyvernoPolicy holds every pod of the namespace to the profile where Kyverno
// runs, with the expressions of the cluster's own policy.
func (x *exporter) kyvernoPolicy() object {
	expressions := list{}
	for _, c := range x.checks() {
		expressions = append(expressions, object{}.with("expression", c.expression, x.note(c)).with("message", x.said(c)))
	}
	cel := object{}.
		with("variables", list{object{}.with("name", "containers").with("expression", containersVariable)}).
		with("expressions", expressions)
	resources := object{}.with("kinds", list{"Pod"}).with("namespaces", list{x.o.Namespace}).with("operations", list{"CREATE", "UPDATE"})
	rule := object{}.with("name", "profile").
		with("match", object{}.with("any", list{object{}.with("resources", resources)})).
		with("celPreconditions", x.newOrChanged()).
		with("validate", object{}.with("failureAction", "Enforce").with("cel", cel))
	metadata := object{}.with("name", x.policyName()).
		with("annotations", object{}.with("pod-policies.kyverno.io/autogen-controllers", "none", "pods are what counts, whoever makes them"))
	return head("kyverno.io/v1", "ClusterPolicy").with("metadata", metadata).
		with("spec", object{}.with("background", false).with("rules", list{rule}))
}

// rekor is sigstore's public log. Kyverno wants one named even where it is not
// asked.
const rekor = "https://rekor.sigstore.dev"

// signaturePolicy has the images of the namespace verified: every signature that
// the profile asks for, each by any of its keys or identities. Nil where no
// signature can be checked.
func (x *exporter) signaturePolicy() object {
	attestors, validations := list{}, list{}
	for _, s := range x.p.Image.Signatures {
		made, names := x.attestors(s, len(attestors))
		if made == nil {
			continue
		}
		attestors = append(attestors, made...)
		any := ""
		for i, name := range names {
			if i > 0 {
				any += " || "
			}
			any += "verifyImageSignatures(image, [attestors." + name + "]) > 0"
		}
		all := "(images.containers + images.?initContainers.orValue([])).all(image, " + any + ")"
		validations = append(validations, object{}.with("expression", all, x.from("image.signatures["+s.String()+"]")).
			with("message", "profile "+x.p.Metadata.Name+": the signature "+s.Name+" is missing"))
	}
	if len(validations) == 0 {
		return nil
	}
	rule := object{}.with("apiGroups", list{""}).with("apiVersions", list{"v1"}).
		with("operations", list{"CREATE", "UPDATE"}).with("resources", list{"pods"})
	constraints := object{}.
		with("namespaceSelector", object{}.with("matchLabels", object{}.with("kubernetes.io/metadata.name", x.o.Namespace))).
		with("resourceRules", list{rule})
	spec := object{}.
		with("failurePolicy", "Fail").with("validationActions", list{"Deny"}).
		with("matchConstraints", constraints).
		with("matchImageReferences", list{object{}.with("glob", "*")}).
		with("validationConfigurations", object{}.with("mutateDigest", true).with("verifyDigest", true).with("required", true)).
		with("attestors", attestors).with("validations", validations)
	return head("policies.kyverno.io/v1", "ImageValidatingPolicy").
		with("metadata", object{}.with("name", x.policyName())).with("spec", spec)
}

// attestors are the keys and identities of one signature; none when one of its
// keys is not known: what is left could refuse what the profile lets pass.
func (x *exporter) attestors(s profiles.Signature, before int) (made list, names []string) {
	add := func(cosign object) {
		name := "signer" + itoa(uint16(before+len(names)))
		names = append(names, name)
		made = append(made, object{}.with("name", name).with("cosign", cosign))
	}
	for _, path := range s.Keys {
		pem := x.o.Keys[path]
		if pem == "" {
			return nil, nil
		}
		add(object{}.with("key", object{}.with("data", pem), path).
			with("ctlog", object{}.with("url", rekor).with("insecureIgnoreTlog", true).with("insecureIgnoreSCT", true), "a key vouches by itself, as in a launch"))
	}
	var identities list
	for _, id := range s.Keyless {
		one := object{}.with("issuer", id.Issuer)
		if id.Subject != "" {
			one = one.with("subject", id.Subject)
		}
		if id.SubjectRegExp != "" {
			one = one.with("subjectRegExp", "^(?:"+id.SubjectRegExp+")$")
		}
		identities = append(identities, one)
	}
	if identities != nil {
		add(object{}.with("keyless", object{}.with("identities", identities)).with("ctlog", object{}.with("url", rekor)))
	}
	return made, names
}
