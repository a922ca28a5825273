package daemon

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// With no descriptor left, clients wait or are told; nothing spins, nothing is
// taken for something else, and afterwards all is as before.
func TestDaemonDescriptorsUsedUp(t *testing.T) {
	const limit = 64
	s := rig.ServeBy(t, rig.DaemonPolicy(t, rig.AllowTrue), fmt.Sprintf(`exec prlimit --nofile=%d:%d "$@"`, limit, limit))
	before := settle(s)
	if before.descriptors >= limit-5 {
		t.Fatalf("%v are too many for this test", before)
	}
	// Clients that have shown the key take all that there are.
	var clients []*rig.RPC
	for range limit - before.descriptors - 3 { // the launcher that has stayed takes three
		clients = append(clients, s.Client())
	}
	late := s.Over(s.Dial())
	served, told := 0, 0
	for range 3 {
		for i, c := range clients {
			switch r := c.Run("true"); {
			case r.Status == 0:
				served++
			case r.Status == 97 && r.Out == "" && rig.OneLine(r.Err) && strings.Contains(r.Err, "too many open files"):
				told++
			default:
				t.Errorf("client %d: %v", i, r)
			}
		}
	}
	t.Logf("%d served, %d told", served, told)
	if told == 0 {
		t.Error("there was no want of descriptors")
	}
	start := ticks(s)
	time.Sleep(time.Second)
	if used := ticks(s) - start; used > 20 {
		t.Errorf("waiting took %d hundredths of a second of processor time in a second", used)
	}
	for _, c := range clients {
		c.Conn.Close()
	}
	// Who has waited is served now.
	if err := late.Authenticate(s.Key, "sha256"); err != nil {
		t.Error(err)
	}
	if err := once(s); err != nil {
		t.Error(err)
	}
	s.DropAll()
	same(s, before)
}

// Where the daemon cannot be set up it says so in one line, and leaves nothing.
func TestDaemonCannotStart(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowTrue)
	for name, test := range map[string]struct{ script, why string }{
		"no inode for the directory":    {"mkdir -p /run/ironwrap; mount -t tmpfs -o mode=755,nr_inodes=1 none /run/ironwrap", "no space left on device"},
		"no inode for the socket":       {"mkdir -p /run/ironwrap; mount -t tmpfs -o mode=755,nr_inodes=2 none /run/ironwrap", "no space left on device"},
		"directory of another's":        {"mkdir -p /run/ironwrap; mount -t tmpfs -o mode=755,uid=65534 none /run/ironwrap", "/run/ironwrap"},
		"directory that others write":   {"mkdir -p /run/ironwrap; mount -t tmpfs -o mode=1777 none /run/ironwrap", "/run/ironwrap"},
		"directory of a group's":        {"mkdir -p /run/ironwrap; mount -t tmpfs -o mode=0775,gid=4 none /run/ironwrap", "/run/ironwrap"},
		"link to another's directory":   {"mount -t tmpfs -o mode=755 none /run; mkdir -m 777 /run/x; ln -s /run/x /run/ironwrap", "/run/"},
		"link to nowhere":               {"mount -t tmpfs -o mode=755 none /run; ln -s /run/x /run/ironwrap", "/run/"},
		"file in the directory's place": {"mount -t tmpfs -o mode=755 none /run; touch /run/ironwrap", "/run/ironwrap"},
		"directory above of another's":  {"mount -t tmpfs -o mode=755,uid=65534 none /run", "/run"},
		"read-only":                     {"mount -t tmpfs -o ro none /run", "read-only file system"},
		"standard output closed":        {"exec >&-", "cannot tell the client where the socket is"},
		"standard output full":          {"exec >/dev/full", "no space left on device"},
		"client gone":                   {"sleep 0.3", "broken pipe"},
		"no launcher":                   {"mount -t tmpfs none " + strings.TrimSuffix(rig.OursLaunch, "/ironwrap-launch") + " 2>/dev/null; exec /proc/self/fd/7 \"$2\"", "ironwrap-launch"},
	} {
		if name == "no launcher" {
			test.script = "exec 7<" + rig.OursDaemon + "; " + test.script
		}
		before := directories(t)
		c := exec.Command("/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", test.script+`; exec "$@"`, "sh", rig.OursDaemon, p.Conf)
		c.Dir, c.Env = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		var r rig.Result
		if name == "client gone" {
			r = clientGone(t, c)
		} else {
			r = rig.RunCmd(t, c)
		}
		if r.Status != 97 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, ": ") || !strings.Contains(r.Err, test.why) {
			t.Errorf("%s: %v", name, r)
		}
		if after := directories(t); !slices.Equal(after, before) && !subset(after, before) {
			t.Errorf("%s: left %q, before %q", name, after, before)
		}
	}
	s := &rig.Server{TB: t, Policy: p}
	s.Eventually("all processes to end", func() bool { return len(s.Processes()) == 0 })
}

