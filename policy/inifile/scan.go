package inifile

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ironwrap/policy/document"
)

// scanner reads a document line by line as RawConfigParser does.
type scanner struct {
	path  string // for messages
	mode  document.Mode
	check check

	sections map[string]*section // by name, [DEFAULT] among them
	order    []*section          // by first appearance, without it

	section *section // the one being filled; nil before the first header
	indent  int      // of the last header or key; what is deeper continues its value
	entry   entry    // the key whose value may still go on
}

// section is one of the document's, with the place of each key in it.
type section struct {
	document.Section
	at map[string]int
}

// entry is a key while its value is being collected.
type entry struct {
	line   int
	text   string   // the key's whole line, stripped
	key    string   // in lower case; empty: there is no key to continue
	lines  []string // of the value, stripped
	blanks int      // empty lines seen since; they count only if the value goes on
}

func (s *scanner) scan(doc string) error {
	for n := 1; doc != ""; n++ {
		var line string
		line, doc, _ = strings.Cut(doc, "\n")
		unindented := strings.TrimLeftFunc(line, isSpace)
		text := strings.TrimRightFunc(unindented, isSpace)

		if text == "" {
			s.entry.blanks++
			continue
		}
		// A comment has a line of its own, at any depth, even within a value.
		if text[0] == '#' || text[0] == ';' {
			continue
		}
		indent := utf8.RuneCountInString(line[:len(line)-len(unindented)])
		if s.entry.key != "" && indent > s.indent {
			if err := s.continueValue(text); err != nil {
				return err
			}
			continue
		}
		if err := s.endEntry(); err != nil {
			return err
		}
		s.indent = indent

		var err error
		if name, ok := header(text); ok {
			err = s.startSection(n, name, text)
		} else {
			err = s.startEntry(n, text)
		}
		if err != nil {
			return err
		}
	}
	if err := s.endEntry(); err != nil {
		return err
	}
	return s.check.run()
}

// header takes the name out of a section's header: all between the first
// bracket and the last one. What follows the last one is ignored.
func header(text string) (name string, ok bool) {
	end := strings.LastIndexByte(text, ']')
	if text[0] != '[' || end < 2 {
		return "", false
	}
	return text[1:end], true
}

func (s *scanner) startSection(line int, name, text string) error {
	old := s.sections[name]
	switch {
	case name == defaultName: // may come again, even in strict mode
		s.section = old
	case old != nil:
		if s.mode != document.Lenient {
			return s.refuse(line, "section %s again, it is on line %d already: join the two", quote(name), old.Line)
		}
		s.section = old
	default:
		s.section = &section{Section: document.Section{Name: name, Line: line}}
		s.order = append(s.order, s.section)
		s.sections[name] = s.section
	}
	return s.check.add(found{line: line, name: name}, text, nil)
}

func (s *scanner) startEntry(line int, text string) error {
	delimiter := strings.IndexAny(text, "=:")
	switch {
	case text[0] == '[' && delimiter < 0:
		return s.refuse(line, "%s is no section: it needs a name and a closing bracket", quote(text))
	case s.section == nil:
		return s.refuse(line, "%s stands before the first [section]", quote(text))
	case delimiter < 0:
		return s.refuse(line, `no "=" or ":" after %s: a key needs one, and a line that continues a value must be indented deeper than its key`, quote(text))
	}
	name := strings.TrimRightFunc(text[:delimiter], isSpace)
	if name == "" {
		return s.refuse(line, "no key before %s", quote(text))
	}
	// Python's lower() has cases that Go's does not know (dotted capital I,
	// final sigma): nothing but ASCII is lowered here.
	for _, r := range name {
		if r >= utf8.RuneSelf && unicode.ToLower(r) != r {
			return s.refuse(line, "key %s has a letter beyond ascii in upper case: write it in lower case", quote(name))
		}
	}
	key := strings.ToLower(name)
	if i, again := s.section.at[key]; again && s.mode != document.Lenient {
		return s.refuse(line, "key %s again, it is on line %d already: remove one", quote(key), s.section.Own[i].Line)
	}
	value := strings.TrimLeftFunc(text[delimiter+1:], isSpace)
	s.entry = entry{line: line, text: text, key: key, lines: append(s.entry.lines[:0], value)}
	return nil
}

func (s *scanner) continueValue(text string) error {
	e := &s.entry
	if len(e.lines)+e.blanks >= maxLines {
		return s.refuse(e.line, "the value of %s goes on for more than %d lines: check the indentation", quote(e.key), maxLines)
	}
	for ; e.blanks > 0; e.blanks-- {
		e.lines = append(e.lines, "")
	}
	e.lines = append(e.lines, text)
	return nil
}

// endEntry files the key whose value is now complete, if there is one.
func (s *scanner) endEntry() error {
	e := &s.entry
	if e.key == "" {
		return nil
	}
	done := document.Entry{Key: e.key, Value: strings.Join(e.lines, "\n"), Line: e.line}
	if i, again := s.section.at[e.key]; again {
		s.section.Own[i] = done
	} else {
		if s.section.at == nil {
			s.section.at = make(map[string]int)
		}
		s.section.at[e.key] = len(s.section.Own)
		s.section.Own = append(s.section.Own, done)
	}
	e.key = ""
	return s.check.add(found{line: e.line, name: done.Key, value: done.Value, isKey: true}, e.text, e.lines)
}

func (s *scanner) document() *document.Document {
	d := &document.Document{Defaults: s.sections[defaultName].Own}
	for _, section := range s.order {
		d.Sections = append(d.Sections, &section.Section)
	}
	return d
}

func (s *scanner) refuse(line int, why string, args ...any) error {
	return &Error{Path: s.path, Line: line, Why: fmt.Sprintf(why, args...)}
}

// isSpace is Python's str.isspace, which strip and \s go by: Unicode's white
// space and the four ASCII separators.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
}
