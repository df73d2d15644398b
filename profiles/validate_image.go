package profiles

import (
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Bounds of what one document asks of images, because tightening compares
// entries pair by pair.
const (
	mostRegistries = 64
	mostSignatures = 64
	mostRegistry   = 255
	mostRegExp     = 1024
)

// image checks what is asked of images.
func (c *checker) image() {
	i := c.p.Image
	for _, r := range i.Registries {
		c.registry(entry("image.registries", string(r)), string(r))
	}
	for _, s := range i.Signatures {
		at := entry("image.signatures", s.String())
		c.brief = strings.NewReplacer(at, entry("image.signatures", s.Name))
		c.signature(at, s)
		c.brief = nil
	}
	v := i.Vulnerabilities
	if v.Block != nil {
		c.known("image.vulnerabilities.block", "severity", string(*v.Block), severities)
	}
	if v.MaxAge != nil && *v.MaxAge <= 0 {
		c.fail("image.vulnerabilities.maxAge", "write a time such as 24h or 168h", "no report is as young as %s", v.MaxAge)
	}
	if v.Report != nil && *v.Report != NoReport {
		c.file("image.vulnerabilities.report", *v.Report)
	}
	for _, file := range v.VEX {
		c.file(entry("image.vulnerabilities.vex", file), file)
	}
}

// file checks the path of a file on the host. A relative one would mean
// another file to everyone who reads the profile.
func (c *checker) file(at, p string) {
	switch {
	case !strings.HasPrefix(p, "/"):
		c.fail(at, "write the path from /, also of a file beside the profile", "the path is not absolute")
	case p == "/":
		c.fail(at, "name a file", "the path is a directory")
	default:
		c.path(at, p)
	}
}

// registryPath is a component of a repository's name, as in the OCI
// distribution spec.
var registryPath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)
})

// registryLabel is one part of a host's name.
var registryLabel = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
})

// dockerHosts are other names of docker.io, which is the one that images have.
var dockerHosts = []string{"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"}

func (c *checker) registry(at, text string) {
	const hint = "write host[:port][/path], such as ghcr.io/acme or localhost:5000"
	host, rest, below := strings.Cut(text, "/")
	switch {
	case len(text) > mostRegistry:
		c.fail(at, "shorten it", "the registry is longer than %d bytes", mostRegistry)
	case strings.Contains(text, "://"):
		_, bare, _ := strings.Cut(text, "://")
		c.fail(at, "write "+clip(bare), "a registry is named without a scheme")
	case strings.ToLower(text) != text:
		c.fail(at, "write "+clip(strings.ToLower(text)), "a registry is written in lower case")
	case slices.Contains(dockerHosts, host):
		c.fail(at, "write "+clip("docker.io"+text[len(host):]), "the images of %s are named docker.io", host)
	case strings.ContainsAny(text, "*?"):
		c.fail(at, "write the path above: a registry covers all that lies below it", "a registry is no pattern")
	case strings.Contains(text, "@") || strings.Contains(rest, ":"):
		c.fail(at, "leave the tag or digest out", "a registry has no tag and no digest")
	case strings.HasSuffix(text, "/"):
		c.fail(at, "leave the last slash out", "the path is not in its shortest form")
	case strings.HasSuffix(host, ":443"):
		c.fail(at, "write "+clip(strings.Replace(text, ":443", "", 1)), "443 is the port that is meant without one")
	case !registryHost(host):
		c.fail(at, hint, "%q is not a registry%s", clip(host), bareName(host))
	case below && slices.ContainsFunc(strings.Split(rest, "/"), func(s string) bool { return !registryPath().MatchString(s) }):
		c.fail(at, hint, "%q is not a path in a registry", clip(rest))
	}
}

// bareName explains why a name without a dot is none.
func bareName(host string) string {
	if registryLabel().MatchString(host) {
		return ": it has neither a dot nor a port"
	}
	return ""
}

