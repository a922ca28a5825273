package usage

import (
	"encoding/json"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
)

const who = "ruid=0 sudo_uid=64055 loginuid=- "

func TestParse(t *testing.T) {
	words := func(w ...string) []filters.Untrusted { return filters.Words(w) }
	for text, want := range map[string]Record{
		who + `(nova > root) Executing /usr/bin/qemu-img info "a b\xff" (filter match = qemu-img) filter=/etc/nova/c.filters:12 run_as=root cwd=/`: {
			Who: "nova", Executed: true, RunAs: "root", Words: words("/usr/bin/qemu-img", "info", "a b\xff"), Filter: "qemu-img", File: "/etc/nova/c.filters", Line: 12},
		"client_uid=5 client_pid=6 " + who + `("a > b" > root) Executing /bin/nice -n 5 /bin/ls (filter match = "x) filter=y") filter="/etc/a b":3 nested=/d/b.filters:4 run_as=root cwd="/ cwd=/"`: {
			Who: "a > b", Executed: true, RunAs: "root", Words: words("/bin/nice", "-n", "5", "/bin/ls"), Filter: "x) filter=y", File: "/etc/a b", Line: 3, Nested: "/d/b.filters:4"},
		who + `(nova > root) Executing privsep-helper (filter match = privsep-helper) filter=built-in run_as=root cwd=/`: {
			Who: "nova", Executed: true, RunAs: "root", Words: words("privsep-helper"), Filter: "privsep-helper"},
		who + `(nova > root) Executing a b... (cut: 3 words, 300000 bytes, sha256 00ff) (filter match = a) filter=/d/b:4 run_as=root cwd=/`: {
			Who: "nova", Executed: true, RunAs: "root", Words: words("a"), Cut: true, Filter: "a", File: "/d/b", Line: 4},
		who + `(nova > root) Executing a "b c"... (cut: 3 words, 300000 bytes, sha256 00ff) (filter match = a) filter=/d/b:4 run_as=root cwd=/`: {
			Who: "nova", Executed: true, RunAs: "root", Words: words("a"), Cut: true, Filter: "a", File: "/d/b", Line: 4},
		who + `Unauthorized command: mkfs "ruid=0" cwd=/`:                            {Who: "64055", What: Unauthorized, Words: words("mkfs", "ruid=0")},
		who + `Not run: id why="cannot run as \"x\" cwd=/" cwd=/`:                    {Who: "64055", What: NotRun, Words: words("id"), Why: `cannot run as "x" cwd=/`},
		"client_uid=7 client_pid=1 " + who + `Caller not allowed: id why="no" cwd=/`: {Who: "7", What: NotAllowed, Words: words("id"), Why: "no"},

		`(nova > root) Executing ['/usr/bin/ls', "it's", 'a\'"b', '\\x\n\x1b\udcff\u202e\U000e0001'] (filter match = ls)`: {
			Who: "nova", Executed: true, Words: words("/usr/bin/ls", "it's", `a'"b`, "\\x\n\x1b\xff\u202e\U000e0001"), Filter: "ls"},
		`(None > root) Executing ['ls', 'x] (filter match = y)'] (filter match = ls (2))`: {
			Who: "None", Executed: true, Words: words("ls", "x] (filter match = y)"), Filter: "ls (2)"},
		`Unauthorized command: rm -rf / (no filter matched)`: {Who: "not-recorded", What: Unauthorized, Guessed: true, Words: words("rm", "-rf", "/")},
		`Executable not found: qemu-img (filter match = q)`:  {Who: "not-recorded", What: NotFound, Guessed: true, Words: words("qemu-img"), Filter: "q"},
		`Executable not found for: qemu-img info`:            {Who: "not-recorded", What: NotFound, Guessed: true, Words: words("qemu-img", "info")},
	} {
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n%+v, %v\n%+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"ruid=0", who, who + "Executing ls", who + "Unauthorized command: ls", who + "Unauthorized command: cwd=/", who + "Whatever: ls cwd=/",
		who + "Unauthorized command: ls cwd=/ cwd=/", who + `Unauthorized command: "ls cwd=/`, who + "Unauthorized command: a=b cwd=/",
		"ruid=00 sudo_uid=- loginuid=- Unauthorized command: ls cwd=/", "ruid=-1 sudo_uid=- loginuid=- Unauthorized command: ls cwd=/",
		who + "(nova > root) Executing ls (filter match = ls) filter=/d/b run_as=root cwd=/",
		who + "(nova > root) Executing ls (filter match = ls) filter=/d/b:-1 run_as=root cwd=/",
		who + "(nova > root) Executing ls filter=/d/b:1 run_as=root cwd=/",
		`(a > b) Executing ['ls`, `(a > b) Executing ['ls' 'x'] (filter match = x)`, `(a > b) Executing ['\x0'] (filter match = x)`, `(a > b) Executing ['\ud800'] (filter match = x)`,
		`(a > b) Executing [] (filter match = x)`, `(a > b) Executing ['\0'] (filter match = x)`, `(a > b) Executing ['a'] (filter match = )`, `(a > b) Executing ['a'], x`,
		"Unauthorized command: x", "Unauthorized command:  (no filter matched)", who + "\xff",
	} {
		if r, err := Parse(text); err == nil {
			t.Errorf("%q is taken for a record: %+v", text, r)
		}
	}
}

