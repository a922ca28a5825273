package audited

import (
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
)

const x86 = 0xc000003e

func read(t testing.TB, lines ...string) *Log {
	t.Helper()
	l := &Log{Users: map[uint32]bool{0: true}, Maker: func(exe string) bool { return exe == "/usr/bin/ironwrap" }}
	if err := l.Read(strings.NewReader(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	return l
}

const (
	stamp = "1795874532.302:304"
	call  = `auid=4294967295 uid=0 gid=0 ses=4294967295 pid=25750 comm="uname" exe="/usr/bin/uname" sig=0 arch=c000003e syscall=63 compat=0 ip=0x7f549ad9bb07 code=0x7ffc0000`
)

// Each form in which a log has the record.
func TestForms(t *testing.T) {
	want := map[Call]int{{x86, 63, 0, "/usr/bin/uname"}: 1}
	for _, line := range []string{
		"type=SECCOMP msg=audit(" + stamp + "): " + call,
		"node=host1 type=1326 msg=audit(" + stamp + "): " + call,
		"type=SECCOMP msg=audit(" + stamp + "): " + call + "\x1dARCH=x86_64 SYSCALL=uname AUID=\"unset\" UID=\"root\"",
		"audit: type=1326 audit(" + stamp + "): " + call,
		"[61854.881362] audit: type=1326 audit(" + stamp + "): " + call,
		"<5>[    4.881362] audit: type=1326 audit(" + stamp + "): " + call,
		"[Sat Nov 28 14:02:12 2026] audit: type=1326 audit(" + stamp + "): " + call,
		"SECCOMP " + call,
		"SECCOMP " + strings.Replace(call, " pid=", " subj=/usr/bin/x (enforce) pid=", 1),
	} {
		if l := read(t, line, ""); !maps.Equal(l.Calls, want) || l.Odd+l.Others+l.Lost != 0 {
			t.Errorf("%s: %+v", line, l)
		}
	}
}

// What anybody could have had written, what is another record, what is damaged.
func TestNotCounted(t *testing.T) {
	kernel := "audit: type=1326 audit(" + stamp + "): "
	for line, odd := range map[string]int{
		"Nov 28 14:02:12 host kernel: " + kernel + call:                           1,
		"Nov 28 14:02:12 host me: x\r" + kernel + call:                            1,
		`type=USER_AVC msg=audit(1.2:3): pid=1 uid=0 msg='` + kernel + call + `'`: 1,
		kernel + call + " ":            1,
		kernel + call + " uid=0":       1,
		kernel + " " + call:            1,
		kernel + call[:40]:             1,
		strings.ToUpper(kernel + call): 0,
		kernel + strings.Replace(call, "syscall=63", "syscall=-1", 1):                               1,
		kernel + strings.Replace(call, "syscall=63", "syscall=4294967296", 1):                       1,
		kernel + strings.Replace(call, `"/usr/bin/uname"`, `"/usr/bin/uname" exe="/usr/bin/id"`, 1): 1,
		kernel + strings.Replace(call, `"/usr/bin/uname"`, `"/usr/bin/u name"`, 1):                  1,
		kernel + strings.Replace(call, `"uname"`, `"u" exe="/bin/x"`, 1):                            1,
		kernel + strings.Replace(call, "0x7ffc0000", "0x80000000", 1):                               0, // killed
		kernel + strings.Replace(call, "0x7ffc0000", "0x50001", 1):                                  0, // refused
		"": 0, "\x1d": 0,
	} {
		if l := read(t, line); len(l.Calls) != 0 || l.Odd != odd {
			t.Errorf("%q: %+v", line, l)
		}
	}
	if l := read(t, kernel+strings.Replace(call, " uid=0 ", " uid=1000 ", 1)); len(l.Calls) != 0 || l.Others != 1 {
		t.Errorf("another user's: %+v", l)
	}
	if l := read(t, strings.Repeat("x", 3*longest), kernel+call, strings.Repeat("y", longest)+kernel+call); len(l.Calls) != 1 || l.Odd != 0 {
		t.Errorf("long lines: %+v", l)
	}
}

func TestLost(t *testing.T) {
	if l := read(t, "[1.0] audit: audit_lost=3 audit_rate_limit=0 audit_backlog_limit=64", "[1.0] kauditd_printk_skb: 12 callbacks suppressed",
		"audit: backlog limit exceeded", "Nov 1 host me: audit: backlog limit exceeded"); l.Lost != 3 {
		t.Errorf("%+v", l)
	}
}

// Landlock's: the maker's record tells whose domain it is, that of the system call which
// program was refused.
func TestRefusals(t *testing.T) {
	begin := func(domain, exe string, uid int) string {
		return fmt.Sprintf(`type=1424 msg=audit(1.0:1): domain=%s status=allocated mode=enforcing pid=7 uid=%d exe="%s" comm="x"`, domain, uid, exe)
	}
	refused := func(stamp, domain, rest string) string {
		return "type=LANDLOCK_ACCESS msg=audit(" + stamp + "): domain=" + domain + " blockers=" + rest
	}
	l := read(t,
		refused("1.0:1", "a1", `fs.read_file path="/etc/shadow" dev="vda" ino=7`),
		begin("a1", "/usr/bin/ironwrap", 0),
		`type=SYSCALL msg=audit(1.0:1): arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c a1=7feab5e550b1 a2=80000 a3=0 items=0 ppid=25697 pid=25890 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="sh" exe="/usr/bin/dash" key=(null)`,
		refused("1.0:2", "a1", "fs.write_file,fs.truncate path=2F6574632F612062 dev=\"vda\" ino=7"),
		refused("1.0:3", "a1", "net.connect_tcp daddr=127.0.0.1 dest=80"),
		refused("1.0:4", "a1", "net.bind_tcp saddr=127.0.0.1 src=81"),
		refused("1.0:4", "a1", `scope.signal opid=1 ocomm="x" path="/forged" dev="vda" ino=7`),
		refused("1.0:5", "b2", `fs.read_file path="/mine" dev="vda" ino=7`),
		begin("b2", "/home/me/ironwrap", 0),
		refused("1.0:6", "c3", `fs.read_file path="/mine" dev="vda" ino=7`),
		begin("c3", "/usr/bin/ironwrap", 1000),
		`type=1424 msg=audit(1.0:1): domain=a1 status=deallocated denials=9`,
		refused("1.0:7", "zz", "fs.read_file"),
	)
	want := map[Refusal]int{
		{"a1", "fs.read_file", "/etc/shadow", "", "/usr/bin/dash"}: 1,
		{"a1", "fs.write_file,fs.truncate", "/etc/a b", "", ""}:    1,
		{"a1", "net.connect_tcp", "", "80", ""}:                    1,
		{"a1", "net.bind_tcp", "", "81", ""}:                       1,
		{"a1", "scope.signal", "", "", ""}:                         1,
	}
	if !maps.Equal(l.Refusals, want) || l.Orphans != 2 || l.Odd != 1 {
		t.Errorf("%+v", l)
	}
	if d := l.Domains["a1"]; len(l.Domains) != 1 || !reflect.DeepEqual(d, &Domain{0, "/usr/bin/ironwrap", 5, 9}) {
		t.Errorf("%+v", d)
	}
}

// However many different names there are, not all are kept, and that is said.
func TestBounded(t *testing.T) {
	var b strings.Builder
	for i := range most + 100 {
		b.WriteString("SECCOMP " + strings.Replace(call, "uname\" sig", fmt.Sprintf("%d\" sig", i), 1) + "\n")
		fmt.Fprintf(&b, "AUDIT1423 domain=%x blockers=fs.read_file path=\"/%d\" dev=\"vda\" ino=7\n", i, i)
		fmt.Fprintf(&b, "AUDIT1424 domain=%x status=allocated mode=enforcing pid=7 uid=0 exe=\"/usr/bin/ironwrap\" comm=\"x\"\n", i)
	}
	if l := read(t, b.String()); len(l.Calls) != most || len(l.Domains) != most || len(l.Refusals) > most || !l.Full || l.Orphans == 0 {
		t.Errorf("%d, %d, %d, %v", len(l.Calls), len(l.Domains), len(l.Refusals), l.Full)
	}
}

// FuzzLine: whatever a log holds, only what stands in it comes out.
func FuzzLine(f *testing.F) {
	f.Add("type=SECCOMP msg=audit(" + stamp + "): " + call)
	f.Add("AUDIT1423 domain=a1 blockers=fs.read_file path=2F61 dev=\"vda\" ino=7\nAUDIT1424 domain=a1 status=allocated mode=enforcing pid=7 uid=0 exe=\"/usr/bin/ironwrap\" comm=\"x\"")
	f.Add("[1.0] audit: audit_lost=3")
	f.Fuzz(func(t *testing.T, text string) {
		l := read(t, text)
		for c := range l.Calls {
			hexed := strings.ToUpper(hex.EncodeToString([]byte(c.Exe)))
			if c.UID != 0 || !strings.Contains(text, "syscall="+fmt.Sprint(c.Number)) && !strings.Contains(text, "syscall=0") || c.Exe != "" && !strings.Contains(text, `exe="`+c.Exe+`"`) && !strings.Contains(text, "exe="+hexed) {
				t.Errorf("%q: %+v", text, c)
			}
		}
		for r := range l.Refusals {
			if l.Domains[r.Domain] == nil {
				t.Errorf("%q: %+v", text, r)
			}
		}
	})
}

// kernel writes a name as the kernel does.
func kernel(name string) string {
	for _, c := range []byte(name) {
		if c == '"' || c < 0x21 || c > 0x7e {
			return strings.ToUpper(hex.EncodeToString([]byte(name)))
		}
	}
	return `"` + name + `"`
}

// FuzzNames: no name of a process or program makes a record say something else.
func FuzzNames(f *testing.F) {
	f.Add("uname", "/usr/bin/uname")
	f.Add(`x" exe="/usr/bin/qemu-img`, "/home/me/a b\nSECCOMP "+call)
	f.Add("\x1d", "(null)")
	f.Add("", "\xff\x00")
	f.Fuzz(func(t *testing.T, comm, exe string) {
		line := strings.Replace(call, `comm="uname" exe="/usr/bin/uname"`, "comm="+kernel(comm)+" exe="+kernel(exe), 1)
		for _, text := range []string{"SECCOMP " + line, "type=1326 msg=audit(" + stamp + "): " + line, "audit: type=1326 audit(" + stamp + "): " + line} {
			if len(text) >= longest {
				return
			}
			if l := read(t, text); !maps.Equal(l.Calls, map[Call]int{{x86, 63, 0, exe}: 1}) || l.Odd != 0 {
				t.Errorf("%q: %+v", text, l)
			}
		}
		refusal := "AUDIT1423 domain=a1 blockers=fs.read_file path=" + kernel(exe) + " dev=\"vda\" ino=7"
		begin := "AUDIT1424 domain=a1 status=allocated mode=enforcing pid=7 uid=0 exe=\"/usr/bin/ironwrap\" comm=" + kernel(comm)
		if l := read(t, refusal, begin); !maps.Equal(l.Refusals, map[Refusal]int{{"a1", "fs.read_file", exe, "", ""}: 1}) {
			t.Errorf("%q: %+v", exe, l)
		}
	})
}
