package lint

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"ironwrap/filters"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

// file is one configuration file as it is written, with the means to point at a
// place in it.
type file struct {
	path  string
	lines []string
	ini   *document.Document // nil where it cannot be read as the executor must
	err   error              // why
}

func (h host) readFile(path string, mode document.Mode) *file {
	f := &file{path: path}
	data, err := h.text(path)
	if err != nil {
		f.err = err
		return f
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	f.lines = strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
	f.ini, f.err = inifile.Parse(path, data, mode)
	return f
}

// readText reads a file as the executor does. One that somebody besides root can
// have written is read as well, for it to be looked at; but then not through a link,
// which could lead to a file that a report must not cite, and nothing that blocks.
func readText(path string) ([]byte, error) {
	data, err := trust.File(path, trust.Object)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return data, err
	}
	f, openErr := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if openErr != nil {
		return nil, err
	}
	defer f.Close()
	info, statErr := f.Stat()
	if statErr != nil || !info.Mode().IsRegular() || info.Sys().(*syscall.Stat_t).Nlink > 1 {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, trust.MaxSize))
}

// place is where something stands, in characters from 1.
type place struct{ line, column, width int }

// at makes a finding at a place of f.
func (f *file) at(p place, message, hint string) Finding {
	return Finding{Path: f.path, Line: p.line, Column: p.column, Width: p.width, Cited: f.line(p.line), Message: message, Hint: hint}
}

// line is the text of a line; nothing for a line that is not there.
func (f *file) line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return f.lines[n-1]
}

// whole is the place of all the text of a line.
func (f *file) whole(line int) place {
	text := f.line(line)
	begin := utf8.RuneCountInString(text) - utf8.RuneCountInString(strings.TrimLeftFunc(text, unicode.IsSpace))
	width := utf8.RuneCountInString(strings.TrimSpace(text))
	return place{line, begin + 1, max(width, 1)}
}

// field is a part of a value between commas.
type field struct {
	text string
	place
}

// fields splits the value of e as filters.Fields does, and tells where each part
// stands. Continuation lines are read again, until they come to the same value; if
// they do not, the key's line stands for all.
func (f *file) fields(e document.Entry) []field {
	texts := filters.Fields(e.Value)
	list := make([]field, len(texts))
	places := f.places(e)
	offset := 0
	for i, part := range strings.Split(e.Value, ",") {
		list[i] = field{texts[i], f.whole(e.Line)}
		if places != nil && texts[i] != "" {
			begin := offset + strings.Index(part, texts[i])
			list[i].place = places[begin]
			onLine, _, _ := strings.Cut(texts[i], "\n")
			list[i].width = utf8.RuneCountInString(onLine)
		}
		offset += len(part) + 1
	}
	return list
}

// places tells for each byte of e's value where it stands.
func (f *file) places(e document.Entry) []place {
	first := f.line(e.Line)
	delimiter := strings.IndexAny(first, "=:")
	if delimiter < 0 {
		return nil
	}
	var places []place
	var value strings.Builder
	add := func(line int, text string, from int) {
		column := utf8.RuneCountInString(f.line(line)[:from])
		for _, r := range text {
			column++
			for range utf8.RuneLen(r) {
				places = append(places, place{line, column, 1})
			}
		}
		value.WriteString(text)
	}
	rest := first[delimiter+1:]
	add(e.Line, strings.TrimSpace(rest), delimiter+1+indent(rest))
	for n := e.Line + 1; value.String() != e.Value && n <= len(f.lines); n++ {
		text := strings.TrimSpace(f.line(n))
		if text != "" && (text[0] == '#' || text[0] == ';') {
			continue
		}
		value.WriteByte('\n')
		places = append(places, place{n, 1, 1})
		add(n, text, indent(f.line(n)))
	}
	if value.String() != e.Value {
		return nil
	}
	return places
}

// indent is how many bytes of white space text begins with.
func indent(text string) int { return len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace)) }