// Where /run cannot be used another directory can, with the same demands.
func TestDaemonSocketDir(t *testing.T) {
	for name, script := range map[string]string{
		"read-only /run":          "mount -t tmpfs -o ro none /run",
		"/run that all may write": "mount -t tmpfs -o mode=0777 none /run",
	} {
		t.Run(name, func(t *testing.T) {
			p := rig.DaemonPolicy(t, rig.AllowTrue)
			enter := []string{"/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", script + `; exec "$@"`, "sh"}
			r := rig.Run(t, append(enter, rig.OursDaemon, p.Conf)...)
			if r.Status != 97 || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "set socket_dir in "+p.Conf+" to ") {
				t.Errorf("without the key: %v", r)
			}
			text, err := os.ReadFile(p.Conf)
			if err != nil {
				t.Fatal(err)
			}
			for _, made := range []string{"", "/sockets"} { // there, and not there yet
				dir := p.Dir + "/s" + made
				if err := os.MkdirAll(p.Dir+"/s", 0o755); err != nil {
					t.Fatal(err)
				}
				rig.Write(t, p.Conf, string(text)+"socket_dir="+dir+"\n")
				c := exec.Command(enter[0], append(enter[1:], rig.OursDaemon, p.Conf)...)
				c.Dir, c.Env = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
				s := rig.Await(t, p, c)
				if !strings.HasPrefix(s.Path, dir+"/") || s.Client().Run("true").Status != 0 {
					t.Errorf("%s: the socket is %s", dir, s.Path)
				}
				if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o755 {
					t.Errorf("%v, %v", st, err)
				}
			}
		})
	}
	theirs := "/var/lib/" + rig.Caller.Name
	p := rig.DaemonPolicy(t, rig.AllowTrue)
	text, err := os.ReadFile(p.Conf)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ setup, dir, why string }{
		"of the caller's":                {"", theirs, theirs},
		"below one of the caller's":      {"", theirs + "/x", theirs},
		"through a link of the caller's": {"ln -s " + p.Dir + " " + theirs + "/link; chown -h " + rig.Caller.Name + " " + theirs + "/link", theirs + "/link/x", theirs},
		"that others may write":          {"mkdir -m 1777 " + p.Dir + "/all", p.Dir + "/all", p.Dir + "/all"},
		"a link to it":                   {"ln -s all " + p.Dir + "/link", p.Dir + "/link", p.Dir},
		"a file":                         {"touch " + p.Dir + "/file", p.Dir + "/file", p.Dir + "/file"},
		"of which nothing is there":      {"", p.Dir + "/not/there", "no such file"},
		"relative":                       {"", "run", "socket_dir: "},
		"with dots":                      {"", p.Dir + "/../x", "socket_dir: "},
		"too long":                       {"", "/" + strings.Repeat("x", 60), "socket_dir: "},
	} {
		if c.setup != "" {
			if r := rig.Run(t, "/bin/sh", "-ec", c.setup); r.Status != 0 {
				t.Fatal(r)
			}
		}
		rig.Write(t, p.Conf, string(text)+"socket_dir="+c.dir+"\n")
		r := rig.Run(t, rig.OursDaemon, p.Conf)
		if r.Status != 97 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, c.why) {
			t.Errorf("%s: %v", name, r)
		}
		if _, err := os.Lstat(theirs + "/x"); err == nil {
			t.Errorf("%s: something was made", name)
		}
	}
	os.Remove(theirs + "/link")
	if _, err := os.Lstat(p.Dir + "/x"); err == nil {
		t.Error("something was made where a link of the caller's leads")
	}
}

// subset tells whether all of a are in b: other tests' daemons may have ended.
func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(x string) bool { return !slices.Contains(b, x) })
}

