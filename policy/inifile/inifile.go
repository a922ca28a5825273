// Package inifile reads the INI dialect of CPython's configparser.RawConfigParser
// (3.11, text opened as UTF-8 with universal newlines), in which rootwrap.conf and
// the *.filters files have been written since 2012.
//
// For every document the result is exactly CPython's or a refusal with file and
// line; never a third thing. To that end each document is read twice: by a line
// scanner that follows Python's rules and knows the line numbers (scan.go), and
// by gopkg.in/ini.v1 (check.go). Where the two differ nobody is believed, and
// the document is refused.
//
// The dialect is described in the "Supported INI File Structure" chapter of
// https://docs.python.org/3.11/library/configparser.html. Interpolation of
// %(name)s is not part of it: RawConfigParser has none.
package inifile

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ironwrap/policy/document"
)

// Limits that no deployed file comes near. They bound the time and memory that
// a file can cost, so that anything beyond them is refused, not cut.
const (
	maxSize  = 16 << 20 // bytes of a document
	maxLines = 256      // lines of one value: ini.v1 is quadratic in them
)

// defaultName is the section whose keys every other one inherits.
const defaultName = "DEFAULT"

// Parse reads the document data. The path is used for messages only. Any error
// is an *Error.
func Parse(path string, data []byte, mode document.Mode) (*document.Document, error) {
	return new(Reader).Parse(path, data, mode)
}

// Reader reads one document after the other in the same memory. It must not be used by
// two goroutines at once.
type Reader struct {
	text []byte
	want []found
}

// Parse is like the function Parse.
func (r *Reader) Parse(path string, data []byte, mode document.Mode) (*document.Document, error) {
	text, err := decode(path, data)
	if err != nil {
		return nil, err
	}
	s := scanner{path: path, mode: mode, check: check{path: path, text: r.text[:0], want: r.want[:0]}, sections: map[string]*section{defaultName: {}}}
	err = s.scan(text)
	r.text, r.want = s.check.text, s.check.want
	if err != nil {
		return nil, err
	}
	return s.document(), nil
}

// Error says why a document was refused.
type Error struct {
	Path string
	Line int    // from 1
	Why  string // one line, what it quotes is escaped
}

// Error is one line, PATH:LINE: WHY.
func (e *Error) Error() string {
	path := e.Path
	if strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		path = strconv.QuoteToASCII(path)
	}
	return fmt.Sprintf("%s:%d: %s", path, e.Line, e.Why)
}

// decode does what open(path, encoding="utf-8") does before configparser sees
// a line: it insists on UTF-8 and turns \r\n and \r into \n. A NUL byte and a
// byte order mark are refused here, for a better message: the latter is to
// CPython a line before the first section.
func decode(path string, data []byte) (string, error) {
	refuse := func(line int, why string) (string, error) {
		return "", &Error{Path: path, Line: line, Why: why}
	}
	if len(data) > maxSize {
		return refuse(1, fmt.Sprintf("%d bytes are too many for a configuration file, %d are allowed", len(data), maxSize))
	}
	doc := string(data)
	if strings.Contains(doc, "\r") {
		doc = strings.ReplaceAll(doc, "\r\n", "\n")
		doc = strings.ReplaceAll(doc, "\r", "\n")
	}
	lineAt := func(offset int) int { return 1 + strings.Count(doc[:offset], "\n") }

	if i := strings.IndexByte(doc, 0); i >= 0 {
		return refuse(lineAt(i), "nul byte: this is not a text file")
	}
	if !utf8.ValidString(doc) {
		i := 0
		for {
			r, size := utf8.DecodeRuneInString(doc[i:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			i += size
		}
		return refuse(lineAt(i), fmt.Sprintf("byte 0x%02x is not valid utf-8: write the file in utf-8", doc[i]))
	}
	if strings.HasPrefix(doc, "\ufeff") {
		return refuse(1, "byte order mark before the first section: write the file in utf-8 without it")
	}
	return doc, nil
}

// quote makes text from a file fit for a message: escaped, and not long.
func quote(text string) string {
	const most = 60
	if len(text) <= most {
		return strconv.QuoteToASCII(text)
	}
	end := most
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return strconv.QuoteToASCII(text[:end]) + "..."
}
