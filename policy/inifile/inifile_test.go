package inifile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"ironwrap/policy/document"
)

// show writes a file down in one line: name@line{key@line="value" ...}.
func show(f *document.Document) string {
	var b strings.Builder
	entries := func(head string, list []document.Entry) {
		b.WriteString(head + "{")
		for i, e := range list {
			if i > 0 {
				b.WriteString(" ")
			}
			fmt.Fprintf(&b, "%s@%d=%q", e.Key, e.Line, e.Value)
		}
		b.WriteString("}")
	}
	if d := f.Defaults; len(d) > 0 {
		entries("DEFAULT", d)
	}
	for _, s := range f.Sections {
		entries(fmt.Sprintf("%s@%d", s.Name, s.Line), f.Own(s.Name))
	}
	return b.String()
}

// documents are the traps in which Python's dialect and others part. What is
// wanted is CPython's answer, which TestDocumentsAgainstPython confirms, or
// "refused LINE: part of the message".
var documents = []struct {
	name, doc    string
	want         string // lenient
	wantInStrict string // where that differs
}{
	{name: "empty", doc: "", want: ""},
	{name: "comments only", doc: "# a\n  ; b\n\n", want: ""},
	{name: "section only", doc: "[Filters]\n", want: `Filters@1{}`},
	{name: "plain", doc: "[Filters]\nls: CommandFilter, ls, root\n", want: `Filters@1{ls@2="CommandFilter, ls, root"}`},
	{name: "no final newline", doc: "[F]\na: b", want: `F@1{a@2="b"}`},
	{name: "last value ends at blank lines", doc: "[F]\na: b\n\n  \n", want: `F@1{a@2="b"}`},

	// Delimiters and blanks.
	{name: "equals", doc: "[F]\na = b\n", want: `F@1{a@2="b"}`},
	{name: "no blanks", doc: "[F]\ndsmc:CommandFilter,/usr/bin/dsmc,root\n", want: `F@1{dsmc@2="CommandFilter,/usr/bin/dsmc,root"}`},
	{name: "first delimiter counts", doc: "[F]\na=b: c\nd: e=f\ng := h\ni: : j\n", want: `F@1{a@2="b: c" d@3="e=f" g@4="= h" i@5=": j"}`},
	{name: "blanks before delimiter", doc: "[F]\na \t : \t b\t\n", want: `F@1{a@2="b"}`},
	{name: "blank in key", doc: "[F]\nmy  key: b\n", want: `F@1{my  key@2="b"}`},
	{name: "empty value", doc: "[F]\na:\nb =  \nc: d\n", want: `F@1{a@2="" b@3="" c@4="d"}`},
	{name: "no delimiter", doc: "[F]\na: b\njust a key\n", want: `refused 3: no "=" or ":" after "just a key"`},
	{name: "no key", doc: "[F]\n : b\n", want: `refused 2: no key before ": b"`},
	{name: "no key, equals", doc: "[F]\n=b\n", want: `refused 2: no key before "=b"`},
	{name: "unicode blanks at the edges", doc: "[F]\n\u00a0a\u2003:\u3000b\u2028\n", want: `F@1{a@2="b"}`},
	{name: "zero width space is no blank", doc: "[F]\na\u200b: b\n", want: "F@1{a\u200b@2=\"b\"}"},

	// Case.
	{name: "upper-case key", doc: "[F]\nFooBar: B\n", want: `F@1{foobar@2="B"}`},
	{name: "lower case beyond ascii", doc: "[F]\né: /bin/É\n", want: `F@1{é@2="/bin/É"}`},
	{name: "upper case beyond ascii", doc: "[F]\na: b\nÉ: c\n", want: `refused 3: key "\u00c9" has a letter beyond ascii in upper case`},
	{name: "dotted capital i", doc: "[F]\nİ: c\n", want: `refused 2: key "\u`},
	{name: "final sigma", doc: "[F]\nΑΣ: c\n", want: `refused 2: key "\u`},
	{name: "kelvin sign", doc: "[F]\n\u212a: c\n", want: `refused 2: key "\u`},
	{name: "title case", doc: "[F]\nǅ: c\n", want: `refused 2: key "\u`},

	// Comments.
	{name: "no inline comments", doc: "[F]\na: b # c\nd: e ; f\ng: h#i;j\nk: \\# \\;\n", want: `F@1{a@2="b # c" d@3="e ; f" g@4="h#i;j" k@5="\\# \\;"}`},
	{name: "regular expression with semicolon", doc: "[F]\na: RegExpFilter, sh, root, sh, -c, .*;rm # x\n", want: `F@1{a@2="RegExpFilter, sh, root, sh, -c, .*;rm # x"}`},
	{name: "hash in key", doc: "[F]\na#b: c\n", want: `F@1{a#b@2="c"}`},
	{name: "commented keys", doc: "[F]\n#a: b\n;c: d\ne: f\n", want: `F@1{e@4="f"}`},
	{name: "indented comment after value", doc: "[F]\na: b\n   # c\nd: e\n", want: `F@1{a@2="b" d@4="e"}`},
	{name: "comments within value", doc: "[F]\na: b,\n  # c\n; d\n  e\nf: g\n", want: `F@1{a@2="b,\ne" f@6="g"}`},
	{name: "comment does not set indentation", doc: "[F]\n      # c\n  a: b\n    c\n", want: `F@1{a@3="b\nc"}`},
	{name: "rem is a key", doc: "[F]\nrem a: b\nrem: c\n", want: `F@1{rem a@2="b" rem@3="c"}`},

	// Continuation lines.
	{name: "continued", doc: "[F]\na: b,\n c,\n\td\ne: f\n", want: `F@1{a@2="b,\nc,\nd" e@5="f"}`},
	{name: "continued after nothing", doc: "[F]\na:\n  b\n", want: `F@1{a@2="\nb"}`},
	{name: "blank line within value", doc: "[F]\na: b\n\n  \t\n c\nd: e\n", want: `F@1{a@2="b\n\n\nc" d@6="e"}`},
	{name: "blank line after nothing", doc: "[F]\na:\n\n\n b\n", want: `F@1{a@2="\n\n\nb"}`},
	{name: "a key that is not one", doc: "[F]\na: b\n c: d\ne: f\n", want: `F@1{a@2="b\nc: d" e@4="f"}`},
	{name: "a section that is not one", doc: "[F]\na: b\n [G]\nc: d\n", want: `F@1{a@2="b\n[G]" c@4="d"}`},
	{name: "indented keys", doc: "[F]\n  a: b\n  c: d\n", want: `F@1{a@2="b" c@3="d"}`},
	{name: "indented keys, deeper second", doc: "[F]\n a: b\n   c: d\n", want: `F@1{a@2="b\nc: d"}`},
	{name: "dedent ends a value", doc: "[F]\n  a: b\n    c\n d: e\nf: g\n", want: `F@1{a@2="b\nc" d@4="e" f@5="g"}`},
	{name: "continuation after dedented key", doc: "[F]\n    a: b\n  c: d\n   e\n", want: `F@1{a@2="b" c@3="d\ne"}`},
	{name: "depth of value is that of the key", doc: "[F]\na: b\n     c\n d\n", want: `F@1{a@2="b\nc\nd"}`},
	{name: "tab is one column", doc: "[F]\n\ta: b\n  c\n", want: `F@1{a@2="b\nc"}`},
	{name: "unicode indentation counts characters", doc: "[F]\na: b\n\u00a0c\n\u2003d\n  e: f\n\u2003g: h\n", want: `F@1{a@2="b\nc\nd\ne: f\ng: h"}`},
	{name: "one wide blank is not deeper than one narrow", doc: "[F]\n a: b\n\u2003c: d\n", want: `F@1{a@2="b" c@3="d"}`},
	{name: "form feed indents", doc: "[F]\na: b\n\fc: d\n", want: `F@1{a@2="b\nc: d"}`},
	{name: "separator indents", doc: "[F]\na: b\n\x1cc: d\n", want: `F@1{a@2="b\nc: d"}`},
	{name: "indented after section", doc: "[F]\n  a: b\n", want: `F@1{a@2="b"}`},
	{name: "section ends continuation", doc: "[F]\na: b\n[G]\n c: d\n", want: `F@1{a@2="b"}G@3{c@4="d"}`},
	{name: "list item", doc: "[F]\na: b\n - c\n", want: `F@1{a@2="b\n- c"}`},
	{name: "backslash at the end", doc: "[F]\na: b, \\\nc: d\\\\\n", want: `F@1{a@2="b, \\" c@3="d\\\\"}`},
	{name: "backslash before continuation", doc: "[F]\na: b\\\n c\n", want: `F@1{a@2="b\\\nc"}`},
	{name: "lines ini.v1 might take for something", doc: "[F]\na: b\n \"\"\"c\n `d\n [e\n =f\n -\n", want: `F@1{a@2="b\n\"\"\"c\n` + "`" + `d\n[e\n=f\n-"}`},

	// Quotes and other meanings that are none.
	{name: "double quotes", doc: "[F]\na: \"b\"\nc: \"d\ne: \"\"\n", want: `F@1{a@2="\"b\"" c@3="\"d" e@4="\"\""}`},
	{name: "single quotes", doc: "[F]\na: 'b'\n", want: `F@1{a@2="'b'"}`},
	{name: "triple quotes", doc: "[F]\na: \"\"\"b\"\"\"\nc: \"\"\"\nd: \"\"\"e\n  f\"\"\"\n", want: `F@1{a@2="\"\"\"b\"\"\"" c@3="\"\"\"" d@4="\"\"\"e\nf\"\"\""}`},
	{name: "backquotes", doc: "[F]\na: `b`\nc: `d\ne: `\n  f\n", want: "F@1{a@2=\"`b`\" c@3=\"`d\" e@4=\"`\\nf\"}"},
	{name: "triple quotes over lines", doc: "[F]\na: \"\"\"b,\nc\"\"\"\n", want: `refused 3: no "=" or ":" after "c\"\"\""`},
	{name: "quoted keys", doc: "[F]\n\"a b\": c\n`d`: e\n\"\"\"f: g\n", want: "F@1{\"a b\"@2=\"c\" `d`@3=\"e\" \"\"\"f@4=\"g\"}"},
	{name: "dash key", doc: "[F]\n-: a\nb: c\n-: d\n", want: `F@1{-@4="d" b@3="c"}`, wantInStrict: `refused 4: key "-" again, it is on line 2 already`},
	{name: "no interpolation", doc: "[F]\na: %(b)s %(a)s %(nope)s %% %\nb: c\n", want: `F@1{a@2="%(b)s %(a)s %(nope)s %% %" b@3="c"}`},
	{name: "no interpolation of ini.v1's names either", doc: "[F]\na: %(3.b)s\nb: c\n", want: `F@1{a@2="%(3.b)s" b@3="c"}`},
	{name: "dollar", doc: "[F]\na: ^x$ ${b} $$\n", want: `F@1{a@2="^x$ ${b} $$"}`},
	{name: "children are strangers", doc: "[F]\na: b\n[F.g]\nc: d\n", want: `F@1{a@2="b"}F.g@3{c@4="d"}`},

	// Sections.
	{name: "no section", doc: "a: b\n", want: `refused 1: "a: b" stands before the first [section]`},
	{name: "key after comment, no section", doc: "# c\n\n a: b\n[F]\n", want: `refused 3: "a: b" stands before the first [section]`},
	{name: "section case and blanks", doc: "[f]\na: b\n[ F ]\nc: d\n[F]\ne: f\n", want: `f@1{a@2="b"} F @3{c@4="d"}F@5{e@6="f"}`},
	{name: "text after section", doc: "[F] ; c\na: b\n[G]x: y\nc: d\n", want: `F@1{a@2="b"}G@3{c@4="d"}`},
	{name: "last bracket counts", doc: "[F]]\na: b\n[G]h]\n[I] # [x]\n", want: `F]@1{a@2="b"}G]h@3{}I] # [x@4{}`},
	{name: "bracket in brackets", doc: "[[F]]\n[]]\n", want: `[F]@1{}]@2{}`},
	{name: "indented section", doc: "  [F]\na: b\n", want: `F@1{a@2="b"}`},
	{name: "empty section name", doc: "[F]\n[]\n", want: `refused 2: "[]" is no section: it needs a name and a closing bracket`},
	{name: "brackets as key", doc: "[F]\n[]: a\n[b: c\n[d]: e\n", want: `F@1{[]@2="a" [b@3="c"}d@4{}`},
	{name: "unclosed section", doc: "[F\na: b\n", want: `refused 1: "[F" is no section`},
	{name: "unclosed second section", doc: "[F]\n[G\n", want: `refused 2: "[G" is no section`},
	{name: "sandbox sections", doc: "[Filters]\na: b\n[Sandbox:a]\nseccomp = x\n[Profile:p]\n", want: `Filters@1{a@2="b"}Sandbox:a@3{seccomp@4="x"}Profile:p@5{}`},
	{name: "defaults", doc: "[DEFAULT]\na: b\n[F]\nc: d\n", want: `DEFAULT{a@2="b"}F@3{c@4="d"}`},
	{name: "defaults again", doc: "[DEFAULT]\na: b\n[F]\nc: d\n[DEFAULT]\ne: f\n", want: `DEFAULT{a@2="b" e@6="f"}F@3{c@4="d"}`},
	{name: "only defaults", doc: "[DEFAULT]\na: b\n", want: `DEFAULT{a@2="b"}`},
	{name: "default in lower case is a section", doc: "[default]\na: b\n", want: `default@1{a@2="b"}`},

	// Repetition.
	{name: "key again", doc: "[F]\na: one\nb: c\na: two\n", want: `F@1{a@4="two" b@3="c"}`, wantInStrict: `refused 4: key "a" again, it is on line 2 already`},
	{name: "key again in other case", doc: "[F]\nA: one\nb: c\na: two\n", want: `F@1{a@4="two" b@3="c"}`, wantInStrict: `refused 4: key "a" again, it is on line 2 already`},
	{name: "section again", doc: "[F]\na: b\n[G]\n[F]\nc: d\na: e\n", want: `F@1{a@6="e" c@5="d"}G@3{}`, wantInStrict: `refused 4: section "F" again, it is on line 1 already`},
	{name: "key again in defaults again", doc: "[DEFAULT]\na: b\n[DEFAULT]\na: c\n", want: `DEFAULT{a@4="c"}`, wantInStrict: `refused 4: key "a" again, it is on line 2 already`},
	{name: "same key elsewhere", doc: "[DEFAULT]\na: b\n[F]\na: c\n[G]\na: d\n", want: `DEFAULT{a@2="b"}F@3{a@4="c"}G@5{a@6="d"}`},
	{name: "continued again", doc: "[F]\na: one\n two\na: three\n", want: `F@1{a@4="three"}`, wantInStrict: `refused 4: key "a" again`},

	// Line ends and bytes.
	{name: "crlf", doc: "[F]\r\na: b,\r\n c\r\n\r\nd: e\r\n", want: `F@1{a@2="b,\nc" d@5="e"}`},
	{name: "cr", doc: "[F]\ra: b\r c\rd: e\r", want: `F@1{a@2="b\nc" d@4="e"}`},
	{name: "all line ends", doc: "[F]\n\ra: b\r\n\r\r\n c\n", want: `F@1{a@3="b\n\n\nc"}`},
	{name: "only these end a line", doc: "[F]\na: b\vc\fd\x1ce\x85f\u0085g\u2028h\u2029i: j\n", want: `refused 2: byte 0x85 is not valid utf-8`},
	{name: "only those end a line", doc: "[F]\na: b\vc\fd\x1ce\u0085g\u2028h\u2029i: j\n", want: `F@1{a@2="b\vc\fd\x1ce\u0085g\u2028h\u2029i: j"}`},
	{name: "byte order mark", doc: "\ufeff[F]\na: b\n", want: `refused 1: byte order mark`},
	{name: "byte order mark before comment", doc: "\ufeff# c\n[F]\na: b\n", want: `refused 1: byte order mark`},
	{name: "byte order mark elsewhere", doc: "[F]\n\ufeffa: b\n", want: "F@1{\ufeffa@2=\"b\"}"},
	{name: "nul", doc: "[F]\r\na: b\x00c\n", want: `refused 2: nul byte`},
	{name: "latin-1", doc: "[F]\n# caf\xe9\na: b\n", want: `refused 2: byte 0xe9 is not valid utf-8`},
	{name: "overlong", doc: "[F]\na: \xc0\xaf\n", want: `refused 2: byte 0xc0 is not valid utf-8`},
	{name: "surrogate", doc: "[F]\na: \xed\xa0\x80\n", want: `refused 2: byte 0xed is not valid utf-8`},
	{name: "utf-16", doc: "\xff\xfe[\x00F\x00]\x00", want: `refused 1: nul byte`},
	{name: "program", doc: "\x7fELF\x02\x01\x01\x00\x00\n\x03\x00>", want: `refused 1: nul byte`},
	{name: "archive", doc: "\x1f\x8b\x08\n\xff", want: `refused 1: byte 0x8b is not valid utf-8`},
	{name: "terminal escapes", doc: "\x1b]0;x\a\x1b[2J", want: `refused 1: "\x1b]0;x\a\x1b[2J" stands before`},
	{name: "separator after key", doc: "[F]\na: b\nc\x1f: d\n", want: `refused 3: python and ini.v1 read this differently, as key "c" with value "d" and as key "c\x1f" with value "d"`},
	{name: "separator before value", doc: "[F]\na:\x1db\n", want: `refused 2: python and ini.v1 read this differently`},
	{name: "separator at the end", doc: "[F]\na: b\x1e\n", want: `F@1{a@2="b"}`},
}

