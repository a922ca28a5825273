package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// node is a JSON value that knows its line. encoding/json alone would take a key
// in any case of letters, the last of two equal keys, and U+FFFD for bytes that
// are no UTF-8, and has no line for a key it does not know; of a list of what is
// forbidden none of this will do.
type node struct {
	line  int
	value any // nil, bool, string, json.Number, []node, []member
}

type member struct {
	key string
	node
}

// maxDepth is far more than a profile has.
const maxDepth = 16

func read(data []byte) (node, error) {
	if !utf8.Valid(data) {
		return node{}, errors.New("it is not UTF-8")
	}
	lineAt := func(offset int64) int { return 1 + bytes.Count(data[:offset], []byte{'\n'}) }

	// The tokens below are the decoder's, which is less strict about what stands
	// between them.
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		var s *json.SyntaxError
		if errors.As(err, &s) {
			return node{}, fmt.Errorf("line %d: %w", lineAt(s.Offset), err)
		}
		return node{}, err
	}
	r := reader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	r.dec.UseNumber()
	return r.next(0)
}

type reader struct {
	dec  *json.Decoder
	data []byte
	at   int64 // how far line is counted
	line int
}

// token reads one, and moves the line to it.
func (r *reader) token() (json.Token, error) {
	t, err := r.dec.Token()
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", r.line, err)
	}
	end := r.dec.InputOffset()
	r.line += bytes.Count(r.data[r.at:end], []byte{'\n'})
	r.at = end
	return t, nil
}

func (r *reader) next(depth int) (node, error) {
	t, err := r.token()
	if err != nil {
		return node{}, err
	}
	n := node{r.line, t}
	if depth > maxDepth {
		return n, n.errorf("it is nested too deep")
	}
	switch t {
	case json.Delim('['):
		list := []node{}
		for r.dec.More() {
			e, err := r.next(depth + 1)
			if err != nil {
				return n, err
			}
			list = append(list, e)
		}
		n.value = list
	case json.Delim('{'):
		object := []member{}
		seen := map[string]bool{}
		for r.dec.More() {
			k, err := r.token()
			if err != nil {
				return n, err
			}
			key := k.(string) // json.Unmarshal was content
			if seen[key] {
				return n, fmt.Errorf("line %d: %q is there twice", r.line, key)
			}
			seen[key] = true
			e, err := r.next(depth + 1)
			if err != nil {
				return n, err
			}
			object = append(object, member{key, e})
		}
		n.value = object
	default:
		return n, nil
	}
	_, err = r.token() // the closing bracket
	return n, err
}

func (n node) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %w", n.line, fmt.Errorf(format, args...))
}

// object calls for each member the function of its key; a key without one is an
// error. null is an object without members.
func (n node) object(keys map[string]func(node) error) error {
	if n.value == nil {
		return nil
	}
	members, ok := n.value.([]member)
	if !ok {
		return n.errorf("here must be an object {...}")
	}
	for _, m := range members {
		set, ok := keys[m.key]
		if !ok {
			return m.errorf("key %q is unknown here", m.key)
		}
		if err := set(m.node); err != nil {
			return err
		}
	}
	return nil
}

// list calls f for each element. null is an empty list.
func (n node) list(f func(node) error) error {
	if n.value == nil {
		return nil
	}
	elements, ok := n.value.([]node)
	if !ok {
		return n.errorf("here must be a list [...]")
	}
	for _, e := range elements {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// text stores a string.
func text[T ~string](into *T) func(node) error {
	return func(n node) error {
		s, ok := n.value.(string)
		if !ok {
			return n.errorf("here must be a string")
		}
		*into = T(s)
		return nil
	}
}

// texts appends the strings of a list.
func texts[T ~string](into *[]T) func(node) error {
	return func(n node) error {
		return n.list(func(e node) error {
			var s T
			if err := text(&s)(e); err != nil {
				return err
			}
			*into = append(*into, s)
			return nil
		})
	}
}

// known appends the strings of a list, of which each must be one of words.
func known[T ~string](into *[]T, words []T) func(node) error {
	return func(n node) error {
		return n.list(func(e node) error {
			var s T
			if err := text(&s)(e); err != nil {
				return err
			}
			if !slices.Contains(words, s) {
				return e.errorf("%q is unknown here", string(s))
			}
			*into = append(*into, s)
			return nil
		})
	}
}

// comment is read and forgotten.
func comment(n node) error {
	var s string
	return text(&s)(n)
}

// number stores an integer from 0 to max, in decimal digits.
func number[T ~uint | ~uint64](into *T, max uint64) func(node) error {
	return func(n node) error {
		s, ok := n.value.(json.Number)
		if !ok {
			return n.errorf("here must be a number")
		}
		v, err := strconv.ParseUint(string(s), 10, 64)
		if err != nil || v > max {
			return n.errorf("%s is not a whole number from 0 to %d", s, max)
		}
		*into = T(v)
		return nil
	}
}
