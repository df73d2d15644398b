package plainjson

import "reflect"

// AtOnce says whether v is written without encoding/json.
func AtOnce(v any) bool { return new(writer).value(reflect.ValueOf(v), 0) }