// modes of a document: the answer wanted in each.
func wanted(strict, lenient string) map[document.Mode]string {
	if strict == "" {
		strict = lenient
	}
	return map[document.Mode]string{document.Lenient: lenient, document.Strict: strict}
}

func TestDocuments(t *testing.T) {
	for _, d := range documents {
		for mode, want := range wanted(d.wantInStrict, d.want) {
			file, err := Parse("f", []byte(d.doc), mode)
			if err := wellFormed(file, err, []byte(d.doc)); err != nil {
				t.Errorf("%s: %v", d.name, err)
			}
			if why, refused := strings.CutPrefix(want, "refused "); refused {
				if err == nil {
					t.Errorf("%s, mode %d: accepted as %s", d.name, mode, show(file))
				} else if !strings.HasPrefix(err.Error(), "f:"+why) {
					t.Errorf("%s, mode %d: refused with %q, want %q", d.name, mode, err, "f:"+why)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, mode %d: %v", d.name, mode, err)
			} else if got := show(file); got != want {
				t.Errorf("%s, mode %d:\n got %s\nwant %s", d.name, mode, got, want)
			}
		}
	}
}

// The table above says what CPython does; so it is asked.
func TestDocumentsAgainstPython(t *testing.T) {
	o := needPython(t)
	for _, d := range documents {
		for _, mode := range []document.Mode{document.Lenient, document.Strict} {
			if _, _, err := compare(o, []byte(d.doc), mode); err != nil {
				t.Errorf("%s, mode %d: %v", d.name, mode, err)
			}
		}
	}
}

func TestItems(t *testing.T) {
	file, err := Parse("f", []byte("[F]\nown: 1\nboth: 2\n[DEFAULT]\nfirst: 3\nboth: 4\nlast: 5\n[G]\n"), document.Strict)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		section string
		want    []document.Entry
		ok      bool
	}{
		{"F", []document.Entry{{Key: "first", Value: "3", Line: 5}, {Key: "both", Value: "2", Line: 3}, {Key: "last", Value: "5", Line: 7}, {Key: "own", Value: "1", Line: 2}}, true},
		{"G", []document.Entry{{Key: "first", Value: "3", Line: 5}, {Key: "both", Value: "4", Line: 6}, {Key: "last", Value: "5", Line: 7}}, true},
		{"DEFAULT", []document.Entry{{Key: "first", Value: "3", Line: 5}, {Key: "both", Value: "4", Line: 6}, {Key: "last", Value: "5", Line: 7}}, true},
		{"H", nil, false},
		{"f", nil, false},
	} {
		if got, ok := file.Items(c.section); ok != c.ok || !slices.Equal(got, c.want) {
			t.Errorf("items of %s: %v %v, want %v %v", c.section, got, ok, c.want, c.ok)
		}
	}
	if got := file.Own("H"); got != nil {
		t.Errorf("own keys of a section that is not there: %v", got)
	}

	// The list is the caller's.
	items, _ := file.Items("F")
	items[0].Value = "changed"
	if again, _ := file.Items("F"); again[0].Value != "3" || again[3].Value != "1" {
		t.Errorf("a caller changed the file: %v", again)
	}
}

