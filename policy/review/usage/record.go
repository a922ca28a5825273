// Package usage tells from records which filters of a policy were used, and what would
// have sufficed. The records are ironwrap's (docs/records.md) and oslo.rootwrap's.
//
// Records are an attacker's: who may call decides most of their text, and everybody on
// the host can write to the system log. Nothing of them is executed, what is shown of
// them is quoted, and all that is kept has a bound. What a false one can do is make a
// filter look used, or a proposal wider, up to what the filter allows anyway.
package usage

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"ironwrap/filters"
)

// Record is what one record says.
type Record struct {
	Time     string // as it is written; "" for none
	Who      string // the user that the request is accounted to; a number where only that is known
	Executed bool
	Words    []filters.Untrusted // as executed, or as typed where it was refused
	Cut      bool                // some words are missing
	Guessed  bool                // the words are what stands between blanks

	Filter string // that matched; "" for none
	File   string // where it stands; "" where the record does not say
	Line   int
	Nested string // FILE:LINE of the filter of a nested command; "" for none
	RunAs  string // "" where the record does not say

	What string // of a refusal: its first words
	Why  string
}

// The first words of refusals.
const (
	Unauthorized = "Unauthorized command"
	NotFound     = "Executable not found"
	NotAllowed   = "Caller not allowed"
	NotRun       = "Not run"
	BadConfig    = "Incorrect configuration file"
)

var refusals = []string{Unauthorized, NotFound, NotAllowed, NotRun, BadConfig}

// errOther is of a message that is no record.
var errOther = errors.New("no record")

var errOdd = errors.New("begins as a record, and does not go on as one")

// Parse reads the text of a record, without time and tag. The error is errOther for what
// is no record at all.
func Parse(text string) (Record, error) {
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return Record{}, errOdd // both programs write text
	}
	switch {
	case strings.HasPrefix(text, "ruid="), strings.HasPrefix(text, "client_uid="):
		return parseOurs(text)
	case strings.HasPrefix(text, "(") && strings.Contains(text, ") Executing ["):
		return parsePeer(text)
	case strings.HasPrefix(text, Unauthorized+": "), strings.HasPrefix(text, NotFound+": "), strings.HasPrefix(text, NotFound+" for: "):
		return parsePeerRefusal(text)
	}
	return Record{}, errOther
}

// reader reads a text from its front. Once something was not as expected it reads
// nothing.
type reader struct {
	rest string
	odd  bool
}

// skip reads text, if it is there.
func (r *reader) skip(text string) bool {
	rest, ok := strings.CutPrefix(r.rest, text)
	if ok && !r.odd {
		r.rest = rest
		return true
	}
	return false
}

func (r *reader) expect(text string) {
	if !r.skip(text) {
		r.odd = true
	}
}

// until reads what stands before text, and text.
func (r *reader) until(text string) string {
	before, rest, ok := strings.Cut(r.rest, text)
	if !ok || r.odd {
		r.odd = true
		return ""
	}
	r.rest = rest
	return before
}

// word reads what filters.Untrusted.Short writes. cut tells of the dots behind it.
func (r *reader) word() (word string, cut bool) {
	if strings.HasPrefix(r.rest, `"`) {
		quoted, err := strconv.QuotedPrefix(r.rest)
		if err == nil {
			word, err = strconv.Unquote(quoted)
		}
		if err != nil || r.odd || strings.IndexByte(word, 0) >= 0 {
			r.odd = true
			return "", false
		}
		r.rest = r.rest[len(quoted):]
		return word, r.skip("...")
	}
	end := strings.IndexAny(r.rest, " )")
	if end < 0 {
		end = len(r.rest)
	}
	word = r.rest[:end]
	if r.odd || word == "" || filters.Untrusted(word).Quote() != word {
		r.odd = true
		return "", false
	}
	r.rest = r.rest[end:]
	return word, false
}

// place reads FILE:LINE, or built-in.
func (r *reader) place() (file string, line int) {
	if strings.HasPrefix(r.rest, `"`) {
		file, _ = r.word()
		r.expect(":")
		number, _ := r.word()
		return file, r.number(number)
	}
	word, _ := r.word()
	if word == "built-in" {
		return "", 0
	}
	at := strings.LastIndexByte(word, ':')
	if at < 0 {
		r.odd = true
		return "", 0
	}
	return word[:at], r.number(word[at+1:])
}

func (r *reader) number(text string) int {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		r.odd = true
	}
	return int(n)
}

// id reads a user id, "-" for none.
func (r *reader) id() string {
	word, _ := r.word()
	if word == "-" {
		return ""
	}
	if n, err := strconv.ParseUint(word, 10, 32); err != nil || strconv.FormatUint(n, 10) != word {
		r.odd = true
	}
	return word
}

