package profiles

import (
	"reflect"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// Validate reports what is impossible in a profile, or allowed without a
// reason. What is not set is not looked at; Complete does that too. Mistakes begin
// with the place they were written at, when p has origins. The error is of
// type Errors.
func Validate(p Profile) error {
	errs := checkValues(p)
	c := checker{p: p, errs: errs}
	c.reasons()
	c.related()
	return c.errs.orNil()
}

// checkValues judges each value by itself, so that it can be done on a single
// document whose other half is in what it extends.
func checkValues(p Profile) Errors {
	c := checker{p: p}
	c.names("", reflect.ValueOf(p))
	c.header()
	c.process()
	c.reactions()
	c.mounts()
	c.paths()
	c.resources()
	c.network()
	c.seccomp()
	c.image()
	c.health()
	return c.errs
}

// checker collects the mistakes of one profile.
type checker struct {
	p    Profile
	errs Errors
	// brief shortens the paths that are shown; nil shows them as they are.
	brief *strings.Replacer
}

// fail records a mistake at a setting.
func (c *checker) fail(path, hint, format string, args ...any) {
	shown := path
	if c.brief != nil {
		shown = c.brief.Replace(path)
	}
	c.errs.add(c.p.Origin(path), problem.New(hint, "%s: "+format, append([]any{shown}, args...)...))
}

// names checks every name that comes from a fixed list, wherever it is, that
// no entry is nameless, and that none is there twice.
func (c *checker) names(path string, v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		// A path is made only for what has names in it: that is most of the time
		// that a profile without a mistake takes.
		value := v.Field(f.index)
		switch {
		case isSection(value.Type()) && isSet(value):
			c.names(join(path, f.name), section(value))
		case value.Kind() == reflect.Slice && value.Len() > 0:
			c.list(f, join(path, f.name), value)
		}
	}
}

func (c *checker) list(f field, path string, v reflect.Value) {
	kind := f.values
	if key, ok := keyField(v.Type().Elem()); ok {
		kind = key.values
	}
	seen := map[string]bool{}
	for i := range v.Len() {
		key := keyOf(v.Index(i))
		at := entry(path, key)
		switch {
		case key == "":
			c.fail(path, "give each entry a name", "an entry has no name")
		case seen[key]:
			c.fail(at, "keep one of the two", "listed twice")
		case !nameKnown(kind, key):
			err := unknownName(kind, key)
			c.fail(at, err.Hint, "%s", err.What)
		}
		seen[key] = true
		if v.Index(i).Kind() == reflect.Struct {
			c.names(at, v.Index(i))
		}
	}
}

// within checks the bounds of a number that is set.
func (c *checker) within(path string, value *int64, least, most int64) {
	if value != nil && (*value < least || *value > most) {
		c.fail(path, "write a number in that range", "%d is not between %d and %d", *value, least, most)
	}
}

// atLeast checks a lower bound of a scalar that prints itself.
func atLeast[T interface {
	~int64
	String() string
}](c *checker, path string, value *T, least T) {
	if value != nil && *value < least {
		c.fail(path, "raise it to "+least.String()+" or more", "%s is less than %s", (*value).String(), least.String())
	}
}
