package audit

import (
	"slices"
	"strings"
	"testing"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/usage"
)

// FuzzUsage: what a record says is read back from it, whatever was asked for.
func FuzzUsage(f *testing.F) {
	f.Add("rm\x00-rf", "/", "no such user", "id")
	f.Add(`ruid=0 sudo_uid=0`+"\x00\n", "/x cwd=/", `" ruid=0 why="`, `a) filter=x (b`)
	f.Add("a\x00"+strings.Repeat("\x01\xff", 5000), strings.Repeat("/\u202e ", 2000), strings.Repeat(`\"`, 3000), "x ")
	f.Add("a b...\x00...\x00(cut: 3\x00\x00", "/", "", "...")
	f.Fuzz(func(t *testing.T, words, dir, why, name string) {
		if strings.Contains(dir+why+name, "\x00") {
			return // none can
		}
		caller := exec.Caller{UID: 0, SudoUID: 5, LoginID: -1, Dir: filters.Untrusted(dir)}
		argv := filters.Words(strings.Split(words, "\x00"))
		same := func(r usage.Record) bool {
			if r.Cut {
				return len(r.Words) < len(argv) && slices.Equal(r.Words, argv[:len(r.Words)])
			}
			return slices.Equal(r.Words, argv)
		}
		text := capture(t, func(l *Log) {
			d := policy.Decision{Verdict: policy.Allowed, Filter: entry(name, "/f "+dir, 7), Leaf: entry("x", "/g", 8), RunAs: "root", Argv: argv}
			if err := l.Executing(d); err != nil {
				t.Error(err)
			}
		}, caller)
		r, err := usage.Parse(text)
		short := len(filters.Untrusted(name).Quote()) <= maxField && len(filters.Untrusted("/f "+dir).Quote()) <= maxField
		if err != nil || !r.Executed || !same(r) || short && (r.Filter != name || r.File != "/f "+dir) || r.Line != 7 || r.Nested != "/g:8" {
			t.Fatalf("%q: %+v, %v", text, r, err)
		}
		text = capture(t, func(l *Log) { l.Refused(NotRun, argv, why) }, caller)
		r, err = usage.Parse(text)
		if err != nil || r.Executed || !same(r) || r.What != usage.NotRun || r.Who != "5" || len(why) < 50 && r.Why != why {
			t.Fatalf("%q: %+v, %v", text, r, err)
		}
	})
}
