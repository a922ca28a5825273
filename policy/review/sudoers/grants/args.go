package grants

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// Args are the arguments of a command in a sudoers file: the text behind its path.
// sudo puts a blank between the arguments that it is called with and compares the
// whole: a star takes blanks and slashes, so also further arguments (sudoers(5),
// "Wildcards in command arguments").
type Args struct {
	Text string // "" takes any arguments, or none
	re   *regexp.Regexp
	err  error
}

// maxExpression is how long sudo lets a regular expression be.
const maxExpression = 1024

// NewArgs reads the arguments of a command. Such as cannot be understood take
// nothing; Err tells.
func NewArgs(text string) Args {
	a := Args{Text: text}
	switch {
	case text == "" || text == `""`:
	case a.Regexp() && len(text) > maxExpression:
		a.err = fmt.Errorf("a regular expression of more than %d characters, which sudo does not take", maxExpression)
	case a.Regexp():
		// sudo's are extended ones of POSIX, of which Go's are nearly all.
		a.re, a.err = regexp.Compile("(?s)" + latin(text))
	default:
		a.re, a.err = regexp.Compile("(?s)^" + glob(latin(text)) + "$")
	}
	return a
}

// Err is why the arguments cannot be understood.
func (a Args) Err() error { return a.err }

// Regexp tells whether they are a regular expression (sudo 1.9.10).
func (a Args) Regexp() bool {
	return len(a.Text) > 1 && a.Text[0] == '^' && a.Text[len(a.Text)-1] == '$'
}

// Any tells that a command with any arguments is taken.
func (a Args) Any() bool { return a.Text == "" || a.Text == "*" }

// Takes tells whether sudo takes these arguments.
func (a Args) Takes(args []string) bool {
	switch {
	case a.Text == "":
		return true
	case a.Text == `""`:
		return len(args) == 0
	case a.re == nil:
		return false
	}
	return a.re.MatchString(latin(strings.Join(args, " ")))
}

// Open tells whether the arguments take further words of the caller's choice: a blank,
// with what begins an option or a path, in a place that repeats.
func (a Args) Open() bool {
	switch {
	case a.Text == "":
		return true
	case a.re == nil:
		return a.err != nil
	}
	parsed, err := syntax.Parse(a.re.String(), syntax.Perl)
	return err != nil || open(parsed)
}

// further are words that do not belong to what a pattern begins with; with different
// letters, for a class may exclude some.
var further = []string{" -a /b", " -c d/e", " --x=/t", " -f /g/h", " /i", " -j"}

func open(re *syntax.Regexp) bool {
	if re.Op == syntax.OpStar || re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat && (re.Max < 0 || re.Max > 8) {
		if inner, err := regexp.Compile("^(?:" + re.String() + ")$"); err != nil || slices.ContainsFunc(further, inner.MatchString) {
			return true
		}
	}
	for _, sub := range re.Sub {
		if open(sub) {
			return true
		}
	}
	return false
}

// Literal is the text that every string they take begins with, and whether they take
// that alone.
func (a Args) Literal() (prefix string, whole bool) {
	if a.re == nil {
		return "", a.Text == `""`
	}
	pattern := glob(latin(a.Text))
	if a.Regexp() {
		pattern = latin(a.Text[1 : len(a.Text)-1]) // ^ is no literal
	}
	re, err := regexp.Compile("(?s)" + pattern)
	if err != nil {
		return "", false
	}
	prefix, whole = re.LiteralPrefix()
	var bytes []byte
	for _, r := range prefix {
		bytes = append(bytes, byte(r))
	}
	return string(bytes), whole
}

// latin makes a character of each byte: sudo compares bytes (sudoers_locale, "C" where
// nothing is said).
func latin(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteRune(rune(text[i]))
	}
	return b.String()
}

// Hints are strings that the arguments take, or nearly, with x where anything goes.
func (a Args) Hints() []string {
	prefix, _ := a.Literal()
	hints := []string{prefix + "x"}
	if !a.Regexp() && a.Text != `""` {
		hints = append(hints, strings.NewReplacer(`\`, "", "*", "x", "?", "x").Replace(a.Text))
	}
	return hints
}

// Wild tells whether a text has something in it that stands for others.
func Wild(text string) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// glob is a shell's pattern as a regular expression, where * takes slashes too
// (fnmatch(3) without FNM_PATHNAME).
func glob(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		case '\\':
			if i++; i < len(pattern) {
				b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
			}
		case '[':
			end := classEnd(pattern, i)
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			class := pattern[i+1 : end]
			b.WriteByte('[')
			if strings.HasPrefix(class, "!") || strings.HasPrefix(class, "^") {
				b.WriteByte('^')
				class = class[1:]
			}
			if strings.HasPrefix(class, "]") {
				b.WriteString(`\]`)
				class = class[1:]
			}
			b.WriteString(strings.NewReplacer(`\`, `\\`, "[:", "[:", "[", `\[`, "^", `\^`, "&&", `&\&`, "--", `-\-`).Replace(class))
			b.WriteByte(']')
			i = end
		default:
			_, n := utf8.DecodeRuneInString(pattern[i:])
			b.WriteString(regexp.QuoteMeta(pattern[i : i+n]))
			i += n - 1
		}
	}
	return b.String()
}

// classEnd is where the class that begins at i ends; less than 0 for none.
func classEnd(pattern string, i int) int {
	from := i + 1
	if from < len(pattern) && (pattern[from] == '!' || pattern[from] == '^') {
		from++
	}
	if from < len(pattern) && pattern[from] == ']' {
		from++
	}
	for from < len(pattern) {
		if strings.HasPrefix(pattern[from:], "[:") {
			if end := strings.Index(pattern[from:], ":]"); end > 0 {
				from += end + 2
				continue
			}
		}
		if pattern[from] == ']' {
			return from
		}
		from++
	}
	return -1
}