// clientGone runs a daemon of which nobody reads the path of its socket.
func clientGone(t *testing.T, c *exec.Cmd) rig.Result {
	t.Helper()
	var errOut strings.Builder
	c.Stderr = &errOut
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	out.Close()
	timer := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	defer timer.Stop()
	c.Wait()
	return rig.Result{Status: c.ProcessState.ExitCode(), Err: errOut.String()}
}

// max_children commands run at a time, the others in the order they came; who has
// gone meanwhile is forgotten.
func TestDaemonMaxChildren(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, rig.AllowShell, "max_children=2")
	s := rig.Serve(t, p)
	before := settle(s)
	if err := os.Mkdir(p.Dir+"/running", 0o755); err != nil {
		t.Fatal(err)
	}
	script := "cd " + p.Dir + "/running; touch $$; ls | wc -l; sleep 0.1; rm $$"
	var all sync.WaitGroup
	for range 10 {
		c := s.Client()
		all.Go(func() {
			if r := c.Run("sh", "-c", script); r.Status != 0 || r.Out != "1\n" && r.Out != "2\n" {
				t.Errorf("%v", r)
			}
		})
	}
	all.Wait()
	a, b := s.Client(), s.Client()
	runs(s, a, "{started}; sleep 1")
	runs(s, b, "{started}; sleep 1")
	gone := s.Client()
	gone.Write([]byte(rig.Request("", "sh", "-c", "touch "+p.Dir+"/late")))
	time.Sleep(100 * time.Millisecond)
	gone.Conn.Close()
	a.Reply()
	b.Reply()
	if r := s.Client().Run("sh", "-c", "echo next"); r.Out != "next\n" {
		t.Error(r)
	}
	if _, err := os.Stat(p.Dir + "/late"); err == nil {
		t.Error("a command was begun whose client had gone while it waited")
	}
	s.DropAll()
	same(s, before)
}

// Many clients that leave at once, in the middle of anything.
func TestDaemonManyLeave(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowShell, "kill_on_disconnect=yes"))
	before := settle(s)
	for i := range 300 {
		switch c := s.Client(); i % 6 {
		case 0:
			c.Write([]byte(rig.Request("", "sh", "-c", "sleep 60")))
		case 1:
			c.Write([]byte(rig.Request("", "sh", "-c", "head -c 1000000 /dev/zero")))
		case 2:
			c.Conn.Write(rig.Frame([]byte(rig.Request(strings.Repeat("x", 1<<20), "sh", "-c", "sleep 60")))[:i*1000])
		case 3:
			c.Write([]byte(rig.Request(strings.Repeat("x", 1<<20), "sh", "-c", "sleep 60")))
		case 4:
			c.Conn.(*net.UnixConn).CloseWrite()
		}
	}
	s.DropAll()
	same(s, before)
}

// Who says nothing before the key is shown, or stops half-way, has so many seconds;
// a message that stands still has more.
func TestDaemonDeadlines(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue+"\nhead: CommandFilter, head, root", "daemon_timeout=0"))
	before := settle(s)
	start := time.Now()
	waits := map[string]net.Conn{"silent": s.Dial(), "slow": s.Dial(), "half-way": halfWay(s).Conn}
	rests := s.Client()
	stalled, unread := s.Client(), s.Client()
	stalled.Conn.Write(rig.Frame([]byte(rig.Request("", "true")))[:20])
	unread.Write([]byte(rig.Request("", "head", "-c", "3000000", "/dev/zero")))
	unread.Conn.SetDeadline(time.Now().Add(2 * time.Minute))
	go func() {
		for _, b := range rig.Frame(make([]byte, 100)) { // one byte a second
			if _, err := waits["slow"].Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	for name, c := range waits {
		if text, err := io.ReadAll(c); len(text) > 100 || os.IsTimeout(err) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if took := time.Since(start); took < 9*time.Second || took > 20*time.Second {
			t.Errorf("%s: closed after %v", name, took)
		}
	}
	if text, err := io.ReadAll(stalled.In); len(text) > 0 || err != nil || time.Since(start) < 25*time.Second {
		t.Errorf("a request that stands still: %q, %v after %v", text, err, time.Since(start))
	}
	s.Eventually("the reply that nobody reads to be given up", func() bool { return has(s) == idle{before.descriptors + 1, before.children} })
	if r := rests.Run("true"); r.Status != 0 {
		t.Errorf("a client that rested: %v", r)
	}
	if syscall.Kill(s.Pid, 0) != nil {
		t.Error("the daemon has ended")
	}
	s.DropAll()
	same(s, before)
}
