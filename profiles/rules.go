package profiles

import "reflect"

// A rule says how two values of a setting meet and which one is the looser.
// There is one rule for each value of the struct tag meet.
type rule struct {
	// second reports whether b is the one to take; a and b are both set.
	second func(a, b reflect.Value) bool
	// unset is what a setting that nobody set counts as when it is compared:
	// an allowance that is not given allows nothing, a limit that is not set
	// limits nothing.
	unset unsetMeaning
}

type unsetMeaning int

const (
	unsetAllowsNothing unsetMeaning = iota
	unsetLimitsNothing
	unsetIsEqual // the setting restricts nothing either way
)

var rules = map[string]rule{
	"min": {func(a, b reflect.Value) bool { return b.Int() < a.Int() }, unsetLimitsNothing},
	"max": {func(a, b reflect.Value) bool { return b.Int() > a.Int() }, unsetLimitsNothing},
	"and": {func(a, b reflect.Value) bool { return a.Bool() && !b.Bool() }, unsetAllowsNothing},
	"or":  {func(a, b reflect.Value) bool { return !a.Bool() && b.Bool() }, unsetLimitsNothing},
	// The values of an enum are ordered, tightest first.
	"enum": {func(a, b reflect.Value) bool { return enumRank(b) < enumRank(a) }, unsetLimitsNothing},
	// Neutral settings meet in a fixed way only so that the order of the two
	// profiles does not matter.
	"neutral": {after, unsetIsEqual},
	// Two different values leave none, see meetReports.
	"same": {func(a, b reflect.Value) bool { return false }, unsetLimitsNothing},
	// Modes are met bit by bit, see meetModes.
	"mode": {func(a, b reflect.Value) bool { return false }, unsetLimitsNothing},
}

// after is an order of values that means nothing.
func after(a, b reflect.Value) bool {
	switch b.Kind() {
	case reflect.Bool:
		return b.Bool() && !a.Bool()
	case reflect.Int64:
		return b.Int() > a.Int()
	}
	return b.String() > a.String()
}

// meetScalars gives the tighter of two values.
func meetScalars(f field, a, b reflect.Value) (reflect.Value, bool) {
	if a.Kind() != reflect.Pointer {
		return a, false // names and texts take no part
	}
	if f.meet == "mode" {
		merged := meetModes(Mode(a.Elem().Uint()), Mode(b.Elem().Uint()))
		return reflect.ValueOf(&merged), uint64(merged) != a.Elem().Uint()
	}
	if f.meet == "same" {
		merged := meetReports(a.Elem().String(), b.Elem().String())
		return reflect.ValueOf(&merged), merged != a.Elem().String()
	}
	if rules[f.meet].second(a.Elem(), b.Elem()) {
		return b, true
	}
	return a, false
}

// meetModes keeps the permissions that both give, and the sticky bit when
// either has it.
func meetModes(a, b Mode) Mode { return a&b&^sticky | (a|b)&sticky }

// scalarLooser reports whether value is looser than old. Both may be unset.
func scalarLooser(f field, value, old reflect.Value) bool {
	r, ok := rules[f.meet]
	if !ok || r.unset == unsetIsEqual || (!isSet(value) && !isSet(old)) {
		return false
	}
	switch {
	case !isSet(value):
		return r.unset == unsetLimitsNothing
	case !isSet(old):
		return r.unset == unsetAllowsNothing && value.Elem().Bool()
	}
	merged, _ := meetScalars(f, value, old)
	return !merged.Elem().Equal(value.Elem())
}

// enumRank is the place of a value in its order.
func enumRank(v reflect.Value) int {
	switch v.Type() {
	case reflect.TypeFor[UserFrom]():
		return rank(v.String(), userFroms)
	case reflect.TypeFor[Reaction]():
		return rank(v.String(), reactions)
	case reflect.TypeFor[Severity]():
		return rank(v.String(), severities)
	}
	return rank(v.String(), networkModes)
}