// TestPython: what Python's repr makes of words is read as these words.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3: the original's records were read only as written down by hand")
	}
	program := exec.Command(python, "-c", `
import random, json, os
random.seed(7)
for i in range(3000):
    words = [''.join(random.choice(["'", '"', '\\', ' ', ',', ']', '(', 'a', 'é', '\n', '\x1b', '\x7f', '\x85', '\xad', '\u202e', '\U0001f600', '\U000e0001', '\udcff', '\udc80']) for _ in range(random.randint(0, 9))) for _ in range(random.randint(1, 5))]
    print(json.dumps({"Record": "(%s > %s) Executing %s (filter match = %s)" % ("nova", "root", words, "x"), "Words": [list(os.fsencode(w)) for w in words]}))
`)
	program.Env = []string{"LC_ALL=C.UTF-8"}
	out, err := program.Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		var c struct {
			Record string
			Words  [][]int
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		var want []filters.Untrusted
		for _, w := range c.Words {
			var b []byte
			for _, n := range w {
				b = append(b, byte(n))
			}
			want = append(want, filters.Untrusted(b))
		}
		if r, err := Parse(c.Record); err != nil || !slices.Equal(r.Words, want) {
			t.Fatalf("%q: %q, %v, want %q", c.Record, r.Words, err, want)
		}
		n++
	}
	if n != 3000 {
		t.Errorf("%d records", n)
	}
}

