package trust

import (
	"context"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// checkDigest wants a reference that names its digest.
func checkDigest(_ context.Context, t spec.Trust, s Subject) ([]Step, error) {
	if !t.RequireDigest {
		return nil, nil
	}
	name := plain(s.Reference)
	switch {
	case s.Made:
		return nil, problem.New("run it from its registry by digest, or keep it in a form that has its digest: skopeo copy docker://REPOSITORY@DIGEST oci-archive:FILE",
			"image %s cannot be pinned: %s keeps no published digest", name, plain(s.Transport))
	case !s.Pinned:
		hint := "name its digest, " + s.top().String()
		if s.Repository != "" {
			hint = "run docker://" + s.at()
		}
		return nil, problem.New(hint, "image %s is not named by its digest, which the profile's requireDigest asks for", name)
	}
	return []Step{{Name: "digest", Held: s.top().String()}}, nil
}