func TestZero(t *testing.T) {
	var file document.Document
	if _, ok := file.Items("Filters"); ok || len(file.Sections)+len(file.Defaults)+len(file.Own("Filters")) > 0 {
		t.Error("there is something in the zero Document")
	}
	var mode document.Mode
	if _, err := Parse("f", []byte("[F]\na: b\na: c\n"), mode); err == nil {
		t.Error("the zero Mode merges repetitions")
	}
	if _, err := Parse("f", []byte("[F]\na: b\na: c\n"), document.Mode(7)); err == nil {
		t.Error("an unknown Mode merges repetitions")
	}
}

func TestErrorText(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	for _, c := range []struct{ path, doc, want string }{
		{"/etc/nova/rootwrap.conf", "a", `/etc/nova/rootwrap.conf:1: "a" stands before the first [section]`},
		{"a\nb\x1b", "a", `"a\nb\x1b":1: "a" stands before the first [section]`},
		{"\xff", "a", `"\xff":1: "a" stands before the first [section]`},
		{"f", long, `f:1: "` + strings.Repeat(`\u00e9`, 30) + `"... stands before the first [section]`},
	} {
		_, err := Parse(c.path, []byte(c.doc), document.Strict)
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
		var e *Error
		if !errors.As(err, &e) || e.Path != c.path || e.Line != 1 {
			t.Errorf("not to be inspected: %#v", err)
		}
	}
}