func parseOurs(text string) (Record, error) {
	r := &reader{rest: text}
	var d Record
	who := ""
	if r.skip("client_uid=") {
		who = r.id()
		r.expect(" client_pid=")
		r.id()
		r.expect(" ")
	}
	r.expect("ruid=")
	ruid := r.id()
	r.expect(" sudo_uid=")
	sudo := r.id()
	r.expect(" loginuid=")
	r.id()
	r.expect(" ")
	for _, id := range []string{sudo, ruid} {
		if who == "" {
			who = id
		}
	}
	d.Who = who
	if r.skip("(") {
		d.Who, _ = r.word()
		r.expect(" > ")
		r.word()
		r.expect(") Executing ")
		d.Executed = true
		d.Words, d.Cut = r.words()
		r.expect(" (filter match = ")
		d.Filter, _ = r.word()
		r.expect(") filter=")
		d.File, d.Line = r.place()
		if r.skip(" nested=") {
			file, line := r.place()
			d.Nested = file + ":" + strconv.Itoa(line)
		}
		r.expect(" run_as=")
		d.RunAs, _ = r.word()
	} else {
		d.What = r.until(": ")
		d.Words, d.Cut = r.words()
		if r.skip(" why=") {
			d.Why, _ = r.word()
		}
	}
	r.expect(" cwd=")
	r.word()
	if r.odd || r.rest != "" || !d.Executed && !known(d.What) || len(d.Words) == 0 && !d.Cut {
		return Record{}, errOdd
	}
	return d, nil
}

func known(what string) bool {
	for _, w := range refusals {
		if w == what {
			return true
		}
	}
	return false
}

// words reads the words of a command, up to a blank before something else.
func (r *reader) words() (words []filters.Untrusted, cut bool) {
	for !r.odd {
		word, dots := r.word()
		if dots || strings.HasPrefix(r.rest, " (cut: ") {
			r.expect(" (cut: ")
			r.until(")")
			return words, true
		}
		words = append(words, filters.Untrusted(word))
		next := strings.TrimPrefix(r.rest, " ")
		if next == r.rest || strings.HasPrefix(next, "(filter match = ") || strings.HasPrefix(next, "cwd=") || strings.HasPrefix(next, "why=") {
			break
		}
		r.expect(" ")
	}
	return words, false
}

// parsePeer reads what oslo_rootwrap/wrapper.py writes of a command that runs.
func parsePeer(text string) (Record, error) {
	r := &reader{rest: text}
	r.expect("(")
	d := Record{Executed: true, Who: r.until(" > ")}
	r.until(") Executing [")
	for {
		d.Words = append(d.Words, filters.Untrusted(r.literal()))
		if !r.skip(", ") {
			break
		}
	}
	r.expect("] (filter match = ")
	name, ok := strings.CutSuffix(r.rest, ")")
	if d.Filter = name; r.odd || !ok || name == "" || len(d.Words) > maxWords {
		return Record{}, errOdd
	}
	return d, nil
}

const maxWords = 100_000

// literal reads a string as Python's repr writes it.
func (r *reader) literal() string {
	if r.odd || r.rest == "" || r.rest[0] != '\'' && r.rest[0] != '"' {
		r.odd = true
		return ""
	}
	quote := r.rest[0]
	var b strings.Builder
	s := r.rest[1:]
	for s != "" && s[0] != quote {
		if s[0] != '\\' {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		char, rest, ok := escape(s)
		if !ok {
			break
		}
		if char >= 0xdc80 && char <= 0xdcff { // a byte that is not UTF-8 (PEP 383)
			b.WriteByte(byte(char))
		} else {
			b.WriteRune(char)
		}
		s = rest
	}
	if s == "" || s[0] != quote || strings.IndexByte(b.String(), 0) >= 0 {
		r.odd = true
		return ""
	}
	r.rest = s[1:]
	return b.String()
}

// escape reads one escape of Python's.
func escape(s string) (char rune, rest string, ok bool) {
	if len(s) < 2 {
		return 0, "", false
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]
	if digits == 0 {
		at := strings.IndexByte(`\'"nrt`, s[1])
		if at < 0 {
			return 0, "", false
		}
		return rune("\\'\"\n\r\t"[at]), s[2:], true
	}
	if len(s) < 2+digits {
		return 0, "", false
	}
	n, err := strconv.ParseUint(s[2:2+digits], 16, 32)
	if err != nil || n > utf8.MaxRune || n >= 0xd800 && n < 0xe000 && (n < 0xdc80 || n > 0xdcff) {
		return 0, "", false
	}
	return rune(n), s[2+digits:], true
}

// parsePeerRefusal reads what oslo_rootwrap's cmd.py and daemon.py write of a command
// that does not run. Its words are joined by blanks, so that they are guessed.
func parsePeerRefusal(text string) (Record, error) {
	what, rest, _ := strings.Cut(text, ": ")
	d := Record{Who: "not-recorded", What: strings.TrimSuffix(what, " for"), Guessed: true}
	if command, ok := strings.CutSuffix(rest, " (no filter matched)"); ok && d.What == Unauthorized {
		rest = command
	} else if d.What == Unauthorized {
		return Record{}, errOdd
	}
	if command, name, ok := strings.Cut(rest, " (filter match = "); ok && d.What == NotFound {
		rest, d.Filter = command, strings.TrimSuffix(name, ")")
	}
	for _, w := range strings.Fields(rest) {
		d.Words = append(d.Words, filters.Untrusted(w))
	}
	if len(d.Words) == 0 {
		return Record{}, errOdd
	}
	return d, nil
}
