package audit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
)

var inQuotes = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// keys of a record, in their order.
var order = []string{"client_uid", "client_pid", "ruid", "sudo_uid", "loginuid", "filter", "run_as", "why", "cwd"}

// Whatever is asked for, where and why not, a record says the same ids in the same
// places, its fields stand there once and in order, and it is one line of bounded size.
func FuzzRecord(f *testing.F) {
	f.Add("rm\x00-rf", "/", "no such user", "id", 1000, 1001, -1)
	f.Add(`ruid=0 sudo_uid=0`+"\x00\n", "/x cwd=/", `" ruid=0 why="`, `a) filter=x (b`, 0, -1, 5)
	f.Add(strings.Repeat("\x01\xff", 5000), strings.Repeat("/\u202e ", 2000), strings.Repeat(`\"`, 3000), strings.Repeat("x ", 900), 4294967294, 0, 0)
	f.Fuzz(func(t *testing.T, words, dir, why, name string, uid, sudo, login int) {
		caller := exec.Caller{UID: uid, SudoUID: sudo, LoginID: login, Dir: filters.Untrusted(dir), Client: &exec.Client{UID: 7, PID: 8}}
		argv := filters.Words(strings.Split(words, "\x00"))
		for kind, do := range map[string]func(*Log){
			"executing": func(l *Log) {
				d := policy.Decision{Verdict: policy.Allowed, Filter: entry(name, "/f "+dir, 1), RunAs: name, Argv: argv}
				if err := l.Executing(d); err != nil {
					t.Error(err)
				}
			},
			"refused": func(l *Log) { l.Refused(NotRun, argv, why) },
		} {
			got := capture(t, do, caller)
			who := fmt.Sprintf("client_uid=7 client_pid=8 ruid=%d sudo_uid=%s loginuid=%s ", uid, id(sudo), id(login))
			if !strings.HasPrefix(got, who) || !clean(got) || len(got) > maxRecord {
				t.Fatalf("%s: %d bytes, not %q first: %.300q", kind, len(got), who, got)
			}
			bare := inQuotes.ReplaceAllString(got, `""`)
			var have []string
			for _, m := range regexp.MustCompile(`([a-z_]+)=`).FindAllStringSubmatch(bare, -1) {
				have = append(have, m[1])
			}
			left := order
			for _, key := range have {
				at := -1
				for i, k := range left {
					if k == key {
						at = i
						break
					}
				}
				if at < 0 {
					t.Fatalf("%s: field %s is forged, or not where it belongs: %.400q", kind, key, bare)
				}
				left = left[at+1:]
			}
			if have[len(have)-1] != "cwd" {
				t.Fatalf("%s: it ends in %v", kind, have)
			}
		}
	})
}

func id(n int) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// capture returns what a log sends.
func capture(t *testing.T, do func(*Log), caller exec.Caller) string {
	t.Helper()
	got := ""
	old := deliver
	deliver = func(_ int, _, text string) error { got = text; return nil }
	defer func() { deliver = old }()
	do(New("x", &policy.Policy{Config: loud}, caller))
	return got
}