func TestLimits(t *testing.T) {
	value := func(lines int) []byte {
		return []byte("[F]\nx: y\na: 1" + strings.Repeat("\n x", lines-1) + "\n\n\n\nb: c\n")
	}
	if _, err := Parse("f", value(maxLines), document.Strict); err != nil {
		t.Errorf("%d lines: %v", maxLines, err)
	}
	_, err := Parse("f", value(maxLines+1), document.Strict)
	if want := `f:3: the value of "a" goes on for more than 256 lines: check the indentation`; err == nil || err.Error() != want {
		t.Errorf("%d lines: %v", maxLines+1, err)
	}
	if _, err := Parse("f", []byte("[F]\na: b\n"+strings.Repeat("\n", 10*maxLines)+"c: d\n"), document.Strict); err != nil {
		t.Errorf("blank lines after a value: %v", err)
	}
	if _, err := Parse("f", []byte("[F]\na: b\n"+strings.Repeat("\n", maxLines)+" d\n"), document.Strict); err == nil {
		t.Error("blank lines within a value are not counted")
	}

	big := []byte(strings.Repeat("#\n", maxSize/2))
	if _, err := Parse("f", big, document.Strict); err != nil {
		t.Errorf("%d bytes: %v", len(big), err)
	}
	_, err = Parse("f", append(big, '\n'), document.Strict)
	if want := `f:1: 16777217 bytes are too many for a configuration file, 16777216 are allowed`; err == nil || err.Error() != want {
		t.Errorf("%d bytes: %v", len(big)+1, err)
	}
}

