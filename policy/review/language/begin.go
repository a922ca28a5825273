package language

import (
	"strings"
	"unicode/utf8"
)

// Begin is what all words begin with that a pattern matches, as far as that stands there
// plainly. It is asked without an automaton.
func Begin(pattern string) string {
	if strings.ContainsAny(pattern, "|") || strings.Contains(pattern, "(?") {
		return ""
	}
	end := strings.IndexAny(pattern, `\.*+?()[]{}^$`)
	switch {
	case end < 0:
		return pattern
	case strings.IndexByte("*?{", pattern[end]) >= 0 && end > 0:
		_, size := utf8.DecodeLastRuneInString(pattern[:end])
		end -= size
	}
	return pattern[:end]
}
