package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
)

func fileOf(t testing.TB, text string) *file {
	t.Helper()
	f := &file{path: "x.filters", lines: strings.Split(text, "\n")}
	f.ini, f.err = inifile.Parse("x.filters", []byte(text), document.Lenient)
	return f
}

func TestFields(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string // text@line:column+width
	}{
		{"[Filters]\na: B, c,d", []string{"B@2:4+1", "c@2:7+1", "d@2:9+1"}},
		{"[Filters]\n a =  B ,c ", []string{"B@2:7+1", "c@2:10+1"}},
		{"[Filters]\na: B,\n  c,\n# d, e\n\n  f", []string{"B@2:4+1", "c@3:3+1", "f@6:3+1"}},
		{"[Filters]\nüä: ö, ß, c", []string{"ö@2:5+1", "ß@2:8+1", "c@2:11+1"}},
		{"[Filters]\na: B, two\n words, c", []string{"B@2:4+1", "two\nwords@2:7+3", "c@3:9+1"}},
		{"[Filters]\na: B,, c", []string{"B@2:4+1", "@2:1+8", "c@2:8+1"}},
		{"[Filters]\na:", []string{"@2:1+2"}},
	} {
		f := fileOf(t, tt.text)
		if f.ini == nil {
			t.Errorf("%q: %v", tt.text, f.err)
			continue
		}
		var got []string
		for _, x := range f.fields(f.ini.Own("Filters")[0]) {
			got = append(got, fmt.Sprintf("%s@%d:%d+%d", x.text, x.line, x.column, x.width))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, not %q", tt.text, got, tt.want)
		}
	}
}

// FuzzFields: whatever the file, the fields are those that the filters get, and each
// stands where it is said to stand.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{"[Filters]\na: B, c", "[Filters]\na=\n b,\n\n c", "[Filters]\nü:ß,\tx\n# y\n z", "[DEFAULT]\na:b\n[Filters]\na:c,d", "[Filters]\na:\u00a0b\u2003, c\x1c,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\r") {
			return // one line for the reader, and for editors
		}
		x := fileOf(t, text)
		if x.ini == nil {
			return
		}
		items, _ := x.ini.Items("Filters")
		for _, e := range items {
			fields := x.fields(e)
			var texts []string
			for _, p := range fields {
				texts = append(texts, p.text)
				line := []rune(x.line(p.line))
				if p.line < 1 || p.column < 1 || p.width < 1 || p.column-1 > len(line) {
					t.Errorf("%q: field %q at %+v", text, p.text, p.place)
				}
				first, _, _ := strings.Cut(p.text, "\n")
				if end := p.column - 1 + p.width; first != "" && end <= len(line) && p.width < len(line) && string(line[p.column-1:end]) != first && p.place != x.whole(e.Line) {
					t.Errorf("%q: field %q at %+v is %q", text, first, p.place, string(line[p.column-1:end]))
				}
			}
			if !slices.Equal(texts, filters.Fields(e.Value)) {
				t.Errorf("%q: fields %q, not %q", text, texts, filters.Fields(e.Value))
			}
		}
	})
}