// The time a document costs goes with its length. The bound is far above what
// these take (under half a second each) and below what ini.v1 takes for the keys
// of one section, left to itself.
func TestTime(t *testing.T) {
	const size = 1 << 20
	var sections, distinct strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&distinct, "key%d: v\n", i)
		fmt.Fprintf(&sections, "[section%d]\n", i)
	}
	for name, doc := range map[string]string{
		"100,000 keys":              "[F]\n" + distinct.String(),
		"one key 100,000 times":     "[F]\n" + strings.Repeat("a: b\n", 100_000),
		"100,000 sections":          sections.String(),
		"one section 100,000 times": strings.Repeat("[F]\n", 100_000),
		"100,000 blank lines":       "[F]\na: b\n" + strings.Repeat("\n", 100_000) + "c: d\n",
		"100,000 lone cr":           "[F]\na: b\n" + strings.Repeat("\r", 100_000) + "c: d\n",
		"100,000 comments":          "[F]\na: b\n" + strings.Repeat(" # c\n", 100_000) + " d\n",
		"100,000 lines of a value":  "[F]\na: b\n" + strings.Repeat(" c\n", 100_000),
		"many long values":          "[F]\n" + strings.Repeat("a: b\n"+strings.Repeat(" cccccccc\n", maxLines-1), 100_000/maxLines),
		"long line":                 "[F]\na: " + strings.Repeat("x", size) + "\n",
		"long continuation line":    "[F]\na:\n " + strings.Repeat("x", size) + "\n",
		"long key":                  "[F]\n" + strings.Repeat("x", size) + ": b\n",
		"long section":              "[" + strings.Repeat("x", size) + "]\n" + strings.Repeat("a: b\n", 10_000),
		"long line of blanks":       "[F]\na:" + strings.Repeat(" ", size) + "b\n",
		"long blank line":           "[F]\na: b\n" + strings.Repeat("\u2003", size) + "\n c\n",
		"long indentation":          "[F]\na: b\n" + strings.Repeat(" ", size) + "c\n",
		"keys before a long line":   "[F]\n" + strings.Repeat("a: b\n", 63) + "c: " + strings.Repeat("x", size) + "\n",
		"brackets":                  "[F]\n" + strings.Repeat("[", size) + "\n",
		"no section":                strings.Repeat("x", size),
	} {
		start := cpu()
		file, err := Parse("f", []byte(doc), document.Lenient)
		took := cpu() - start
		if err := wellFormed(file, err, []byte(doc)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%-28s %8.1f ms  error: %v", name, took.Seconds()*1000, err)
		if took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// cpu is the processor time this process has used: a busy machine does not add to it.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The second reader must catch the first one's mistakes, whatever they are.
func TestCheckRefuses(t *testing.T) {
	type line struct {
		found
		text  string
		lines []string
	}
	section := line{found{line: 1, name: "F"}, "[F] ; c", nil}
	key := line{found{line: 2, name: "key", value: "b=c", isKey: true}, "Key : b=c", []string{"b=c"}}
	more := line{found{line: 3, name: "d", value: "`e`\n\nf", isKey: true}, "d: `e`", []string{"`e`", "", "f"}}
	read := func(lines ...line) error {
		c := check{path: "f"}
		for _, l := range lines {
			if err := c.add(l.found, l.text, l.lines); err != nil {
				return err
			}
		}
		return c.run()
	}
	if err := read(section, key, more); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(s, k, m *line){
		"section name":    func(s, k, m *line) { s.name = "G" },
		"section's end":   func(s, k, m *line) { s.name = "F] ; c" },
		"a section":       func(s, k, m *line) { s.isKey = true; s.lines = []string{""} },
		"wrong delimiter": func(s, k, m *line) { k.name, k.value, k.lines = "key : b", "c", []string{"c"} },
		"blank in key":    func(s, k, m *line) { k.name = "key " },
		"case of key":     func(s, k, m *line) { k.name = "Key" },
		"value":           func(s, k, m *line) { k.value = "b" },
		"lost value":      func(s, k, m *line) { k.value = "" },
		"line":            func(s, k, m *line) { k.text = "\n" + k.text },
		"joined keys":     func(s, k, m *line) { k.text += "\n9.x: y" },
		"joined sections": func(s, k, m *line) { s.text += "\n[9.G]" },
		"lost comment":    func(s, k, m *line) { m.lines[1] = "# c" },
		"lost blank line": func(s, k, m *line) { m.value = "`e`\nf" },
		"lost line":       func(s, k, m *line) { m.value = "`e`" },
		"quotes":          func(s, k, m *line) { m.value = "e\n\nf" },
		"no delimiter":    func(s, k, m *line) { k.text = "key b" },
		"two for one":     func(s, k, m *line) { m.lines[2] += "\n9.x: y" },
		"one for two":     func(s, k, m *line) { *m = *k },
	} {
		s, k, m := section, key, more
		k.lines, m.lines = slices.Clone(k.lines), slices.Clone(m.lines)
		spoil(&s, &k, &m)
		err := read(s, k, m)
		var e *Error
		if !errors.As(err, &e) || e.Line < 1 || e.Line > 3 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Python's Unicode and Go's must not part in what this package relies on.
func TestUnicodeTables(t *testing.T) {
	o := needPython(t)
	answer, err := o.request(2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(answer.Version, []int{3, 11}) {
		t.Skipf("this is Python %v: the Unicode tables of 3.11 were not compared", answer.Version)
	}
	var lowered, spaces []rune
	for r := range rune(unicode.MaxRune + 1) {
		if 0xd800 <= r && r < 0xe000 {
			continue
		}
		if unicode.ToLower(r) != r {
			lowered = append(lowered, r)
		}
		if isSpace(r) {
			spaces = append(spaces, r)
		}
	}
	if !slices.Equal(lowered, answer.Tables.Lowered) {
		t.Error("Go and Python lower different characters")
	}
	if !slices.Equal(spaces, answer.Tables.Spaces) || !slices.Equal(spaces, answer.Tables.Stripped) {
		t.Errorf("blanks are %q here, %q to Python", spaces, answer.Tables.Spaces)
	}
}

// The vectors' files are CPython's answers to 90 documents, all lenient.
func TestVectors(t *testing.T) {
	const dir = "../../../shared/vectors/ini"
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Skipf("the 90 documents of shared/vectors/ini were not compared: %v", err)
	}
	var expected map[string]struct {
		Items [][2]string
		Err   string
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	if len(expected) < 90 {
		t.Errorf("only %d documents", len(expected))
	}
	var refused []string
	for name, want := range expected {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		file, err := Parse(name, data, document.Lenient)
		if err != nil {
			if want.Err == "" {
				t.Logf("refused, though Python accepts it: %v", err)
				refused = append(refused, name)
			}
			continue
		}
		items, ok := file.Items("Filters")
		if !ok {
			if want.Err != "NoSectionError" {
				t.Errorf("%s: no such section, want %+v", name, want)
			}
			continue
		}
		got := [][2]string{}
		for _, e := range items {
			got = append(got, [2]string{e.Key, e.Value})
		}
		if want.Err != "" || !slices.Equal(got, want.Items) {
			t.Errorf("%s: got %q, want %+v", name, got, want)
		}
	}
	slices.Sort(refused)
	if want := []string{"nonascii_upper.filters", "nul.filters"}; !slices.Equal(refused, want) {
		t.Errorf("refused though Python accepts them: %q, want %q", refused, want)
	}
}

// Every file that services really ship is read as CPython reads it.
func TestDeployedFiles(t *testing.T) {
	const dir = "../../../shared/corpus"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the deployed files of shared/corpus were not compared: %v", err)
	}
	o := needPython(t)
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := d.Name()
		if !strings.HasSuffix(name, ".filters") && !strings.Contains(name, "rootwrap") || strings.Contains(name, "sudoers") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, mode := range []document.Mode{document.Lenient, document.Strict} {
			ours, _, err := compare(o, data, mode)
			if err != nil {
				t.Errorf("%s, mode %d: %v", path, mode, err)
			}
			if mode == document.Lenient && ours != nil {
				t.Errorf("%s: %v", path, ours)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 40 {
		t.Errorf("only %d files", files)
	}
	t.Logf("%d files", files)
}
