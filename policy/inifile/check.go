package inifile

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"
)

// check has ini.v1 read the document too, and compares.
//
// ini.v1 left to itself departs from Python in many ways, so it is given a form
// of the document on which both grammars agree:
//
//   - no comments and no blank lines outside a value, headers and keys not
//     indented, each line that continues a value indented by one blank;
//   - the line number and a dot before each section's and key's name, so that
//     none is repeated, quoted, "-", or unclosed;
//   - a value that begins with what ini.v1 takes for a quote starts on the
//     line after its key.
//
// The delimiter, the blanks around it, the case of the key and what follows a
// header are left as they are: to find its way there is ini.v1's part.
//
// The document goes through it in stretches, since ini.v1 searches all keys of a
// section for each new one, and moves all that is not yet read at each key.
type check struct {
	path string // for messages
	text []byte
	want []found
}

// found is a section's header or a key, as either reader sees it.
type found struct {
	line  int
	isKey bool
	name  string
	value string
}

// A stretch ends at whichever comes first.
const (
	stretchItems = 64
	stretchBytes = 2000 // half of bufio's smallest buffer
)

var iniOptions = ini.LoadOptions{
	InsensitiveKeys:            true,
	IgnoreContinuation:         true, // a backslash at the end means nothing
	IgnoreInlineComment:        true,
	AllowPythonMultilineValues: true,
	PreserveSurroundedQuote:    true,
	KeyValueDelimiters:         "=:",
}

// add puts down what the scanner found on the line text; lines are those of a
// key's value, the first of which ends text.
func (c *check) add(f found, text string, lines []string) error {
	if len(c.want) == 0 {
		c.text = append(c.text, "[.]\n"...) // keys may follow a header of an earlier stretch
	}
	if f.isKey {
		c.text = strconv.AppendInt(c.text, int64(f.line), 10)
		c.text = append(c.text, '.')
		if v := lines[0]; strings.HasPrefix(v, "`") || strings.HasPrefix(v, `"""`) {
			c.text = append(c.text, text[:len(text)-len(v)]...)
			c.text = append(c.text, "\n "...)
			c.text = append(c.text, v...)
			f.value = "\n" + f.value
		} else {
			c.text = append(c.text, text...)
		}
		for _, l := range lines[1:] {
			c.text = append(c.text, "\n "...)
			c.text = append(c.text, l...)
		}
	} else {
		c.text = append(c.text, '[')
		c.text = strconv.AppendInt(c.text, int64(f.line), 10)
		c.text = append(c.text, '.')
		c.text = append(c.text, text[1:]...)
	}
	c.text = append(c.text, '\n')
	c.want = append(c.want, f)

	if len(c.want) < stretchItems && len(c.text) < stretchBytes {
		return nil
	}
	return c.run()
}

// run has ini.v1 read what was put down since the last run. Any difference is
// an error.
func (c *check) run() error {
	if len(c.want) == 0 {
		return nil
	}
	options := iniOptions
	options.ReaderBufferSize = len(c.text) // a value is not followed beyond the buffer
	parsed, err := ini.LoadSources(options, c.text)
	if err != nil {
		return c.refuse(c.want[0].line, "ini.v1 cannot read what begins here: %s", quote(err.Error()))
	}

	want := c.want
	compare := func(got found) error {
		if len(want) == 0 {
			return c.refuse(c.want[len(c.want)-1].line, "ini.v1 reads %s after this, python nothing: write it more plainly", got)
		}
		if got != want[0] {
			return c.refuse(want[0].line, "python and ini.v1 read this differently, as %s and as %s: write it more plainly", want[0], got)
		}
		want = want[1:]
		return nil
	}
	for i, section := range parsed.Sections() {
		if i > 1 { // after ini.v1's own [DEFAULT] and our [.]
			line, name := number(section.Name())
			if err := compare(found{line: line, name: name}); err != nil {
				return err
			}
		}
		for _, key := range section.Keys() {
			line, name := number(key.Name())
			// Value, not String: the latter expands %(name)s.
			value := strings.ReplaceAll(key.Value(), "\n ", "\n")
			if err := compare(found{line: line, name: name, value: value, isKey: true}); err != nil {
				return err
			}
		}
	}
	if len(want) > 0 {
		return c.refuse(want[0].line, "python reads %s here, ini.v1 nothing: write it more plainly", want[0])
	}
	c.text, c.want = c.text[:0], c.want[:0]
	return nil
}

func (c *check) refuse(line int, why string, args ...any) error {
	return &Error{Path: c.path, Line: line, Why: fmt.Sprintf(why, args...)}
}

// number splits the line number that add put there from a name.
func number(numbered string) (line int, name string) {
	digits, name, _ := strings.Cut(numbered, ".")
	line, err := strconv.Atoi(digits)
	if err != nil {
		return 0, numbered // no line has number 0: the comparison fails
	}
	return line, name
}

func (f found) String() string {
	if !f.isKey {
		return "section " + quote(f.name)
	}
	return fmt.Sprintf("key %s with value %s", quote(f.name), quote(f.value))
}
