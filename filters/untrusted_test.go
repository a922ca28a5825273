package filters

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

func TestUntrustedString(t *testing.T) {
	for _, c := range []struct{ raw, text, quoted, json string }{
		{"", "", `""`, `""`},
		{"plain", "plain", "plain", `"plain"`},
		{"a b", "a b", `"a b"`, `"a b"`},
		{"/etc/x-1_2.d:3", "/etc/x-1_2.d:3", "/etc/x-1_2.d:3", `"/etc/x-1_2.d:3"`},
		{`a\b`, `a\\b`, `"a\\b"`, `"a\\b"`},
		{`\n`, `\\n`, `"\\n"`, `"\\n"`},
		{"a\nb", `a\nb`, `"a\nb"`, `"a\u000ab"`},
		{"\r\t\a\b\v\f", `\r\t\a\b\v\f`, `"\r\t\a\b\v\f"`, `"\u000d\u0009\u0007\u0008\u000b\u000c"`},
		{"\x1b[31mred", `\x1b[31mred`, `"\x1b[31mred"`, `"\u001b[31mred"`},
		{"\x7f", `\x7f`, `"\x7f"`, `"\u007f"`},
		{"\u009b2J", `\u009b2J`, `"\u009b2J"`, `"\u009b2J"`}, // CSI in one character
		{"é日", "é日", `"é日"`, `"é日"`},
		{"\U0001f600", "\U0001f600", `"` + "\U0001f600" + `"`, `"` + "\U0001f600" + `"`},
		{"\U000e0041", `\U000e0041`, `"\U000e0041"`, `"\udb40\udc41"`},                               // a tag character, invisible
		{"a\u202eb", `a\u202eb`, `"a\u202eb"`, `"a\u202eb"`},                                         // right-to-left override
		{"\u2028\u2029\u0085", `\u2028\u2029\u0085`, `"\u2028\u2029\u0085"`, `"\u2028\u2029\u0085"`}, // line ends to some
		{"\ufeff\u00a0\u200b", `\ufeff\u00a0\u200b`, `"\ufeff\u00a0\u200b"`, `"\ufeff\u00a0\u200b"`},
		{"\xff\x80", `\xff\x80`, `"\xff\x80"`, `"\udcff\udc80"`},
		{"\xc3", `\xc3`, `"\xc3"`, `"\udcc3"`},
		{"\xed\xb3\xbf", `\xed\xb3\xbf`, `"\xed\xb3\xbf"`, `"\udced\udcb3\udcbf"`}, // a surrogate is not UTF-8
		{"\xf4\x90\x80\x80", `\xf4\x90\x80\x80`, `"\xf4\x90\x80\x80"`, `"\udcf4\udc90\udc80\udc80"`},
		{"\ufffd", "\ufffd", `"` + "\ufffd" + `"`, `"` + "\ufffd" + `"`}, // the replacement character itself
		{`"'`, `"'`, `"\"'"`, `"\"'"`},
		{"$(id);`id`|&<>*", "$(id);`id`|&<>*", "\"$(id);`id`|&<>*\"", "\"$(id);`id`|&<>*\""},
	} {
		u := Untrusted(c.raw)
		if u.Raw() != c.raw {
			t.Errorf("%q: Raw gives %q", c.raw, u.Raw())
		}
		if u.String() != c.text {
			t.Errorf("%q: String gives %q, not %q", c.raw, u.String(), c.text)
		}
		if u.Quote() != c.quoted {
			t.Errorf("%q: Quote gives %q, not %q", c.raw, u.Quote(), c.quoted)
		}
		if b, err := json.Marshal(u); err != nil || unescapeHTML(string(b)) != c.json {
			t.Errorf("%q: MarshalJSON gives %s, %v, not %s", c.raw, b, err, c.json)
		}
		for _, verb := range []string{"%s", "%v", "%q", "%10s", "%+v"} {
			if s := fmt.Sprintf(verb, u); strings.ContainsFunc(s, hazardous) {
				t.Errorf("%q: %s gives %q", c.raw, verb, s)
			}
		}
	}
	if got := Line(argv("a<n> b  c")); got != `"a\n" b "" c` {
		t.Errorf("Line gives %q", got)
	}
	for words, want := range map[string]string{
		"passwd root ruid=33 cwd=/var/www #":  `passwd root "ruid=33" "cwd=/var/www" "#"`,
		"/usr/bin/qemu-img a.b_c-d:e@f%g+h,i": "/usr/bin/qemu-img a.b_c-d:e@f%g+h,i",
		"a (no<filter> \"b":                   `a "(no<filter>" "\"b"`,
	} {
		if got := Line(Words(strings.Split(words, " "))); got != want {
			t.Errorf("Line gives %s, not %s", got, want)
		}
	}
	// What is long is cut, and says so in words that none of the caller's can be.
	for _, long := range [][]string{{strings.Repeat("a", 200000), "b"}, {"a", strings.Repeat("\x01", 5000)}, strings.Split(strings.Repeat("word ", 5000), " "), {"x", strings.Repeat("\U0010ffff", 3000)}} {
		got, size := Line(Words(long)), len(strings.Join(long, " "))+1
		if want := fmt.Sprintf("... (cut: %d words, %d bytes)", len(long), size); len(got) > 2200 || !strings.HasSuffix(got, want) || strings.ContainsFunc(got, hazardous) {
			t.Errorf("%d bytes: %.100s...%s, not %s", len(got), got, got[max(0, len(got)-100):], want)
		}
	}
	for word, want := range map[string]string{"abcdefghijklmnopqrst": `abcdefghijklmnopqrst`, "abcdefghijklmnopqrstu": `"abcdefghijklmno"...`, strings.Repeat("\x01", 6): `"\x01\x01\x01"...`} {
		if got := Untrusted(word).Short(20); got != want || len(got) > 20 {
			t.Errorf("%q: Short gives %s, not %s", word, got, want)
		}
	}
	if got := QuoteLine(argv("a<n> b  c")); got != `"a\n" b "" c` {
		t.Errorf("QuoteLine gives %q", got)
	}
	if got := Prose("a \\ of our own\nand \xff"); got != `a \ of our own\nand \xff` {
		t.Errorf("Prose gives %q", got)
	}
}

