package profiles

import (
	"maps"
	"reflect"
)

// saysNothing reports whether p is as it is without anything written in it.
func saysNothing(p Profile) bool {
	if len(p.Origins) > 0 {
		return false
	}
	p.Origins = nil
	return reflect.ValueOf(p).IsZero()
}

// alone is what p comes to with nothing laid over it or under it: p, sharing
// nothing with it. Most launches have neither flags nor a profile that extends,
// and to merge with nothing takes twenty times as long.
func alone(p Profile) Profile {
	origins := p.Origins
	p.Origins = nil
	v := reflect.ValueOf(&p).Elem()
	unshare(v)
	if len(origins) > 0 {
		p.Origins = maps.Clone(origins)
	}
	return p
}

// unshare gives a value, which is its own, parts of its own.
func unshare(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				unshare(f)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			own := reflect.New(v.Type().Elem())
			own.Elem().Set(v.Elem())
			unshare(own.Elem())
			v.Set(own)
		}
	case reflect.Slice:
		if !v.IsNil() {
			own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(own, v)
			if elem := v.Type().Elem().Kind(); elem == reflect.Struct || elem == reflect.Pointer || elem == reflect.Slice {
				for i := range own.Len() {
					unshare(own.Index(i))
				}
			}
			v.Set(own)
		}
	}
}
