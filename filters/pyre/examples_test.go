package pyre

import (
	"slices"
	"testing"
)

func TestExamples(t *testing.T) {
	for _, c := range []struct {
		pattern string
		fills   []string
		want    string
	}{
		{`stop`, nil, "stop"},
		{`\d+`, nil, "1"},
		{`/etc/(?!\.\.).*`, nil, "/etc/x"},
		{`/etc/(?!\.\.).*`, []string{"a/../../x"}, "/etc/a/../../x"},
		{`(add|rem)`, nil, "rem"},
		{`[a-z]{3}`, []string{"abc", "abcd"}, "abc"},
		{`echo '((.|\n)*)' > /.*`, []string{"'; id; '"}, "echo ''; id; '' > /x"},
		{`(?i)on`, nil, "ON"},
		{`a?b`, nil, "b"},
		{`a?b`, nil, "ab"},
	} {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Examples(c.fills...)
		if !slices.Contains(got, c.want) {
			t.Errorf("%s %q: %q has no %q", c.pattern, c.fills, got, c.want)
		}
		for _, w := range got {
			if !p.Match(w) {
				t.Errorf("%s: %q is no example", c.pattern, w)
			}
		}
	}
	never, err := Compile(`a(?!x)x`)
	if err != nil {
		t.Fatal(err)
	}
	if got := never.Examples("x"); got != nil {
		t.Errorf("a pattern that matches nothing has the examples %q", got)
	}
}
