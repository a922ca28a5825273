package audit

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
)

// datagrams listens where the system log would, and returns what comes next.
func datagrams(t *testing.T) (next func() string) {
	t.Helper()
	redirect(t)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: Socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return func() string {
		t.Helper()
		buf := make([]byte, 1<<20)
		l.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := l.Read(buf)
		if err != nil {
			t.Fatalf("no record came: %v", err)
		}
		return string(buf[:n])
	}
}

// redirect puts the system log at a path of the test's own, where nothing is yet.
func redirect(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		t.Fatal(err)
	}
	old := Socket
	t.Cleanup(func() { Socket = old; os.RemoveAll(dir) })
	Socket = dir + "/log"
}

func TestSend(t *testing.T) {
	next := datagrams(t)
	if err := Send(5<<3|Info, "nova-rootwrap[7]", "hello"); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "<46>nova-rootwrap[7]: hello" {
		t.Errorf("%q", got)
	}
	if err := Send(10<<3|Error, "x", ""); err != nil || next() != "<83>x: " {
		t.Errorf("an empty text: %v", err)
	}

	// What is too long arrives cut, with a mark, and is text still.
	if err := Send(0, "x", strings.Repeat("é", 10000)); err != nil {
		t.Fatal(err)
	}
	if got := next(); len(got) > 8<<10 || !strings.HasSuffix(got, "é...") || !utf8.ValidString(got) {
		t.Errorf("%d bytes, ending in %q", len(got), got[max(len(got)-10, 0):])
	}
}

// Some system logs listen to a stream: then a NUL ends a record.
func TestSendStream(t *testing.T) {
	redirect(t)
	l, err := net.Listen("unix", Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			got <- err.Error()
			return
		}
		defer c.Close()
		data, _ := io.ReadAll(c)
		got <- string(data)
	}()
	if err := Send(46, "x[1]", "hello"); err != nil {
		t.Fatal(err)
	}
	select {
	case data := <-got:
		if data != "<46>x[1]: hello\x00" {
			t.Errorf("%q", data)
		}
	case <-time.After(5 * time.Second):
		t.Error("no record came")
	}
}