// unescapeHTML undoes what encoding/json does to the output of a MarshalJSON.
func unescapeHTML(s string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(s)
}

// hazardous tells the characters that a terminal, a log reader or an eye may be
// deceived by: all that do not print.
func hazardous(r rune) bool { return !unicode.IsPrint(r) }

// decodeJSON reads a JSON string as Python does: U+DC80 to U+DCFF become bytes.
func decodeJSON(b []byte) (string, error) {
	s := string(b)
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", errors.New("not a string")
	}
	s = s[1 : len(s)-1]
	var out []byte
	var high rune
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1 || r < ' ' || r == '"':
			return "", fmt.Errorf("byte %q at %d", s[i], i)
		case r == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == '"'):
			r, n = rune(s[i+1]), 2
		case r == '\\':
			if i+6 > len(s) || s[i+1] != 'u' {
				return "", fmt.Errorf("escape at %d", i)
			}
			v, err := strconv.ParseUint(s[i+2:i+6], 16, 16)
			if err != nil {
				return "", err
			}
			r, n = rune(v), 6
		}
		i += n
		switch {
		case high != 0:
			if r = utf16.DecodeRune(high, r); r == utf8.RuneError {
				return "", errors.New("half a pair")
			}
			high = 0
		case r >= 0xd800 && r < 0xdc00:
			high = r
			continue
		case r >= 0xdc80 && r < 0xdd00:
			out = append(out, byte(r-0xdc00))
			continue
		case utf16.IsSurrogate(r):
			return "", errors.New("a surrogate that stands for no byte")
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out), nil
}

