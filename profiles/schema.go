package profiles

import (
	_ "embed"
	"slices"
)

//go:generate go test -run ^TestSchemaIsFresh$ -update .

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of a profile document, for editors.
// It is generated from the types of this package and their comments. Decode is
// stricter: it also checks what a schema cannot say.
func Schema() []byte { return slices.Clone(schema) }
