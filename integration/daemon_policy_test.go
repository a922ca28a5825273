package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// loggedServe starts a daemon with a system log of the test's own.
func loggedServe(t *testing.T, p policy) (*server, *journal) {
	t.Helper()
	j := listen(t, p.dir)
	s := serveBy(t, p, "unshare=1; exec /usr/bin/unshare --mount --propagation private /bin/sh -ec '"+strings.ReplaceAll(logHeard.jail(p.dir), "'", `'\''`)+` exec "$@"' sh "$@"`)
	return s, j
}

// The policy follows its files: each request is decided by what is there when it
// comes.
func TestDaemonReload(t *testing.T) {
	t.Parallel()
	p := daemonPolicy(t, "echo: CommandFilter, echo, root")
	s, log := loggedServe(t, p)
	before := s.settle()
	c := s.client()
	const (
		allowed = 0
		refused = 99
	)
	ask := func(what string, status int, argv ...string) result {
		t.Helper()
		r := c.run(argv...)
		if r.status != status {
			t.Errorf("%s: %q: %v, not %d", what, argv, r, status)
		}
		return r
	}
	records := func(what string, want ...string) {
		t.Helper()
		got := log.daemonRecords()
		ok := len(got) == len(want)
		for i := range want {
			ok = ok && strings.Contains(got[i], want[i]) && oneLine(got[i]+"\n")
		}
		if !ok {
			t.Errorf("%s: records %q, not %q", what, got, want)
		}
	}
	conf, _ := os.ReadFile(p.conf)
	ask("at first", refused, "id")

	write(t, p.filters, "[Filters]\nid: CommandFilter, id, root\n")
	ask("filters file changed", allowed, "id")
	ask("filters file changed", refused, "echo")
	other := p.dir + "/filters.d/other.filters"
	write(t, other, "[Filters]\necho: CommandFilter, echo, root\n")
	ask("filters file added", allowed, "echo")
	os.Remove(other)
	ask("filters file removed", refused, "echo")
	write(t, p.dir+"/new", "[Filters]\necho: CommandFilter, echo, root\n")
	os.Rename(p.dir+"/new", p.filters)
	ask("filters file exchanged", allowed, "echo")
	ask("filters file exchanged", refused, "id")
	// Faster than any clock: each change comes into force.
	for i := range 50 {
		write(t, p.filters, fmt.Sprintf("[Filters]\necho: RegExpFilter, echo, root, echo, %02d\n", i))
		ask("changed at once", allowed, "echo", fmt.Sprintf("%02d", i))
		ask("changed at once", refused, "echo", fmt.Sprintf("%02d", i+1))
	}
	write(t, p.filters, "[Filters]\necho: CommandFilter, echo, root\n")
	ask("as at first", allowed, "echo")
	log.daemonRecords()

	// What cannot be used, or trusted, changes nothing.
	for name, breaks := range map[string]func(){
		"no section":  func() { write(t, p.conf, "filters_path=/\n") },
		"wrong value": func() { write(t, p.conf, string(conf)+"max_children=none\n") },
		"gone":        func() { os.Remove(p.conf) },
		"of another":  func() { write(t, p.conf, string(conf)); os.Chown(p.conf, 65534, 0) },
		"writable":    func() { write(t, p.conf, string(conf)); os.Chmod(p.conf, 0o666) },
		"filters writable": func() {
			os.Chmod(p.filters, 0o666)
			write(t, p.filters, "[Filters]\nid: CommandFilter, id, root\n")
		},
	} {
		breaks()
		ask(name, allowed, "echo")
		ask(name, refused, "id")
		records(name, "the changed configuration cannot be used, the one before stays in force: "+p.dir, "Unauthorized command: id cwd=/")
		os.Remove(p.conf)
		os.Remove(p.filters)
		write(t, p.filters, "[Filters]\ntrue: CommandFilter, true, root\n")
		write(t, p.conf, string(conf))
		ask(name+", mended", allowed, "true")
		ask(name+", mended", refused, "echo")
		write(t, p.filters, "[Filters]\necho: CommandFilter, echo, root\n")
		ask(name+", as before", allowed, "echo")
		log.daemonRecords()
	}

	// On SIGHUP it is read whatever its files look like.
	write(t, p.conf, string(conf)+"use_syslog=yes\nsyslog_log_level=INFO\n")
	ask("rootwrap.conf changed", allowed, "echo")
	log.daemonRecords()
	syscall.Kill(s.pid, syscall.SIGHUP)
	var seen []string
	s.eventually("a record of SIGHUP", func() bool { seen = append(seen, log.daemonRecords()...); return len(seen) > 0 })
	if len(seen) != 1 || !strings.Contains(seen[0], "is in force now") {
		t.Errorf("SIGHUP: records %q", seen)
	}
	os.Remove(p.conf)
	syscall.Kill(s.pid, syscall.SIGHUP)
	seen = nil
	s.eventually("a record of SIGHUP", func() bool { seen = append(seen, log.daemonRecords()...); return len(seen) > 0 })
	if len(seen) != 1 || !strings.Contains(seen[0], "cannot be used") {
		t.Errorf("SIGHUP: records %q", seen)
	}
	ask("rootwrap.conf gone", allowed, "echo")
	s.dropAll()
	counters := s.same(before)
	if failed, loaded := counters[`ironwrap_policy_loads_total{result="failed"}`], counters[`ironwrap_policy_loads_total{result="loaded"}`]; failed < 7 || failed > 14 || loaded < 60 {
		t.Errorf("%v failed, %v loaded are counted", failed, loaded)
	}
}

