package profiles

import (
	"fmt"
	"strings"
)

// didYouMean is ", did you mean ...?" when one of the names is near, else empty.
func didYouMean(text string, names []string) string {
	if near := Nearest(text, names); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	return ""
}

// Nearest is the name with the fewest edits from text, when there are few
// enough that a slip of the hand explains it; else empty.
func Nearest(text string, names []string) string {
	if len(text) > 64 {
		return ""
	}
	text = strings.ToLower(text)
	best, edits := "", max(1, min(3, len(text)/3))+1
	for _, name := range names {
		if d := distance(text, strings.ToLower(name)); d < edits {
			best, edits = name, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements of bytes, and the
// swaps of two neighbours, that turn a into b (Damerau and Levenshtein).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := last[j]
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
