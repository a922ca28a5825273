package stderr

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A name that could open a record of another program's is none of ours.
func TestName(t *testing.T) {
	for argv0, want := range map[string]string{
		"nova-rootwrap": "nova-rootwrap", "/usr/bin/nova-rootwrap": "nova-rootwrap", "a.b_c-1-rootwrap": "a.b_c-1-rootwrap",
		"ironwrap": "ironwrap", "/usr/bin/ironwrap": "ironwrap", "": "ironwrap", "/": "ironwrap",
		"sudo": "ironwrap", "-rootwrap": "ironwrap", "--rootwrap": "ironwrap", ".x-rootwrap": "ironwrap", "rootwrap": "ironwrap",
		"<86>x-rootwrap": "ironwrap", "x-rootwrap[1]": "ironwrap", "x: y-rootwrap": "ironwrap", "x y-rootwrap": "ironwrap", "x=1-rootwrap": "ironwrap",
		"x\n-rootwrap": "ironwrap", "x-rootwrap\n": "ironwrap", "\x1bx-rootwrap": "ironwrap", "\u00e9-rootwrap": "ironwrap", "x\x00-rootwrap": "ironwrap",
		strings.Repeat("x", 55) + "-rootwrap": strings.Repeat("x", 55) + "-rootwrap", strings.Repeat("x", 56) + "-rootwrap": "ironwrap",
		"x-rootwrap-daemon": "ironwrap", "x-rootwrap/": "ironwrap",
	} {
		if got := Name([]string{argv0}, "ironwrap", "-rootwrap"); got != want {
			t.Errorf("%q is called %q, not %q", argv0, got, want)
		}
	}
	if got := Name(nil, "ironwrap", "-rootwrap"); got != "ironwrap" {
		t.Errorf("argc 0 is called %q", got)
	}
	if got := Name([]string{"/usr/bin/neutron-rootwrap-daemon"}, "ironwrap-daemon", "-rootwrap-daemon"); got != "neutron-rootwrap-daemon" {
		t.Errorf("the daemon is called %q", got)
	}
}

func TestLine(t *testing.T) {
	if got := string(line("x", "a\nb \x1b \\")); got != "x: a\\nb \\x1b \\\n" {
		t.Errorf("%q", got)
	}
	for _, text := range []string{strings.Repeat("x", 10000), strings.Repeat("\u00e9", 5000), strings.Repeat("\n", 4000), strings.Repeat("x", maxLine-4), strings.Repeat("x", maxLine-3)} {
		got := string(line("x", text))
		if len(got) > maxLine || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") || !utf8.ValidString(got) {
			t.Errorf("%d bytes: %.20q...%.20q", len(got), got, got[len(got)-20:])
		}
	}
}
