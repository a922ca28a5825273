package wire

import (
	"strconv"
	"unicode/utf8"

	"ironwrap/filters"
)

// Return replies null.
func (c *Conn) Return() error { return c.Write([]byte(`["#RETURN", null]`)) }

// ReturnObject replies to create: the id of an object, and its methods.
func (c *Conn) ReturnObject(ident string, methods ...string) error {
	return c.Write([]byte(`["#RETURN", [` + quote(ident) + `, ` + list(methods) + `]]`))
}

// ReturnMethods replies to get_methods.
func (c *Conn) ReturnMethods(methods ...string) error {
	return c.Write([]byte(`["#RETURN", ` + list(methods) + `]`))
}

// ReturnError replies that a request could not be understood or served. The
// client raises RemoteError with the text.
func (c *Conn) ReturnError(text string) error {
	return c.Write([]byte(`["#TRACEBACK", ` + quote(text) + `]`))
}

// Result is what became of a command.
type Result struct {
	Status         int // exit status; -n where signal n killed it
	Stdout, Stderr []byte
}

// ReturnResult replies to run_one_command. Text that is not UTF-8 goes through
// surrogateescape (PEP 383). It takes little memory beyond that of r.
func (c *Conn) ReturnResult(r Result) error {
	head := `["#RETURN", [` + strconv.Itoa(r.Status) + `, "`
	const between, tail = `", "`, `"]]`
	length := len(head) + escapedLength(r.Stdout) + len(between) + escapedLength(r.Stderr) + len(tail)
	return c.write(length, func(yield func([]byte) error) error {
		if err := yield([]byte(head)); err != nil {
			return err
		}
		if err := escape(r.Stdout, yield); err != nil {
			return err
		}
		if err := yield([]byte(between)); err != nil {
			return err
		}
		if err := escape(r.Stderr, yield); err != nil {
			return err
		}
		return yield([]byte(tail))
	})
}

func escapedLength(text []byte) int {
	n := 0
	_ = escape(text, func(piece []byte) error { // it only counts
		n += len(piece)
		return nil
	})
	return n
}

// escape yields the inside of the JSON string for text, piece by piece.
func escape(text []byte, yield func([]byte) error) error {
	for len(text) > 0 {
		n := cut(text)
		piece, err := filters.Untrusted(text[:n]).MarshalJSON()
		if err != nil {
			return err
		}
		if err := yield(piece[1 : len(piece)-1]); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// cut returns how much of text to take at a time: not so that a character of
// several bytes would be cut in two.
func cut(text []byte) int {
	const size = 16 << 10
	if len(text) <= size {
		return len(text)
	}
	for n := size; n > size-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return size // no character has so many bytes
}

func quote(s string) string {
	b, _ := filters.Untrusted(s).MarshalJSON() // it has no error
	return string(b)
}

func list(words []string) string {
	s := "["
	for i, w := range words {
		if i > 0 {
			s += ", "
		}
		s += quote(w)
	}
	return s + "]"
}
