package pyre

import (
	"slices"
	"testing"
)

// What Words makes is matched, and holds the filler wherever the pattern would
// take it.
func TestWords(t *testing.T) {
	for _, tt := range []struct {
		pattern, filler string
		want            []string
	}{
		{"plain", "", []string{"plain"}},
		{`/dev/.*`, "../etc", []string{"/dev/../etc", "/dev/x", "/dev/"}},
		{`/dev/[^/]+`, "../etc", []string{"/dev/x"}},
		{`/etc/(?!\.\.).*`, "..", []string{"/etc/x", "/etc/"}},
		{`echo '((.|\n)*)'`, "'; id; '", []string{"echo ''; id; ''", "echo 'x'", "echo '\n'", "echo ''"}},
		{`(start|stop)`, "", []string{"start", "stop"}},
		{`-n[0-7]`, "", []string{"-n1"}},
		{`a{2,3}`, "aaaa", []string{"aa"}},
		{`a{2,3}`, "aaa", []string{"aaa", "aa"}},
		{`(`, "", nil},
	} {
		if got := Words(tt.pattern, tt.filler); !slices.Equal(got, tt.want) {
			t.Errorf("%s with %q: %q, not %q", tt.pattern, tt.filler, got, tt.want)
		}
	}
}

func TestDotted(t *testing.T) {
	for _, tt := range []struct{ pattern, meant, also string }{
		{"os_brick.privileged.default", "os_brick.privileged.default", "os_brickXprivilegedXdefault"},
		{`/tmp/.*/privsep.sock`, "/tmp/x/privsep.sock", "/tmp/x/privsepXsock"},
		{`os_brick\.privileged`, "", ""},
		{`a.*b`, "", ""},
		{`a.+b`, "", ""},
		{`a.`, "", ""},
		{`/.`, "", ""},
		{`[`, "", ""},
	} {
		meant, also, ok := Dotted(tt.pattern)
		if meant != tt.meant || also != tt.also || ok != (tt.meant != "") {
			t.Errorf("%s: %q and %q, %v", tt.pattern, meant, also, ok)
		}
	}
}

func TestRequires(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		want    bool
	}{
		{`/dev/.*`, true}, {`.*/x`, true}, {`.*`, false}, {`(/a|b)`, false}, {`(/a|b/)`, true}, {`(/)?a`, false}, {`(/)+a`, true}, {`[/]`, true}, {`[/x]`, false}, {`(?=/)`, false}, {`(`, false},
	} {
		if got := Requires(tt.pattern, '/'); got != tt.want {
			t.Errorf("%s: %v", tt.pattern, got)
		}
	}
}

// FuzzWords: whatever the pattern, each word is matched by it.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{`/dev/.*`, `(a|b)+c{2}`, `[^x]?\d`, `(?i)add`, `(?!x).*`, `a.b`, `\S+`, ""} {
		f.Add(seed, "../x")
	}
	f.Fuzz(func(t *testing.T, pattern, filler string) {
		if len(pattern) > 200 || len(filler) > 200 {
			return
		}
		p, err := Compile(pattern)
		list := Words(pattern, filler)
		if err != nil && list != nil {
			t.Fatalf("%q cannot be used, and has words", pattern)
		}
		for _, w := range list {
			if !p.Match(w) {
				t.Errorf("%q does not match %q", pattern, w)
			}
		}
	})
}
