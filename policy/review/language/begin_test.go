package language

import "testing"

func TestBegin(t *testing.T) {
	for pattern, want := range map[string]string{
		"": "", "abc": "abc", "abc+": "abc", "abc*": "ab", "abc?x": "ab", "ab{2}": "a", "éa*": "é", "é*": "", "a|b": "", "(a)b": "",
		"(?i)abc": "", `a\.b`: "a", "/srv/.*": "/srv/", "^a": "", "a$": "a", "[ab]c": "", "a(?=b)": "",
	} {
		if got := Begin(pattern); got != want {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

// FuzzBegin: no word of a pattern begins otherwise.
func FuzzBegin(f *testing.F) {
	for _, pattern := range []string{"abc*", "a{0}b", "a{,2}", "x+?", "a**", "ab|c", "\\x41b"} {
		f.Add(pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		w, err := Pattern(pattern)
		if err != nil {
			return
		}
		if other, ok, err := w.Minus(Prefix(Begin(pattern))).Within(1 << 12).Shortest(); ok && err == nil {
			t.Errorf("%q matches %q, which does not begin with %q", pattern, other, Begin(pattern))
		}
	})
}