func TestSendFails(t *testing.T) {
	redirect(t)
	check := func(name, why string) {
		t.Helper()
		err := Send(46, "x", "hello")
		if err == nil || err.Error() != "cannot write to the system log at "+Socket+": "+why {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("missing", "no such file or directory")

	if err := os.WriteFile(Socket, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	check("not a socket", "connection refused")
	os.Remove(Socket)

	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: Socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // which leaves the name
	check("nobody listens", "connection refused")
}

// A system log that reads nothing any more holds a caller up for two seconds, not
// for ever.
func TestSendWaitsTwoSeconds(t *testing.T) {
	redirect(t)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: Socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	full := false
	for range 100000 { // net.unix.max_dgram_qlen
		if err := syscall.Sendto(fd, []byte("x"), 0, &syscall.SockaddrUnix{Name: Socket}); err != nil {
			full = true
			break
		}
	}
	if !full {
		t.Skip("the queue of a datagram socket has no end here: that Send does not wait for ever was not checked")
	}
	start := time.Now()
	err = Send(46, "x", "hello")
	if took := time.Since(start); err == nil || took < time.Second || took > 20*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"/usr/bin/id", "-u"}, "/usr/bin/id -u"},
		{[]string{"a", "", "b"}, `a "" b`},
		{[]string{"a b", "c"}, `"a b" c`},
		{[]string{"a\nForged: line", "\x1b[2J", "\x00"}, `"a\nForged: line" "\x1b[2J" "\x00"`},
		{[]string{"\xff\xfe", "\u202e", "é"}, `"\xff\xfe" "\u202e" "é"`},
		{[]string{`"`, `\`, "$(id)", "(filter match = x)"}, `"\"" "\\" "$(id)" "(filter match = x)"`},
		{nil, ""},
	} {
		if got := Words(filters.Words(c.words)); got != c.want {
			t.Errorf("%q: %s, not %s", c.words, got, c.want)
		}
	}
}

// The digest is over each word and a NUL, whatever is cut.
func TestWordsCut(t *testing.T) {
	for name, words := range map[string][]string{
		"one long word":       {"/bin/x", strings.Repeat("a", 300000)},
		"many":                strings.Split(strings.Repeat("word ", 50000), " "),
		"controls":            {strings.Repeat("\x01", 200000)},
		"one over":            {strings.Repeat("a", maxWords)},
		"quotes":              {strings.Repeat(`"`, maxWords)},
		"two and a half":      {strings.Repeat("é", maxWords/3), strings.Repeat("é", maxWords/3)},
		"short ones, control": strings.Split(strings.Repeat("\x1b ", 3000), " "),
	} {
		got := Words(filters.Words(words))
		sum, size := sha256.New(), 0
		for _, w := range words {
			io.WriteString(sum, w+"\x00")
			size += len(w) + 1
		}
		want := fmt.Sprintf("... (cut: %d words, %d bytes, sha256 %x)", len(words), size, sum.Sum(nil))
		if !strings.HasSuffix(got, want) {
			t.Errorf("%s: it ends in %q, not %q", name, got[max(0, len(got)-200):], want)
		}
		if len(got) > maxWords+500 {
			t.Errorf("%s: %d bytes, of which %d at most were to be words", name, len(got), maxWords)
		}
		if !clean(got) {
			t.Errorf("%s: %.100q", name, got)
		}
	}
	// What is within the limit, but not when it is quoted, is cut too.
	if got := Words(filters.Words([]string{strings.Repeat("\x01", maxWords-1)})); len(got) > maxWords+500 {
		t.Errorf("%d control characters take %d bytes", maxWords-1, len(got))
	}
}

// clean tells whether s is one line that can be shown as it is.
func clean(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0
}

func entry(name, file string, line int) *policy.Entry {
	return &policy.Entry{Name: name, File: file, Line: line}
}

// nova calls, by way of sudo.
var (
	loud   = policy.Config{UseSyslog: true, Facility: 5, Level: Info}
	caller = exec.Caller{UID: 0, SudoUID: 424242, LoginID: 1001, Dir: "/var/lib/nova"}
)

func TestRecords(t *testing.T) {
	next := datagrams(t)
	p := &policy.Policy{Config: loud, Path: "/etc/nova/rootwrap.conf"}
	l := New("nova-rootwrap", p, caller)
	pid := fmt.Sprintf("nova-rootwrap[%d]: ", os.Getpid())
	who := "ruid=0 sudo_uid=424242 loginuid=1001 "

	d := policy.Decision{Verdict: policy.Allowed, Policy: p, Filter: entry("id", "/etc/nova/rootwrap.d/x.filters", 12), RunAs: "root",
		Argv: filters.Words([]string{"/usr/bin/id", "-u", "a b"})}
	if err := l.Executing(d); err != nil {
		t.Fatal(err)
	}
	got := next()
	// The peer's words (wrapper.py, start_subprocess) stand together.
	if !strings.HasPrefix(got, "<46>"+pid+who+`(424242 > root) Executing /usr/bin/id -u "a b" (filter match = id) `) {
		t.Errorf("%s", got)
	}
	for _, part := range []string{"filter=/etc/nova/rootwrap.d/x.filters:12", "run_as=root", "cwd=/var/lib/nova"} {
		if !strings.Contains(got, " "+part) {
			t.Errorf("no %q in %s", part, got)
		}
	}

	d.Filter, d.Leaf = entry("ip", "/f d/x.filters", 1), entry("id", "", 0)
	if err := l.Executing(d); err != nil {
		t.Fatal(err)
	}
	if got := next(); !strings.Contains(got, ` filter="/f d/x.filters:1"`) && !strings.Contains(got, ` filter="/f d/x.filters":1`) || !strings.Contains(got, " nested=built-in") {
		t.Errorf("%s", got)
	}

	l.Refused(Unauthorized, filters.Words([]string{"mkfs", "/dev/sda"}), "")
	if got := next(); got != "<43>"+pid+who+"Unauthorized command: mkfs /dev/sda cwd=/var/lib/nova" {
		t.Errorf("%s", got)
	}
	l.Refused(NotRun, filters.Words([]string{"id"}), "no user nova")
	if got := next(); got != "<43>"+pid+who+`Not run: id why="no user nova" cwd=/var/lib/nova` {
		t.Errorf("%s", got)
	}

	p.Notes = []policy.Note{{Path: "/f", Line: 3, Text: "skipping", Warning: true}, {Path: "/f", Text: "quiet"}}
	l.Warnings()
	if got := next(); got != "<44>"+pid+"/f:3: skipping" {
		t.Errorf("%s", got)
	}
	l.Refused("end", nil, "")
	if got := next(); !strings.Contains(got, "end: ") {
		t.Errorf("the note that is no warning was recorded: %s", got)
	}
}

// Whatever a caller sends, the record is one clean line of less than 8 kB, says
// who called, and the fields that say so cannot be forged by a word.
func TestRecordsOfHostileCallers(t *testing.T) {
	next := datagrams(t)
	p := &policy.Policy{Config: loud, Path: "/etc/x.conf"}
	controls := strings.Repeat("\x01", 4000)
	who := regexp.MustCompile(`^[^ ]+ ruid=0 sudo_uid=424242 loginuid=1001 `)
	for name, c := range map[string]struct {
		program string
		dir     string
		words   []string
	}{
		"a long name":            {strings.Repeat("x", 64<<10), "/", []string{"id"}},
		"a name of controls":     {strings.Repeat("\x01", 100000), "/", []string{"id"}},
		"another program's name": {"sshd[1]: Accepted password for root", "/", []string{"id"}},
		"a line break":           {"a\nb", "/", []string{"id\nForged"}},
		"words of controls":      {"x", "/", []string{controls}},
		"many words of controls": {"x", "/", strings.Split(strings.Repeat("\x01 ", 2040), " ")},
		"long words":             {"x", "/", []string{strings.Repeat("a", 100000)}},
		"a long directory":       {"x", "/" + strings.Repeat("d/", 2000), []string{"id"}},
		"a directory of control": {"x", "/" + controls, []string{"id", controls}},
		"the fields themselves":  {"x", "/", []string{"id", "ruid=0", "sudo_uid=0", "loginuid=0", "cwd=/", "ruid=0 sudo_uid=0 loginuid=0 cwd=/"}},
	} {
		hostile := caller
		hostile.Dir = filters.Untrusted(c.dir)
		l := New(c.program, p, hostile)
		words := filters.Words(c.words)
		d := policy.Decision{Verdict: policy.Allowed, Policy: p, Filter: entry("id", "/f.filters", 1), RunAs: "root", Argv: words}
		for kind, record := range map[string]func(){
			"executing": func() {
				if err := l.Executing(d); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			},
			"refused": func() { l.Refused(Unauthorized, words, "why "+c.dir) },
		} {
			record()
			got := next()
			if len(got) > 8<<10 || !clean(got) {
				t.Errorf("%s, %s: %d bytes: %.200q", name, kind, len(got), got)
			}
			if !who.MatchString(got) {
				t.Errorf("%s, %s: it does not say who called: %.100q...%.300q", name, kind, got, got[max(0, len(got)-300):])
			}
			// The tag is a name, the process id, and nothing that could pass for
			// another program's.
			if tag := regexp.MustCompile(fmt.Sprintf(`^<4[36]>[^ \[\]:]{1,64}\[%d\]: `, os.Getpid())); !tag.MatchString(got) {
				t.Errorf("%s, %s: the tag: %.100q", name, kind, got)
			}
			// The first that stands outside of quotes is the one to believe.
			bare := regexp.MustCompile(`"(\\.|[^"\\])*"`).ReplaceAllString(got, "")
			for _, field := range []string{"ruid=0 sudo_uid=4", "sudo_uid=4", "loginuid=1"} {
				name, _, _ := strings.Cut(field, "=")
				if i := strings.Index(bare, " "+name+"="); i < 0 || !strings.HasPrefix(bare[i+1:], field) {
					t.Errorf("%s, %s: a word passes for the field %s: %.300q", name, kind, name, got)
				}
			}
		}
	}
}

func TestWhenRecordsAreWritten(t *testing.T) {
	next := datagrams(t)
	d := policy.Decision{Verdict: policy.Allowed, Filter: entry("id", "/f", 1), RunAs: "root", Argv: filters.Words([]string{"/usr/bin/id"})}
	for _, c := range []struct {
		config             policy.Config
		executing, refused bool
	}{
		{policy.Config{}, false, false},
		{policy.Config{UseSyslog: true, Level: Error}, false, true},
		{policy.Config{UseSyslog: true, Level: Info}, true, true},
		{policy.Config{UseSyslog: true, Level: 2}, false, false},
		{policy.Config{AuditRequired: true, Level: Error}, true, false},
		// By a daemon, whose clients are told little.
		{policy.Config{Level: Error}, false, true},
		{policy.Config{Level: 2}, false, false},
	} {
		who := caller
		if who.Client = nil; !c.config.UseSyslog && !c.config.AuditRequired && c.config.Level != 0 {
			who.Client = &exec.Client{UID: 7}
		}
		l := New("x", &policy.Policy{Config: c.config}, who)
		l.Executing(d)
		l.Refused("no", nil, "")
		Send(0, "end", "")
		var have []string
		for {
			got := next()
			if strings.HasPrefix(got, "<0>end") {
				break
			}
			have = append(have, got)
		}
		var want []string
		if c.executing {
			want = append(want, "Executing")
		}
		if c.refused {
			want = append(want, "no: ")
		}
		if len(have) != len(want) {
			t.Errorf("%+v: %q", c.config, have)
			continue
		}
		for i := range want {
			if !strings.Contains(have[i], want[i]) {
				t.Errorf("%+v: %q", c.config, have)
			}
		}
	}
}

// audit_required: without the record the command does not run. Without it the
// command runs, and standard error says what is missing.
func TestRecordsThatCannotBeWritten(t *testing.T) {
	redirect(t)
	d := policy.Decision{Verdict: policy.Allowed, Filter: entry("id", "/f", 1), RunAs: "root", Argv: filters.Words([]string{"/usr/bin/id"})}

	p := &policy.Policy{Config: policy.Config{AuditRequired: true}, Path: "/etc/x.conf"}
	err := New("x", p, caller).Executing(d)
	if err == nil || err.Error() != "cannot write to the system log at "+Socket+": no such file or directory; the command was not run, since audit_required is set in /etc/x.conf" {
		t.Errorf("%v", err)
	}

	p = &policy.Policy{Config: loud}
	said := standardError(t, func() { err = New("nova-rootwrap", p, caller).Executing(d) })
	if err != nil || said != `nova-rootwrap: cannot write to the system log at `+Socket+": no such file or directory\n" {
		t.Errorf("%v, %q", err, said)
	}

	// Without a system log warnings go to standard error.
	p = &policy.Policy{Notes: []policy.Note{{Path: "/f", Line: 1, Text: "skipping \x1b", Warning: true}, {Path: "/f", Text: "quiet"}}}
	if said := standardError(t, func() { New("x", p, caller).Warnings() }); said != "x: /f:1: skipping \\x1b\n" {
		t.Errorf("%q", said)
	}
}

// standardError returns what is written to descriptor 2 meanwhile.
func standardError(t *testing.T, do func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	old, err := syscall.Dup(2)
	if err == nil {
		err = syscall.Dup3(int(w.Fd()), 2, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	do()
	if err := syscall.Dup3(old, 2, 0); err != nil {
		t.Fatal(err)
	}
	syscall.Close(old)
	w.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
