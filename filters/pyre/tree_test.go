package pyre

import (
	"reflect"
	"testing"
	"unicode"
)

func TestTree(t *testing.T) {
	char := func(r rune) Piece { return Piece{Kind: Char, Set: []rune{r, r}} }
	for _, tt := range []struct {
		pattern string
		want    Piece
		ascii   bool
	}{
		{"", Piece{Kind: Row}, false},
		{`a\.`, Piece{Kind: Row, Subs: []Piece{char('a'), char('.')}}, false},
		{`a|\udc80`, Piece{Kind: Either, Subs: []Piece{char('a'), char(0xdc80)}}, false},
		{`[^a]{2,}`, Piece{Kind: Repeat, Min: 2, Max: -1, Subs: []Piece{{Kind: Char, Set: []rune{0, 'a' - 1, 'b', unicode.MaxRune}}}}, false},
		{`(?<!a)`, Piece{Kind: Look, Behind: true, Negate: true, Subs: []Piece{char('a')}}, false},
		{`(?m)\A^\b$\Z`, Piece{Kind: Row, Subs: []Piece{{Kind: Begin}, {Kind: LineBegin}, {Kind: Boundary}, {Kind: LineEnd}, {Kind: End}}}, true},
		{`(?!$)`, Piece{Kind: Look, Negate: true, Subs: []Piece{{Kind: EndOrLF}}}, false},
	} {
		p, err := Compile(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, ascii := p.Tree(); !reflect.DeepEqual(got, tt.want) || ascii != tt.ascii {
			t.Errorf("%s: %+v, %v", tt.pattern, got, ascii)
		}
	}
	// What matches nothing is an alternation of nothing.
	if got, _ := new(Pattern).Tree(); got.Kind != Either || got.Subs != nil {
		t.Errorf("the zero Pattern: %+v", got)
	}
}
