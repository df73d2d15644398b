package image

import (
	"os"
	"path/filepath"
	"strings"
)

// mostNear bounds how many names of a directory are compared.
const mostNear = 4096

// nearFile is the path of what is beside the path that is not there and was
// most likely meant: a name that is one slip away, or that begins with what was
// written and is the only one. Empty when there is none.
func nearFile(path string) string {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer d.Close()
	names, _ := d.Readdirnames(mostNear) // as many as there are
	name := filepath.Base(path)
	var longer []string
	for _, n := range names {
		switch {
		case printable(n) != nil || !strings.HasSuffix(path, name):
		case oneSlip(name, n):
			return path[:len(path)-len(name)] + n
		case len(name) > 1 && strings.HasPrefix(n, name):
			longer = append(longer, n)
		}
	}
	if len(longer) != 1 {
		return ""
	}
	return path[:len(path)-len(name)] + longer[0]
}

// oneSlip reports whether a becomes b by one letter more, less or another, or
// by swapping two neighbours; the case of letters does not count.
func oneSlip(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a) < 3 || len(b) < 3 {
		return a == b
	}
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}
