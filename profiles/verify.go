package profiles

// isProbe says whether s is a letter and two digits. Which attacks there are is
// for those who carry them out to know: a profile may be older or newer.
func isProbe(s string) bool {
	return len(s) == 3 && 'A' <= s[0] && s[0] <= 'Z' && '0' <= s[1] && s[1] <= '9' && '0' <= s[2] && s[2] <= '9'
}