// registryHost reports whether text is a host with or without a port, and
// could be no path in docker.io: it has a dot or a port, or is localhost.
func registryHost(text string) bool {
	if strings.HasPrefix(text, "[") {
		if at, err := netip.ParseAddrPort(text); err == nil {
			return at.Port() > 0 && at.Addr().Zone() == "" && at.String() == text
		}
		addr, err := netip.ParseAddr(strings.TrimSuffix(text[1:], "]"))
		return err == nil && addr.Zone() == "" && "["+addr.String()+"]" == text
	}
	host, port, hasPort := strings.Cut(text, ":")
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return false
		}
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !registryLabel().MatchString(label) {
			return false
		}
	}
	return hasPort || len(labels) > 1 || host == "localhost"
}

// signature checks an entry, which is never merged with another one.
func (c *checker) signature(at string, s Signature) {
	switch {
	case s.Name == "":
		c.fail(at, "add a name: that messages can call it by", "a signature has no name")
	case !isName(s.Name):
		c.fail(at+".name", nameHint, "%q cannot be a name", clip(s.Name))
	}
	if len(s.Keys) == 0 && len(s.Keyless) == 0 {
		c.fail(at, "add keys: with the paths of public keys, or keyless: with an issuer and a subject", "nobody is named who could sign")
	}
	for _, key := range s.Keys {
		c.file(entry(at+".keys", key), key)
	}
	for n, id := range s.Keyless {
		long := entry(at+".keyless", id.String())
		c.brief = strings.NewReplacer(long, entry(entry("image.signatures", s.Name)+".keyless", strconv.Itoa(n)), at, entry("image.signatures", s.Name))
		c.identity(long, id)
	}
	switch {
	case s.TrustRoot != "":
		c.file(at+".trustRoot", s.TrustRoot)
	case len(s.Keyless) > 0:
		c.fail(at, "add trustRoot: with the path of sigstore's trusted_root.json; nothing is fetched", "keyless needs a trustRoot")
	}
}

func (c *checker) identity(at string, id Identity) {
	if id.Issuer == "" {
		c.fail(at, "add issuer: with the address of the OpenID Connect issuer", "an identity has no issuer")
	} else if u, err := url.Parse(id.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		c.fail(at+".issuer", "write an address such as https://token.actions.githubusercontent.com", "%q is not an issuer", clip(id.Issuer))
	}
	switch {
	case id.Subject == "" && id.SubjectRegExp == "":
		c.fail(at, "add subject: with the whole name, or subjectRegExp:", "an identity has no subject: anyone could sign")
	case id.Subject != "" && id.SubjectRegExp != "":
		c.fail(at, "keep one of the two", "an identity has both a subject and a subjectRegExp")
	case len(id.SubjectRegExp) > mostRegExp:
		c.fail(at+".subjectRegExp", "shorten it", "the expression is longer than %d bytes", mostRegExp)
	case id.SubjectRegExp != "":
		if _, err := regexp.Compile(id.SubjectRegExp); err != nil {
			c.fail(at+".subjectRegExp", "write a regular expression of RE2 that matches the whole name", "%w", err)
		}
	}
}

// gateRelated checks the gate once all layers are there: that it blocks
// something, says why it lets pass, and has something to go by.
func (c *checker) gateRelated() {
	const at = "image.vulnerabilities"
	v := c.p.Image.Vulnerabilities
	if !isSet(reflect.ValueOf(v)) {
		return
	}
	if v.Block == nil {
		c.fail(at, "add block: high, or the lowest severity that must not run", "the gate blocks nothing")
	}
	if v.FixableOnly != nil && *v.FixableOnly && v.Why == "" {
		c.fail(at+".fixableOnly", whyHint, "vulnerabilities without a fix pass without a reason")
	}
	if slices.Contains(v.Sources, FromReport) && v.Report == nil {
		c.fail(entry(at+".sources", string(FromReport)), "add report: with the path of the file, or take report out of sources", "no report is named")
	}
	if v.Block != nil && len(c.p.Image.FindingSources()) == 0 {
		c.fail(at+".sources", "allow scanner, or attestation with signatures:, or report with a file", "no source of findings is left, so no image could pass")
	}
}

const nameHint = "use lower-case letters, digits, '.', '-' and '_', and begin with a letter or digit"

// isName reports whether text can be the name of a profile or of a signature.
func isName(text string) bool {
	return text != "" && len(text) <= mostNameBytes &&
		strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == "" && strings.Trim(text[:1], ".-_") != ""
}