// The program is looked up anew for each request.
func TestDaemonLooksUpPrograms(t *testing.T) {
	t.Parallel()
	p := daemonPolicy(t, "prog: CommandFilter, prog, root")
	s := serve(t, p)
	before := s.settle()
	c := s.client()
	program := func(path, says string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte("#!/bin/sh\necho "+says+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		os.Rename(path+".new", path)
	}
	if r := c.run("prog"); r.status != 96 {
		t.Error(r)
	}
	program(p.dir+"/bin/prog", "one")
	if r := c.run("prog"); r.out != "one\n" {
		t.Error(r)
	}
	program(p.dir+"/bin/prog", "two")
	if r := c.run("prog"); r.out != "two\n" {
		t.Error(r)
	}
	os.Chown(p.dir+"/bin/prog", 65534, 0)
	if r := c.run("prog"); r.status != 96 {
		t.Errorf("a program of another's: %v", r)
	}
	os.Remove(p.dir + "/bin/prog")
	if r := c.run("prog"); r.status != 96 {
		t.Error(r)
	}
	s.dropAll()
	s.same(before)
}

// Records name the client, as the kernel knows it; those who may not connect any
// more are refused on the connection that they have.
func TestDaemonClients(t *testing.T) {
	group := "iwgroup" + strconv.Itoa(os.Getpid())
	if r := run(t, "/usr/sbin/groupadd", group); r.status != 0 {
		t.Fatal(r)
	}
	t.Cleanup(func() { run(t, "/usr/sbin/groupdel", group) })
	entry, err := exec.Command("/usr/bin/getent", "group", group).Output()
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(strings.Split(string(entry), ":")[2])
	if err != nil {
		t.Fatal(err)
	}
	p := daemonPolicy(t, allowTrue, "allow_users=nobody", "allow_groups="+group, logAll)
	s, log := loggedServe(t, p)
	before := s.settle()
	log.daemonRecords()
	conf, _ := os.ReadFile(p.conf)

	type person struct {
		user
		groups []uint32
	}
	connect := func(who person) (c *rpc, err error) {
		as(who.user, who.groups, func() {
			var conn net.Conn
			if conn, err = net.Dial("unix", s.path); err == nil {
				s.conns = append(s.conns, conn)
				c = s.over(conn)
				if err = c.authenticate(s.key, "sha256"); err == nil {
					err = c.write([]byte(`[null, "accept_connection", ["x"], {}]`))
					c.read()
				}
			}
		})
		return c, err
	}
	people := map[string]person{
		"starter":             {caller, nil},
		"root":                {user{"root", 0, 0}, nil},
		"user":                {nobody, nil},
		"primary group":       {user{"daemon", 1, uint32(gid)}, nil},
		"supplementary group": {user{"daemon", 1, 1}, []uint32{4, uint32(gid), 27}},
	}
	open := map[string]*rpc{}
	for name, who := range people {
		c, err := connect(who)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if open[name] = c; c.run("true").status != 0 {
			t.Errorf("%s is refused", name)
		}
		id := fmt.Sprintf("client_uid=%d client_pid=%d ruid=0 sudo_uid=%d loginuid=", who.uid, os.Getpid(), caller.uid)
		want := ") Executing /usr/bin/true (filter match = true) filter=" + p.filters + ":2 run_as=root cwd=/"
		if got := log.daemonRecords(); len(got) != 1 || !strings.HasPrefix(got[0], id) || !strings.Contains(strings.ReplaceAll(got[0], `"`, ""), strings.ReplaceAll(want, `"`, "")) {
			t.Errorf("%s: records %q, not %q", name, got, want)
		}
		if r := c.run("mkfs"); r.status != 99 {
			t.Error(r)
		}
		want = " Unauthorized command: mkfs cwd=/"
		if got := log.daemonRecords(); len(got) != 1 || !strings.HasPrefix(got[0], id) || !strings.Contains(got[0], want) {
			t.Errorf("%s: records %q, not %q", name, got, want)
		}
	}
	strangers := map[string]person{"stranger": {user{"daemon", 1, 1}, []uint32{4, 27}}, "many groups": {user{"daemon", 1, 1}, many(500)}}
	for name, who := range strangers {
		if _, err := connect(who); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s is let in: %v", name, err)
		}
	}
	if got := log.daemonRecords(); len(got) < 1 || !strings.Contains(got[0], fmt.Sprintf("refused a connection of uid 1, process %d: user daemon may not call", os.Getpid())) {
		t.Errorf("records %q", got)
	}

	// Taken from the lists.
	write(t, p.conf, strings.Replace(strings.Replace(string(conf), "allow_users=nobody", "allow_users=bin", 1), "allow_groups="+group, "allow_groups=bin", 1))
	for name, c := range open {
		r := c.run("true")
		if may := name == "starter" || name == "root"; may != (r.status == 0) || !may && (r.status != 99 || r.out != "" || !oneLine(r.err)) {
			t.Errorf("%s, after the change: %v", name, r)
		}
		if _, err := connect(people[name]); (err == nil) != (name == "starter" || name == "root") {
			t.Errorf("%s connects after the change: %v", name, err)
		}
	}
	write(t, p.conf, string(conf))
	for name, c := range open {
		if r := c.run("true"); r.status != 0 {
			t.Errorf("%s, back in the list: %v", name, r)
		}
	}
	s.dropAll()
	s.same(before)
}

func many(n int) (list []uint32) {
	for i := range n {
		list = append(list, uint32(100_000+i))
	}
	return list
}
