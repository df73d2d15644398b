package house

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"testing"
)

// The sizes to feel at home in.
const (
	maxFileLines   = 600
	maxMedianLines = 120
	maxFuncLines   = 80
	maxP90Func     = 40
	maxParameters  = 4
)

func TestFileSizes(t *testing.T) {
	var sizes []int
	for _, source := range parsed(t) {
		sizes = append(sizes, source.lines)
		if source.lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: it has more than one reason to change; find the seam", source.path, source.lines, maxFileLines)
		}
	}
	slices.Sort(sizes)
	if median := sizes[len(sizes)/2]; median > maxMedianLines {
		t.Errorf("the median file has %d lines, more than %d", median, maxMedianLines)
	}
}

func TestFunctionSizes(t *testing.T) {
	var sizes []int
	for _, source := range parsed(t) {
		for _, decl := range source.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			size := codeLines(fn)
			sizes = append(sizes, size)
			where := fileset.Position(fn.Pos())
			if size > maxFuncLines {
				t.Errorf("%s:%d %s has %d lines beside its data, more than %d", source.path, where.Line, fn.Name.Name, size, maxFuncLines)
			}
			if n := parameters(fn); n > maxParameters {
				t.Errorf("%s:%d %s takes %d parameters, more than %d: some of them belong together", source.path, where.Line, fn.Name.Name, n, maxParameters)
			}
		}
	}
	slices.Sort(sizes)
	if p90 := sizes[len(sizes)*9/10]; p90 > maxP90Func {
		t.Errorf("one function in ten has more than %d lines, want at most %d", p90, maxP90Func)
	}
}

// parameters counts those that say something: every test has its t, and what
// may take long its context.
func parameters(fn *ast.FuncDecl) int {
	n := fn.Type.Params.NumFields()
	for _, field := range fn.Type.Params.List {
		if kind := types.ExprString(field.Type); kind == "*testing.T" || kind == "context.Context" {
			n--
		}
	}
	return n
}

// codeLines counts the lines of a function without those of its data: literals
// of slices, maps and structs that hold no functions.
func codeLines(fn *ast.FuncDecl) int {
	size := span(fn)
	ast.Inspect(fn.Body, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if holdsCode(literal) {
			return true
		}
		size -= span(literal)
		return false
	})
	return size
}

func holdsCode(node ast.Node) bool {
	found := false
	ast.Inspect(node, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			found = true
		}
		return !found
	})
	return found
}

func span(node ast.Node) int {
	return fileset.Position(node.End()).Line - fileset.Position(node.Pos()).Line
}

func TestPackageNames(t *testing.T) {
	drawers := []string{"base", "common", "helper", "helpers", "lib", "misc", "shared", "tools", "types", "util", "utils"}
	for _, source := range parsed(t) {
		if slices.Contains(drawers, source.file.Name.Name) || slices.Contains(drawers, path.Base(source.dir)) {
			t.Errorf("%s: the name %s says nothing of what is in it", source.path, source.file.Name.Name)
		}
	}
}

// loud are the names that end the program or print, for libraries to leave alone.
var loud = map[string][]string{
	"os":  {"Exit", "Stdout", "Stderr", "Stdin"},
	"fmt": {"Print", "Printf", "Println"},
	"log": {"Fatal", "Fatalf", "Fatalln", "Print", "Printf", "Println"},
}

func TestOnlyProgramsPrintAndExit(t *testing.T) {
	for _, source := range parsed(t) {
		if source.test || !matchesAny([]string{"profiles/...", "spec/...", "sandbox/..."}, source.dir) {
			continue
		}
		if source.dir == "sandbox/initproc" || source.dir == "sandbox/initproc/bundle" || source.dir == "sandbox/vm/guest" {
			continue // they are what programs become when they are re-executed
		}
		ast.Inspect(source.file, func(node ast.Node) bool {
			if name, pos, ok := qualified(node); ok {
				t.Errorf("%s:%d uses %s: libraries return errors and take writers", source.path, fileset.Position(pos).Line, name)
			}
			return true
		})
	}
}

func qualified(node ast.Node) (string, token.Pos, bool) {
	selector, ok := node.(*ast.SelectorExpr)
	if !ok {
		return "", 0, false
	}
	pkg, ok := selector.X.(*ast.Ident)
	if !ok || !slices.Contains(loud[pkg.Name], selector.Sel.Name) {
		return "", 0, false
	}
	return pkg.Name + "." + selector.Sel.Name, selector.Pos(), true
}

// TestSkipsSayWhy: a test that cannot run says what was not checked.
func TestSkipsSayWhy(t *testing.T) {
	for _, source := range parsed(t) {
		ast.Inspect(source.file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			selector, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Skip", "SkipNow", "Skipf"}, selector.Sel.Name) {
				return true
			}
			if source.test && len(call.Args) == 0 {
				t.Errorf("%s:%d skips without a word of what was not checked", source.path, fileset.Position(call.Pos()).Line)
			}
			return true
		})
	}
}