func checkUntrusted(t *testing.T, raw string) {
	t.Helper()
	u := Untrusted(raw)
	for _, s := range []string{u.String(), u.Quote(), Line([]Untrusted{u, u}), QuoteLine([]Untrusted{u, u}), Prose(raw)} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, hazardous) {
			t.Errorf("%q: printed as %q", raw, s)
		}
	}
	// What is printed can be read back, so that no two words look alike.
	text := `"` + strings.ReplaceAll(u.String(), `"`, `\"`) + `"`
	if back, err := strconv.Unquote(text); err != nil || back != raw {
		t.Errorf("%q: String gives %q, which reads as %q, %v", raw, u.String(), back, err)
	}
	if q := u.Quote(); q[0] == '"' {
		if back, err := strconv.Unquote(q); err != nil || back != raw {
			t.Errorf("%q: Quote gives %q, which reads as %q, %v", raw, q, back, err)
		}
	} else if q != raw {
		t.Errorf("%q: Quote gives %q", raw, q)
	}
	if words := strings.Fields(u.Quote()); !strings.Contains(raw, " ") && len(words) != 1 {
		t.Errorf("%q: Quote gives %d words, %q", raw, len(words), words)
	}
	b, err := u.MarshalJSON()
	if err != nil {
		t.Fatalf("%q: MarshalJSON: %v", raw, err)
	}
	if !json.Valid(b) || strings.ContainsFunc(string(b), func(r rune) bool { return hazardous(r) && r < 0x10000 }) {
		t.Errorf("%q: MarshalJSON gives %q", raw, b)
	}
	if back, err := decodeJSON(b); err != nil || back != raw {
		t.Errorf("%q: MarshalJSON gives %s, which reads as %q, %v", raw, b, back, err)
	}
}

func FuzzUntrusted(f *testing.F) {
	for _, s := range []string{"", "plain", "a\nb", "\x1b[2J", "\xff\xfe", `\udcff`, "\u202e", "\U0001f600", "\xed\xa0\x80\xed\xb0\x80", "\"\\", "é\xc3", "\u2028<&>"} {
		f.Add(s)
	}
	f.Fuzz(checkUntrusted)
}

// TestUntrustedRunes covers the code points of the living scripts, some of all
// others, and each byte by itself and within a sequence.
func TestUntrustedRunes(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune && !t.Failed(); r++ {
		if r > 0x3000 {
			r += 40
		}
		if utf8.ValidRune(r) {
			checkUntrusted(t, "a"+string(r))
		}
	}
	for b := range 256 {
		checkUntrusted(t, string([]byte{byte(b)}))
		checkUntrusted(t, string([]byte{0xe2, byte(b), 'x'}))
	}
}

// TestUntrustedPython asks Python whether it reads the JSON as the bytes that
// argv had (os.fsencode, PEP 383).
func TestUntrustedPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3: the JSON of Untrusted was only read by this test itself")
	}
	var raws []string
	for b := range 256 {
		raws = append(raws, string([]byte{byte(b)}), string([]byte{'x', byte(b), 'y'}), string([]byte{0xed, byte(b), 0xbf}), string([]byte{0xf0, 0x9f, byte(b), 0x80}))
	}
	for r := rune(0x80); r < 0x11000; r += 7 {
		raws = append(raws, string(r))
	}
	raws = append(raws, "\xed\xa0\xbd\xed\xb8\x80", `\udcff`, "\U0001f600\U000e0041\U0010ffff", "\u2028\u2029\x7f\x00")
	c := exec.Command(python, "-c", `
import json, os, sys
for line in sys.stdin.buffer:
    print(json.loads(line).encode("utf-8", "surrogateescape").hex())
`)
	var in strings.Builder
	for _, raw := range raws {
		b, err := Untrusted(raw).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	c.Stdin = strings.NewReader(in.String())
	out, err := c.Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	for _, raw := range raws {
		if !lines.Scan() {
			t.Fatal("python3 answers too little")
		}
		if want := fmt.Sprintf("%x", raw); lines.Text() != want {
			t.Errorf("%q: Python reads %s, not %s", raw, lines.Text(), want)
		}
	}
}

// FuzzUnquoteLine: what QuoteLine writes UnquoteLine reads, and it takes nothing for a
// word that QuoteLine would not write as the same.
func FuzzUnquoteLine(f *testing.F) {
	for _, s := range []string{`id "a b" "\xff"`, `"a"b`, `'a'`, `a\b`, `"`, `"\x00"`, "a  b ", "`id`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, line := range []string{line, QuoteLine(Words(strings.Split(strings.ReplaceAll(line, "\x00", ""), " ")))} {
			words, err := UnquoteLine(line)
			if err != nil {
				if strings.ContainsAny(err.Error(), "\n\x1b") {
					t.Errorf("the message has more than a line: %q", err)
				}
				continue
			}
			again, err := UnquoteLine(QuoteLine(words))
			if err != nil || !slices.Equal(again, words) {
				t.Errorf("%q became %q, %v", words, again, err)
			}
		}
	})
}
