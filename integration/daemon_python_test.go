package integration

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// pyString is the JSON string that Python makes of bytes: surrogateescape, and
// nothing but ASCII.
func pyString(b string) string {
	var out strings.Builder
	for len(b) > 0 {
		r, size := utf8.DecodeRuneInString(b)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\udc%02x`, b[0])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		case r < ' ' || r > '~' || r == '"' || r == '\\':
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
		b = b[size:]
	}
	return `"` + out.String() + `"`
}

// pyBytes is the reverse of pyString.
func (c *rpc) pyBytes(raw json.RawMessage) string {
	c.Helper()
	var units []uint16 // UTF-16, in which every escape is one
	for i := 1; i < len(raw)-1; i++ {
		if raw[i] != '\\' {
			r, size := utf8.DecodeRune(raw[i:])
			units = utf16.AppendRune(units, r)
			i += size - 1
			continue
		}
		if i++; raw[i] != 'u' {
			units = append(units, uint16(map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f', '"': '"', '\\': '\\', '/': '/'}[raw[i]]))
			continue
		}
		n, err := strconv.ParseUint(string(raw[i+1:i+5]), 16, 16)
		if err != nil {
			c.Fatalf("%.20q: %v", raw[i:], err)
		}
		units = append(units, uint16(n))
		i += 4
	}
	var out []byte
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if i+1 < len(units) && utf16.IsSurrogate(r) && utf16.DecodeRune(r, rune(units[i+1])) != utf8.RuneError {
			r = utf16.DecodeRune(r, rune(units[i+1]))
			i++
		}
		switch {
		case r >= 0xdc80 && r <= 0xdcff:
			out = append(out, byte(r))
		case utf16.IsSurrogate(r):
			c.Fatalf("U+%04X stands for nothing", r)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return string(out)
}
