package vuln

import (
	"slices"
	"strings"

	openvex "github.com/openvex/go-vex/pkg/vex"
	"github.com/package-url/packageurl-go"
)

// covers says whether the statement is about f in the image subject.
func (s statement) covers(f Finding, subject Subject) bool {
	if !s.names(f) {
		return false
	}
	return slices.ContainsFunc(s.Products, func(p openvex.Product) bool { return productCovers(p, f, subject) })
}

// names says whether the statement and the finding have a name of the
// vulnerability in common. An alias that is one of several of its kind names a
// part only: an advisory mends several vulnerabilities, and who takes one of
// them back has said nothing of the others.
func (s statement) names(f Finding) bool {
	said := []string{s.Vulnerability.ID, string(s.Vulnerability.Name)}
	for _, alias := range s.Vulnerability.Aliases {
		said = append(said, string(alias))
	}
	named := func(known string) bool {
		return slices.ContainsFunc(said, func(name string) bool { return name != "" && strings.EqualFold(name, known) })
	}
	if named(f.ID) || !s.suppresses() && slices.ContainsFunc(f.Aliases, named) {
		return true
	}
	for _, alias := range f.Aliases {
		others := func(other string) bool { return kind(other) == kind(alias) && !named(other) }
		if named(alias) && !slices.ContainsFunc(f.Aliases, others) {
			return true
		}
	}
	return false
}

// kind is what the name of a vulnerability starts with, such as CVE.
func kind(name string) string {
	start, _, _ := strings.Cut(strings.ToUpper(name), "-")
	return start
}

// productCovers says whether a product is the image, or the package in it that
// has the finding. Its subcomponents, when it has some, narrow it down.
func productCovers(p openvex.Product, f Finding, subject Subject) bool {
	if !isImage(p.Component, subject) && !isPackage(p.Component, f.Package) {
		return false
	}
	return len(p.Subcomponents) == 0 || slices.ContainsFunc(p.Subcomponents, func(s openvex.Subcomponent) bool {
		return isPackage(s.Component, f.Package)
	})
}

// isImage says whether c has the digest of the image. A name alone is not
// enough: what was true of one build need not be of the next.
func isImage(c openvex.Component, subject Subject) bool {
	for _, p := range purls(c) {
		if (p.Type == packageurl.TypeOCI || p.Type == packageurl.TypeDocker) && slices.Contains(subject.all(), p.Version) {
			return true
		}
	}
	hash := string(c.Hashes[openvex.SHA256])
	return hash != "" && slices.Contains(subject.all(), "sha256:"+strings.TrimPrefix(hash, "sha256:"))
}

// isPackage says whether c is the package: the same name, and the same
// version and qualifiers as far as c has them.
func isPackage(c openvex.Component, in Package) bool {
	have, err := packageurl.FromString(in.PURL)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(purls(c), func(p packageurl.PackageURL) bool {
		return p.Type == have.Type && p.Namespace == have.Namespace && p.Name == have.Name &&
			(p.Version == "" || p.Version == have.Version) && (p.Subpath == "" || p.Subpath == have.Subpath) &&
			(p.Version == "" || p.Qualifiers.Map()["epoch"] == have.Qualifiers.Map()["epoch"]) && qualified(p, have)
	})
}

// qualified says whether have has all the qualifiers of p.
func qualified(p, have packageurl.PackageURL) bool {
	given := have.Qualifiers.Map()
	for _, q := range p.Qualifiers {
		if value, found := given[q.Key]; !found || value != q.Value {
			return false
		}
	}
	return true
}

// purls are the package URLs that identify c.
func purls(c openvex.Component) []packageurl.PackageURL {
	var out []packageurl.PackageURL
	for _, s := range []string{c.ID, c.Identifiers[openvex.PURL]} {
		if p, err := packageurl.FromString(s); err == nil {
			out = append(out, p)
		}
	}
	return out
}
