package pyre

import (
	"regexp"
	"testing"
)

func TestPOSIX(t *testing.T) {
	for pattern, want := range map[string]string{
		`stop`:         `stop`,
		`\d+`:          `([0-9])+`,
		`start|stop`:   `(start|stop)`,
		`^/dev/[^/]+$`: "/dev/([]+!%&'()*.0-9:;<=>?@A-Z_`a-z{|}~[-])+",
		`a{2,3}b?`:     `(a){2,3}(b)?`,
		`net\.ipv4`:    `net[.]ipv4`,
		`[][-]`:        `[][-]`,
		`(?i)on`:       `[Oo][Nn]`,
		`[*+?]`:        `[+]`,
		`[*?x]`:        `[*x]`,
		`\*\+`:         `[*][+]`,
		`.`:            "[]+!%&'()*./0-9:;<=>?@A-Z_`a-z{|}~[-]",
		`(?!x).*`:      "",
		`a b`:          "",
		`#`:            "",
		`a\b`:          "",
		`a|`:           "",
		`(^a|b)c`:      `(a|b)c`,
		`x(^a|b)c`:     "",
		`é`:            "",
		`a{300}`:       "",
		`(?:)*`:        "",
	} {
		p, err := Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.POSIX()
		if got != want && err == nil || (want == "") != (err != nil) {
			t.Errorf("%s: %s, %v; want %s", pattern, got, err, want)
		}
	}
}

// FuzzPOSIX: what the expression matches the pattern matches, and nothing that it
// matches has a blank. Go reads POSIX's syntax as egrep does.
func FuzzPOSIX(f *testing.F) {
	for _, seed := range [][2]string{{`\d+`, "12"}, {`/etc/(a|b)[^/]*`, "/etc/axx"}, {`[]a-]+`, "]-a"}, {`(?i)x.{0,3}`, "Xab "}, {`a|b`, "b"}, {`.*`, "a b"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, word string) {
		p, err := Compile(pattern)
		if err != nil {
			return
		}
		text, err := p.POSIX()
		if err != nil {
			return
		}
		re, err := regexp.CompilePOSIX("(" + text + ")")
		if err != nil {
			t.Fatalf("%q: %q: %v", pattern, text, err)
		}
		for _, w := range append(p.Examples("a b", "#", "^", "x\ny", "é"), word) {
			// The leftmost longest match is the whole word if any is.
			if re.FindString(w) != w || !re.MatchString(w) {
				continue
			}
			if !p.Match(w) {
				t.Errorf("%q became %q, which matches %q", pattern, text, w)
			}
			for i := range len(w) {
				if w[i] <= ' ' || w[i] > '~' {
					t.Errorf("%q became %q, which matches %q", pattern, text, w)
				}
			}
		}
	})
}
