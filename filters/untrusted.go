package filters

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Untrusted is a string from outside: a word of argv, an environment value, a
// path, a piece of a file. It holds the bytes as they came, NUL excepted, and
// never changes them; only printing is guarded. String, and with it every fmt
// verb for strings, escapes what a terminal or a log would act upon
// (CVE-2023-28486, CVE-2023-28487); Raw gives the bytes.
type Untrusted string

// Raw returns the bytes as they came.
func (u Untrusted) Raw() string { return string(u) }

// String returns u for a person: printable characters as they are, a backslash
// doubled, everything else (control characters, bidirectional marks, bytes that
// are not UTF-8) as a Go escape. It never holds a line break.
func (u Untrusted) String() string { return escape(string(u), true) }

// Prose is String for text of our own in which something foreign may have been
// left as it was: a backslash stays one.
func Prose(text string) string { return escape(text, false) }

func escape(s string, backslash bool) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x`)
			b.WriteByte(hex[s[i]>>4])
			b.WriteByte(hex[s[i]&15])
		case r == '\\' && backslash:
			b.WriteString(`\\`)
		case strconv.IsPrint(r):
			b.WriteString(s[i : i+n])
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

// Quote returns u as one unmistakable word: as it is where it holds nothing but
// characters that need no quoting, else in double quotes with Go's escapes. A word
// with an equals sign is quoted, so that none passes for a field of a record.
func (u Untrusted) Quote() string {
	s := string(u)
	if s == "" {
		return `""`
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"'\$&|;<>()*?[]{}!#~=^`+"`", c) >= 0 {
			return strconv.Quote(s)
		}
	}
	return s
}

// Short is Quote in at most room bytes, where room is not tiny. A longer word is cut,
// and stands in quotes with three dots behind them, which no word can bring along.
func (u Untrusted) Short(room int) string {
	if len(u) <= room {
		if q := u.Quote(); len(q) <= room {
			return q
		}
	}
	// A byte takes ten characters at the most when it is quoted.
	for n := min(len(u), room); ; {
		q := strconv.Quote(string(u[:n]))
		over := len(q) + len("...") - room
		if over <= 0 || n == 0 {
			return q + "..."
		}
		n = max(n-(over+9)/10, 0)
	}
}

// Show is what a message says of a word, a name or a path: one unmistakable word of
// at most 512 bytes.
func (u Untrusted) Show() string { return u.Short(512) }

// Show is Untrusted(s).Show().
func Show(s string) string { return Untrusted(s).Show() }

// MarshalJSON writes u as a JSON string from which the bytes can be had back: a
// byte that is not UTF-8 becomes the lone surrogate U+DC00+byte, as Python's
// surrogateescape (PEP 383) does and oslo.rootwrap's daemon expects.
func (u Untrusted) MarshalJSON() ([]byte, error) {
	s := string(u)
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, `\udc`...)
			b = append(b, hex[s[i]>>4], hex[s[i]&15])
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20 || r == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, hex[r>>4], hex[r&15])
		case !strconv.IsPrint(r):
			if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
				b = unicodeEscape(unicodeEscape(b, high), low)
			} else {
				b = unicodeEscape(b, r)
			}
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return append(b, '"'), nil
}

func unicodeEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// Words converts argv as the operating system gave it.
func Words(argv []string) []Untrusted {
	words := make([]Untrusted, len(argv))
	for i, w := range argv {
		words[i] = Untrusted(w)
	}
	return words
}

// Line returns words for a message: each as Quote has it, so that none can pass for
// two or for text of ours. Where they take more than two kilobytes it ends in three
// dots and their number and size.
func Line(words []Untrusted) string {
	const room = 2 << 10
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		left := room - b.Len()
		if len(w) < left {
			if q := w.Quote(); len(q) <= left {
				b.WriteString(q)
				continue
			}
		}
		if left > 16 {
			b.WriteString(w.Short(left))
		}
		size := 0
		for _, w := range words {
			size += len(w) + 1
		}
		b.WriteString("... (cut: " + strconv.Itoa(len(words)) + " words, " + strconv.Itoa(size) + " bytes)")
		break
	}
	return b.String()
}

// QuoteLine returns words as a line from which each word can be told apart.
func QuoteLine(words []Untrusted) string {
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = w.Quote()
	}
	return strings.Join(parts, " ")
}

// UnquoteLine reads what QuoteLine writes, and what people write instead: words with
// blanks between, each in double quotes with Go's escapes, or as it is. Then it has no
// quote, backquote or backslash: who writes one has a shell in mind, and there is none.
func UnquoteLine(line string) (argv []Untrusted, err error) {
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		word, rest, _ := strings.Cut(line, " ")
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, errors.New(Untrusted(line[:min(len(line), 100)]).String() + " is not quoted to its end")
			}
			if word, err = strconv.Unquote(quoted); err != nil {
				return nil, errors.New(Show(quoted) + " cannot be unquoted")
			}
			if rest = line[len(quoted):]; rest != "" && rest[0] != ' ' {
				return nil, errors.New("behind " + Show(quoted) + " there is no blank")
			}
		} else if strings.ContainsAny(word, "\"'`\\") {
			return nil, errors.New(Show(word) + " has quotes or a backslash and is not in double quotes: put all of the word into them, with Go's escapes")
		}
		if strings.IndexByte(word, 0) >= 0 {
			return nil, errors.New(Show(word) + " holds a NUL, which no word can")
		}
		argv, line = append(argv, Untrusted(word)), rest
	}
	return argv, nil
}

const hex = "0123456789abcdef"

func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return true
}
