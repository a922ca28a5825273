package filters

import (
	"slices"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	m := &fakeMachine{
		links:  map[string]string{"/images/out": "/etc/shadow", "/images/in": "/images/file", "/link": "/images", "/link/file": "/images/file"},
		hidden: map[string]bool{"nobody /images/closed/file": true},
	}
	for _, c := range []struct {
		definition string
		rows       []row
	}{
		{"PathFilter, /bin/chown, root, nova, /images", []row{
			{"chown nova /images/file", ""},
			{"/bin/chown nova /images/file", ""},
			{"chown nova /images/a/../b", ""},
			{"chown nova /images//a/.", ""},
			{"chown nova /images/new/below", ""},
			{"chown nova /images", ""},
			{"chown nova /images/", ""},
			{"chown nova /images/in", ""},
			{"chown nova /images/out", "does not lie below /images"},
			{"chown nova /images/../etc/shadow", "does not lie below"},
			{"chown nova /images-evil/file", "does not lie below"},
			{"chown nova /images-evil", "does not lie below"},
			{"chown nova /image", "does not lie below"},
			{"chown nova /", "does not lie below"},
			{"chown nova images/file", "is not an absolute path"},
			{"chown nova file", "is not an absolute path"},
			{"chown nova ", " is not an absolute path"},
			{"chown nova .", "is not an absolute path"},
			{"chown nova ./images/file", "is not an absolute path"},
			{"chown root /images/file", `root is not "nova"`},
			{"chown  /images/file", `is not "nova"`},
			{"chown nova", "1 argument, not 2"},
			{"chown nova /images/file /images/file", "3 arguments, not 2"},
			{"chown", "0 arguments, not 2"},
			{"chmod nova /images/file", "the command is not /bin/chown"},
			{"./chown nova /images/file", "the command is not"},
		}},
		{"PathFilter, cat, root, /images/", []row{
			{"cat /images/file", ""},
			{"cat /images/a/..", "does not lie below"}, // below, not the directory itself
			{"cat /images", "does not lie below"},
			{"cat /images-evil/x", "does not lie below"},
		}},
		{"PathFilter, cat, root, /link", []row{{"cat /link/file", ""}, {"cat /images/file", ""}, {"cat /link", ""}, {"cat /linkx", "does not lie below"}}},
		{"PathFilter, cat, root, /", []row{{"cat /etc/shadow", ""}, {"cat x", "is not an absolute path"}}},
		{"PathFilter, cat, nobody, /images", []row{{"cat /images/file", ""}, {"cat /images/closed/file", "cannot resolve"}}},
		{"PathFilter, cp, root, pass, /images", []row{
			{"cp anything /images/x", ""},
			{"cp --target-directory=/etc /images/x", ""}, // "pass" is any word: check says so
			{"cp  /images/x", ""},
			{"cp /images/x /etc/x", "does not lie below"},
		}},
		{"PathFilter, mv, root, /images, /images/sub", []row{
			{"mv /images/a /images/sub/a", ""},
			{"mv /images/sub/a /images/a", "/images/a does not lie below /images/sub"},
			{"mv /etc/a /images/sub/a", "/etc/a does not lie below /images"},
		}},
		{"PathFilter, ls, root", []row{{"ls", "0 arguments"}, {"ls x", "1 argument,"}}},
		{"PathFilter, ls, root, ", []row{{"ls ", ""}, {"ls x", `is not ""`}}},
	} {
		for line, match := range check(t, newFilter(t, c.definition), m, c.rows) {
			if line == "chown nova /images/a/../b" && (!slices.Equal(match.Args, argv("nova /images/b")) || !slices.Equal(match.Paths, []int{1})) {
				t.Errorf("%q: the match is %+v", line, match)
			}
			if line == "cat /link/file" && !slices.Equal(match.Args, argv("/images/file")) {
				t.Errorf("%q: the match is %+v", line, match)
			}
		}
	}
}

// Paths cost system calls as the run-as user: they are looked at only when all
// else matches.
func TestPathComesLast(t *testing.T) {
	f := newFilter(t, "PathFilter, mv, root, /images, fixed, /images")
	for _, line := range []string{"cp /images/a fixed /images/b", "mv /images/a other /images/b", "mv /images/a fixed", "mv a fixed /images/b"} {
		m := &fakeMachine{}
		if f.Match(argv(line), m).Matched || len(m.asked) != 0 {
			t.Errorf("%q: resolved %q", line, m.asked)
		}
	}
}

// A server that keeps root out is nobody's decision: that is said unasked, any
// other reason is not.
func TestPathHint(t *testing.T) {
	f := newFilter(t, "PathFilter, cat, root, /images")
	m := &fakeMachine{hidden: map[string]bool{"root /images/closed": true}, squashed: map[string]bool{"root /images/nfs": true, "root /images/../nfs/x": true, "root /nfs/x": true}}
	for path, hint := range map[string]string{
		"/images/nfs":    "cannot resolve /images/nfs as user root: permission denied by the NFS server",
		"/images/closed": "",
		// Apart from the base it would tell what is there.
		"/images/../nfs/x": "",
		"/nfs/x":           "",
		"/etc/shadow":      "",
		"file":             "",
	} {
		if match := f.Match(argv("cat "+path), m); match.Matched || match.Hint != hint || hint != "" && match.Why.String() != hint {
			t.Errorf("%s: %+v", path, match)
		}
	}
}

// A directory that somebody else leads elsewhere matches nothing, and that is said
// unasked. No word is looked at.
func TestPathRedirected(t *testing.T) {
	m := &fakeMachine{redirected: map[string]bool{"/srv/u": true}}
	for _, definition := range []string{"PathFilter, cat, root, /srv/u", "PathFilter, cat, root, /srv/u/", "PathFilter, cat, nobody, /srv/u"} {
		f := newFilter(t, definition)
		for _, word := range []string{"/srv/u/f", "/srv/u", "/etc/shadow"} {
			m.asked = nil
			match := f.Match(argv("cat "+word), m)
			if match.Matched || !strings.Contains(match.Hint, ErrRedirected.Error()) || match.Why.String() != match.Hint || len(m.asked) != 0 {
				t.Errorf("%s, %s: %+v, asked %q", definition, word, match, m.asked)
			}
		}
		if match := f.Match(argv("cat relative"), m); match.Matched || match.Hint != "" {
			t.Errorf("%s: %+v", definition, match)
		}
	}
}