func TestRead(t *testing.T) {
	refused := who + `Unauthorized command: ls cwd=/`
	object := func(text, id, uid string) string {
		m := map[string]any{"MESSAGE": text, "SYSLOG_IDENTIFIER": id, "_UID": uid, "__REALTIME_TIMESTAMP": "1764284400000000"}
		line, _ := json.Marshal(m)
		return string(line)
	}
	for name, c := range map[string]struct {
		line string
		want Reading
	}{
		"syslogd":     {"Nov 28 07:00:01 host nova-rootwrap[12]: " + refused, Reading{Lines: 1, Records: 1, First: "Nov 28 07:00:01", Last: "Nov 28 07:00:01"}},
		"one digit":   {"Nov  8 07:00:01 host ironwrap[12]: " + refused, Reading{Lines: 1, Records: 1, First: "Nov  8 07:00:01", Last: "Nov  8 07:00:01"}},
		"rsyslogd":    {"2026-11-28T07:00:01.123456+01:00 host ironwrap-daemon[12]: " + refused, Reading{Lines: 1, Records: 1, First: "2026-11-28T07:00:01.123456+01:00", Last: "2026-11-28T07:00:01.123456+01:00"}},
		"audit_file":  {"2026-11-28T07:00:01.123456Z nova-rootwrap-daemon[4711]: " + refused, Reading{Lines: 1, Records: 1, First: "2026-11-28T07:00:01.123456Z", Last: "2026-11-28T07:00:01.123456Z"}},
		"the peer":    {"Nov 28 07:00:01 host neutron-rootwrap: Unauthorized command: ls (no filter matched)", Reading{Lines: 1, Records: 1, First: "Nov 28 07:00:01", Last: "Nov 28 07:00:01"}},
		"the journal": {object(refused, "nova-rootwrap", "0"), Reading{Lines: 1, Records: 1, First: "2025-11-27T23:00:00Z", Last: "2025-11-27T23:00:00Z"}},
		"forged":      {object(refused, "nova-rootwrap", "1000"), Reading{Lines: 1, Forged: Oddness{1, []filters.Untrusted{filters.Untrusted("uid 1000: " + refused)}}}},
		"odd":         {"Nov 28 07:00:01 host nova-rootwrap[12]: ruid=0 x", Reading{Lines: 1, Odd: Oddness{1, []filters.Untrusted{"ruid=0 x"}}}},
		"others":      {"Nov 28 07:00:01 host sshd[12]: " + refused, Reading{Lines: 1, Other: 1}},
		"no record":   {"Nov 28 07:00:01 host nova-rootwrap[12]: hello", Reading{Lines: 1, Other: 1}},
		"no JSON":     {"{wrap", Reading{Lines: 1, Other: 1}},
		"no text":     {`{"MESSAGE":null,"SYSLOG_IDENTIFIER":"ironwrap"}`, Reading{Lines: 1, Long: 1}},
		"bytes":       {`{"MESSAGE":[114,117,105,100,61,255],"SYSLOG_IDENTIFIER":"ironwrap","_UID":"0"}`, Reading{Lines: 1, Odd: Oddness{1, []filters.Untrusted{"ruid=\xff"}}}},
		"long":        {"Nov 28 07:00:01 host nova-rootwrap[12]: " + strings.Repeat("x", maxLine), Reading{Lines: 1, Long: 1}},
		"other host":  {"Nov 28 07:00:01 nova-rootwrap: sshd[12]: x", Reading{Lines: 1, Other: 1}},
	} {
		var got Reading
		n := 0
		if err := got.Read(strings.NewReader(c.line), func(Record) { n++ }); err != nil || !reflect.DeepEqual(got, c.want) || n != got.Records {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
		// What comes behind is read as ever.
		var two Reading
		if err := two.Read(strings.NewReader(c.line+"\nNov 28 07:00:01 host ironwrap: "+refused+"\n"), func(Record) {}); err != nil || two.Records != c.want.Records+1 {
			t.Errorf("%s: what comes behind is not read: %+v, %v", name, two, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(who + `(nova > root) Executing /usr/bin/qemu-img info "a b\xff" (filter match = qemu-img) filter=/etc/nova/c.filters:12 nested="/a b":1 run_as=root cwd=/`)
	f.Add(who + `Not run: id a... (cut: 3 words, 300000 bytes, sha256 00ff) why="x" cwd=/`)
	f.Add(`(nova > root) Executing ['/usr/bin/ls', "it's", '\\x\n\x1b\udcff'] (filter match = ls)`)
	f.Add(`Executable not found: qemu-img (filter match = q)`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		for _, w := range r.Words {
			if strings.IndexByte(w.Raw(), 0) >= 0 {
				t.Errorf("%q holds a NUL", w)
			}
		}
		if len(r.Words) == 0 && !r.Cut || r.Executed && r.Filter == "" || !r.Executed && !known(r.What) {
			t.Errorf("%q: %+v", text, r)
		}
	})
}

// Any input is read to its end, each line counts once, and nothing odd is kept beyond
// its bounds.
func FuzzRead(f *testing.F) {
	f.Add([]byte("Nov 28 07:00:01 host nova-rootwrap[12]: " + who + "Unauthorized command: ls cwd=/\n{\"MESSAGE\":\"x\",\"SYSLOG_IDENTIFIER\":\"ironwrap\",\"_UID\":[1,2]}\n"))
	f.Add([]byte("\x1f\x8b"))
	f.Add([]byte("2026-11-28T07:00:01Z ironwrap: (a > b) Executing ['\\x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var g Reading
		n := 0
		if err := g.Read(strings.NewReader(string(data)), func(Record) { n++ }); err != nil {
			return
		}
		if n != g.Records || g.Lines != g.Records+g.Other+g.Odd.Count+g.Forged.Count+g.Long || len(g.Odd.Examples) > examples || len(g.Forged.Examples) > examples {
			t.Errorf("%+v, %d", g, n)
		}
	})
}
