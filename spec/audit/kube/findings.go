package kube

import "github.com/safe-run/safe-run/spec/audit"

// Findings judges every container of a pod. What several of them have at the same
// place, such as a namespace of the host, is said once, of the pod.
func (p Pod) Findings() []audit.Finding {
	type key struct {
		rule, what string
		verdict    audit.Verdict
		where      audit.Place
	}
	var out []audit.Finding
	at := map[key]int{}
	for _, facts := range p.Facts() {
		for _, f := range audit.Judge(facts) {
			k := key{f.Rule, f.What, f.Verdict, f.Where}
			if f.Verdict != audit.Violated {
				k.where = audit.Place{} // of what holds the place is of little use
			}
			if i, there := at[k]; there {
				out[i].Subject = p.Name
				continue
			}
			at[k] = len(out)
			out = append(out, f)
		}
	}
	return out
}
