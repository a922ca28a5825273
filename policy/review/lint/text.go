package lint

import (
	"fmt"
	"strconv"
	"strings"

	"ironwrap/filters"
)

// quote makes what was read fit for a message. A backslash stays one: patterns are
// full of them.
func quote(text string) string { return filters.Prose(text) }

// line makes a command line fit for a message, each word to be told apart.
func line(argv []string) string { return filters.QuoteLine(filters.Words(argv)) }

// position is where another filter stands, as an editor takes it.
func position(path string, line int) string { return fmt.Sprintf("%s:%d", quote(path), line) }

// splitPlace takes "PATH:LINE: WHY" or "PATH: WHY" apart, PATH being that of a file
// that exists. Without such a beginning the error is about path as a whole.
func (h host) splitPlace(text, path string) (string, int, string) {
	head, why, ok := strings.Cut(text, ": ")
	if !ok {
		return path, 0, text
	}
	if i := strings.LastIndexByte(head, ':'); i > 0 {
		n, err := strconv.Atoi(head[i+1:])
		if err == nil && h.there(head[:i]) {
			return head[:i], n, why
		}
	}
	if h.there(head) || head == path {
		return head, 0, why
	}
	return path, 0, text
}

// nearest is the one of words that text is likely a slip of; "" for none.
func nearest(text string, words []string) string {
	best, least := "", 3
	for _, w := range words {
		if d := distance(text, w); d < least && d*3 <= len(w) {
			best, least = w, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or exchange (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			corner, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, corner+cost)
		}
	}
	return row[len(b)]
}
