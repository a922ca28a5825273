package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"ironwrap/filters"
)

// Call is one request: [ident, method, args, kwargs]. Of an object's method Ident
// names the object; else it means nothing.
type Call struct {
	Ident  string
	Method string
	args   []json.RawMessage // parts of the message, not copies
}

// maxValues is how many values a request may hold: each takes many times the memory
// of the two bytes that it may be long. execve(2) takes fewer words with the limit
// that a command has for its stack.
const maxValues = 1 << 18

// values tells how many values a JSON text holds, at the most.
func values(message []byte) int {
	n := 1
	for i := 0; i < len(message); i++ {
		switch message[i] {
		case '"':
			i = stringEnd(message, i)
		case ',', '[', '{':
			n++
		}
	}
	return n
}

// stringEnd returns where the string ends that begins at i: the index of its closing
// quote, or len(raw) without one. It leaps from quote to quote: strings are long.
func stringEnd(raw []byte, i int) int {
	for at := i + 1; ; at++ {
		leap := bytes.IndexByte(raw[at:], '"')
		if leap < 0 {
			return len(raw)
		}
		at += leap
		before := at
		for raw[before-1] == '\\' {
			before--
		}
		if (at-before)%2 == 0 {
			return at
		}
	}
}

// Parse reads a request. Keyword arguments, which no client sends, are refused.
func Parse(message []byte) (Call, error) {
	// Python's decoder refuses this too; encoding/json would put U+FFFD there.
	if !utf8.Valid(message) {
		return Call{}, errors.New("the request is not UTF-8")
	}
	if values(message) > maxValues {
		return Call{}, fmt.Errorf("the request has more than %d values", maxValues)
	}
	message = blank(message)
	if !json.Valid(message) || message[0] != '[' {
		return Call{}, errors.New("the request is no JSON array")
	}
	parts := elements(message)
	if len(parts) != 4 {
		return Call{}, fmt.Errorf("the request has %d parts, not 4", len(parts))
	}
	var c Call
	if string(parts[0]) != "null" {
		ident, err := text(parts[0])
		if err != nil {
			return Call{}, fmt.Errorf("the object's id %w", err)
		}
		c.Ident = string(ident)
	}
	method, err := text(parts[1])
	if err != nil {
		return Call{}, fmt.Errorf("the method's name %w", err)
	}
	c.Method = string(method)
	if parts[2][0] != '[' {
		return Call{}, fmt.Errorf("the arguments are %s, not an array", kind(parts[2]))
	}
	c.args = elements(parts[2])
	if parts[3][0] != '{' || len(elements(parts[3])) > 0 {
		return Call{}, errors.New("keyword arguments are not taken")
	}
	return c, nil
}

// Command reads the arguments of run_one_command: the words, and what goes to
// standard input, nil for nothing. Words are bytes as the client means them:
// strings go through surrogateescape (PEP 383), as Python's os.fsencode does. What
// is no string is an error; a word with a NUL byte is, too, since execve(2) would
// cut it.
func (c Call) Command() (argv []filters.Untrusted, stdin []byte, err error) {
	if len(c.args) < 1 || len(c.args) > 2 {
		return nil, nil, fmt.Errorf("run_one_command takes a command and its input, not %d arguments", len(c.args))
	}
	if c.args[0][0] != '[' {
		return nil, nil, fmt.Errorf("the command is %s, not an array", kind(c.args[0]))
	}
	words := elements(c.args[0])
	if len(words) == 0 {
		return nil, nil, errors.New("the command is empty")
	}
	for i, w := range words {
		b, err := bytesOf(w)
		if err != nil {
			return nil, nil, fmt.Errorf("word %d of the command %w", i, err)
		}
		for _, c := range b {
			if c == 0 {
				return nil, nil, fmt.Errorf("word %d of the command holds a NUL byte", i)
			}
		}
		argv = append(argv, filters.Untrusted(b))
	}
	if len(c.args) == 2 && string(c.args[1]) != "null" {
		if stdin, err = bytesOf(c.args[1]); err != nil {
			return nil, nil, fmt.Errorf("the input of the command %w", err)
		}
	}
	return argv, stdin, nil
}

// Strings reads arguments that are all strings.
func (c Call) Strings() ([]string, error) {
	var list []string
	for i, a := range c.args {
		b, err := text(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d %w", i, err)
		}
		list = append(list, string(b))
	}
	return list, nil
}

// bytesOf reads a string, or {"__bytes__": "base64"}.
func bytesOf(raw json.RawMessage) ([]byte, error) {
	if raw[0] != '{' {
		return text(raw)
	}
	// Of a key that is there more than once the last counts, as in Python.
	var encoded json.RawMessage
	for _, member := range elements(raw) {
		end := stringEnd(member, 0)
		if name, err := text(member[:end+1]); err != nil || string(name) != "__bytes__" {
			return nil, errors.New("is an object, not a string")
		}
		encoded = blank(blank(member[end+1:])[1:]) // behind the colon
	}
	if encoded == nil {
		return nil, errors.New("is an object, not a string")
	}
	b, err := text(encoded)
	if err != nil {
		return nil, fmt.Errorf("has __bytes__ that %w", err)
	}
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Strict().Decode(decoded, b)
	if err != nil {
		return nil, errors.New("has __bytes__ that are no base64")
	}
	return decoded[:n], nil
}

// elements splits a JSON array or object, which is known to be valid, at its commas.
// encoding/json would copy each part, and a message may have many megabytes.
func elements(raw json.RawMessage) (list []json.RawMessage) {
	inside := blank(raw[1 : len(raw)-1])
	if len(inside) == 0 {
		return nil
	}
	start, depth := 0, 0
	for i := 0; i < len(inside); i++ {
		switch c := inside[i]; {
		case c == '"':
			i = stringEnd(inside, i)
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 0:
			list = append(list, blank(inside[start:i]))
			start = i + 1
		}
	}
	return append(list, blank(inside[start:]))
}

// blank cuts JSON's white space from both ends.
func blank(raw []byte) []byte { return bytes.Trim(raw, " \t\r\n") }

// text reads a JSON string, of which encoding/json has seen that it is one, into
// the bytes that Python's os.fsencode makes of it. They may be part of raw.
func text(raw json.RawMessage) ([]byte, error) {
	if raw[0] != '"' {
		return nil, fmt.Errorf("is %s, not a string", kind(raw))
	}
	in := raw[1 : len(raw)-1]
	if bytes.IndexByte(in, '\\') < 0 {
		return in, nil
	}
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); {
		if in[i] != '\\' {
			out = append(out, in[i])
			i++
			continue
		}
		if in[i+1] != 'u' {
			out = append(out, escapes[in[i+1]])
			i += 2
			continue
		}
		r := unit(in[i:])
		i += 6
		if utf16.IsSurrogate(r) && i+6 <= len(in) && in[i] == '\\' && in[i+1] == 'u' {
			if pair := utf16.DecodeRune(r, unit(in[i:])); pair != utf8.RuneError {
				r = pair
				i += 6
			}
		}
		switch {
		case r >= 0xdc80 && r <= 0xdcff: // a byte that is not UTF-8
			out = append(out, byte(r))
		case utf16.IsSurrogate(r):
			return nil, fmt.Errorf("holds U+%04X, which stands for nothing", r)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return out, nil
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unit reads a backslash, u and four hexadecimal digits.
func unit(in []byte) rune {
	n, _ := strconv.ParseUint(string(in[2:6]), 16, 16)
	return rune(n)
}

// kind names what a JSON value is.
func kind(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '[':
		return "an array"
	case '{':
		return "an object"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
