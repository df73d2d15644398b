package profiles

import (
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// UserFrom says whose user is taken.
type UserFrom string

// The user sources, tightest first.
const (
	UserFromProfile UserFrom = "profile"
	UserFromImage   UserFrom = "image"
)

// NetworkMode is how a container is connected.
type NetworkMode string

// The network modes, tightest first.
const (
	NetworkNone   NetworkMode = "none"
	NetworkBridge NetworkMode = "bridge"
)

// Reaction is what follows a refused call.
type Reaction string

// The reactions, tightest first.
const (
	ReactKill   Reaction = "kill"
	ReactFreeze Reaction = "freeze"
	ReactLog    Reaction = "log"
)

// Severity is how bad a vulnerability is.
type Severity string

// The severities, tightest first: who blocks the least bad blocks the most.
const (
	SeverityNegligible Severity = "negligible"
	SeverityLow        Severity = "low"
	SeverityMedium     Severity = "medium"
	SeverityHigh       Severity = "high"
	SeverityCritical   Severity = "critical"
)

// FindingSource is where what is known of an image may come from.
type FindingSource string

// The sources of findings, in the order in which they are tried.
const (
	FromAttestation FindingSource = "attestation"
	FromReport      FindingSource = "report"
	FromScanner     FindingSource = "scanner"
)

var (
	severities = []string{
		string(SeverityNegligible), string(SeverityLow), string(SeverityMedium), string(SeverityHigh), string(SeverityCritical),
	}
	findingSources = []string{string(FromAttestation), string(FromReport), string(FromScanner)}

	userFroms    = []string{string(UserFromProfile), string(UserFromImage)}
	networkModes = []string{string(NetworkNone), string(NetworkBridge)}
	reactions    = []string{string(ReactKill), string(ReactFreeze), string(ReactLog)}
)

// ParseUserFrom reads "image" or "profile".
func ParseUserFrom(text string) (UserFrom, error) {
	s, err := oneOf("user source", text, userFroms)
	return UserFrom(s), err
}

// ParseNetworkMode reads "none" or "bridge".
func ParseNetworkMode(text string) (NetworkMode, error) {
	s, err := oneOf("network mode", text, networkModes)
	return NetworkMode(s), err
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *UserFrom) UnmarshalText(text []byte) (err error) {
	*u, err = ParseUserFrom(string(text))
	return err
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *NetworkMode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseNetworkMode(string(text))
	return err
}

// ParseReaction reads "log", "freeze" or "kill".
func ParseReaction(text string) (Reaction, error) {
	s, err := oneOf("reaction", text, reactions)
	return Reaction(s), err
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Reaction) UnmarshalText(text []byte) (err error) {
	*r, err = ParseReaction(string(text))
	return err
}

// ParseSeverity reads one of the severities.
func ParseSeverity(text string) (Severity, error) {
	s, err := oneOf("severity", text, severities)
	return Severity(s), err
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSeverity(string(text))
	return err
}

// oneOf finds text among the values allowed.
func oneOf(what, text string, allowed []string) (string, error) {
	for _, a := range allowed {
		if a == text {
			return a, nil
		}
	}
	hint := "write one of: " + strings.Join(allowed, ", ")
	return "", problem.New(hint, "%q is not a %s%s", text, what, didYouMean(text, allowed))
}

// rank is the place of a value in its list, tightest first. A value that is
// not in the list ranks loosest, so that it never wins a meet.
func rank(text string, list []string) int {
	for i, s := range list {
		if s == text {
			return i
		}
	}
	return len(list)
}

// badScalar is the error of a value that does not read as what it should be.
func badScalar(what, text, hint string) error {
	const most = 40
	if len(text) > most {
		text = text[:most] + "..."
	}
	return problem.New(hint, "%q is not a %s", text, what)
}
