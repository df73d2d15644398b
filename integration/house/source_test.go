// Package house holds the tests of the house itself: what may import what, how
// large things may get, and what never belongs in the repository.
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// module is the import path of the repository.
const module = "github.com/safe-run/safe-run"

// top is the directory of the repository, seen from this package.
const top = "../.."

// source is one Go file of the repository.
type source struct {
	path  string // "spec/plan.go"
	dir   string // "spec"
	test  bool
	file  *ast.File
	lines int
}

var fileset = token.NewFileSet()

// sources parses every Go file once.
var sources = sync.OnceValues(func() ([]source, error) {
	var all []source
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == ".git" || name == "bin" || name == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(fileset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		all = append(all, source{
			path:  rel,
			dir:   filepath.ToSlash(filepath.Dir(rel)),
			test:  strings.HasSuffix(rel, "_test.go"),
			file:  file,
			lines: fileset.File(file.Pos()).LineCount(),
		})
		return err
	})
	return all, err
})

func parsed(t *testing.T) []source {
	t.Helper()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("found only %d Go files: the tests look in the wrong place", len(all))
	}
	return all
}

// imports gives the import paths of a file.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}

// matches says whether a path is the pattern, or below it when the pattern ends
// in "/...".
func matches(pattern, path string) bool {
	if prefix, below := strings.CutSuffix(pattern, "/..."); below {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return path == pattern
}

func matchesAny(patterns []string, path string) bool {
	for _, pattern := range patterns {
		if matches(pattern, path) {
			return true
		}
	}
	return false
}
