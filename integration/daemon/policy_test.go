package daemon

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

	"ironwrap/integration/rig"
)

// loggedServe starts a daemon with a system log of the test's own.
func loggedServe(t *testing.T, p rig.Policy) (*rig.Server, *rig.Journal) {
	t.Helper()
	j := rig.Listen(t, p.Dir)
	s := rig.ServeBy(t, p, "unshare=1; exec /usr/bin/unshare --mount --propagation private /bin/sh -ec '"+strings.ReplaceAll(rig.LogHeard.Jail(p.Dir), "'", `'\''`)+` exec "$@"' sh "$@"`)
	return s, j
}

// The policy follows its files: each request is decided by what is there when it
// comes.
func TestDaemonReload(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, "echo: CommandFilter, echo, root")
	s, log := loggedServe(t, p)
	before := settle(s)
	c := s.Client()
	const (
		allowed = 0
		refused = 99
	)
	ask := func(what string, status int, argv ...string) rig.Result {
		t.Helper()
		r := c.Run(argv...)
		if r.Status != status {
			t.Errorf("%s: %q: %v, not %d", what, argv, r, status)
		}
		return r
	}
	records := func(what string, want ...string) {
		t.Helper()
		got := log.DaemonRecords()
		ok := len(got) == len(want)
		for i := range want {
			ok = ok && strings.Contains(got[i], want[i]) && rig.OneLine(got[i]+"\n")
		}
		if !ok {
			t.Errorf("%s: records %q, not %q", what, got, want)
		}
	}
	conf, _ := os.ReadFile(p.Conf)
	ask("at first", refused, "id")

	rig.Write(t, p.Filters, "[Filters]\nid: CommandFilter, id, root\n")
	ask("filters file changed", allowed, "id")
	ask("filters file changed", refused, "echo")
	other := p.Dir + "/filters.d/other.filters"
	rig.Write(t, other, "[Filters]\necho: CommandFilter, echo, root\n")
	ask("filters file added", allowed, "echo")
	os.Remove(other)
	ask("filters file removed", refused, "echo")
	rig.Write(t, p.Dir+"/new", "[Filters]\necho: CommandFilter, echo, root\n")
	os.Rename(p.Dir+"/new", p.Filters)
	ask("filters file exchanged", allowed, "echo")
	ask("filters file exchanged", refused, "id")
	// Faster than any clock: each change comes into force.
	for i := range 50 {
		rig.Write(t, p.Filters, fmt.Sprintf("[Filters]\necho: RegExpFilter, echo, root, echo, %02d\n", i))
		ask("changed at once", allowed, "echo", fmt.Sprintf("%02d", i))
		ask("changed at once", refused, "echo", fmt.Sprintf("%02d", i+1))
	}
	rig.Write(t, p.Filters, "[Filters]\necho: CommandFilter, echo, root\n")
	ask("as at first", allowed, "echo")
	log.DaemonRecords()

	// What cannot be used, or trusted, changes nothing.
	for name, breaks := range map[string]func(){
		"no section":  func() { rig.Write(t, p.Conf, "filters_path=/\n") },
		"wrong value": func() { rig.Write(t, p.Conf, string(conf)+"max_children=none\n") },
		"gone":        func() { os.Remove(p.Conf) },
		"of another":  func() { rig.Write(t, p.Conf, string(conf)); os.Chown(p.Conf, 65534, 0) },
		"writable":    func() { rig.Write(t, p.Conf, string(conf)); os.Chmod(p.Conf, 0o666) },
		"filters writable": func() {
			os.Chmod(p.Filters, 0o666)
			rig.Write(t, p.Filters, "[Filters]\nid: CommandFilter, id, root\n")
		},
	} {
		breaks()
		ask(name, allowed, "echo")
		ask(name, refused, "id")
		records(name, "the changed configuration cannot be used, the one before stays in force: "+p.Dir, "Unauthorized command: id cwd=/")
		os.Remove(p.Conf)
		os.Remove(p.Filters)
		rig.Write(t, p.Filters, "[Filters]\ntrue: CommandFilter, true, root\n")
		rig.Write(t, p.Conf, string(conf))
		ask(name+", mended", allowed, "true")
		ask(name+", mended", refused, "echo")
		rig.Write(t, p.Filters, "[Filters]\necho: CommandFilter, echo, root\n")
		ask(name+", as before", allowed, "echo")
		log.DaemonRecords()
	}

	// On SIGHUP it is read whatever its files look like.
	rig.Write(t, p.Conf, string(conf)+"use_syslog=yes\nsyslog_log_level=INFO\n")
	ask("rootwrap.conf changed", allowed, "echo")
	log.DaemonRecords()
	syscall.Kill(s.Pid, syscall.SIGHUP)
	var seen []string
	s.Eventually("a record of SIGHUP", func() bool { seen = append(seen, log.DaemonRecords()...); return len(seen) > 0 })
	if len(seen) != 1 || !strings.Contains(seen[0], "is in force now") {
		t.Errorf("SIGHUP: records %q", seen)
	}
	os.Remove(p.Conf)
	syscall.Kill(s.Pid, syscall.SIGHUP)
	seen = nil
	s.Eventually("a record of SIGHUP", func() bool { seen = append(seen, log.DaemonRecords()...); return len(seen) > 0 })
	if len(seen) != 1 || !strings.Contains(seen[0], "cannot be used") {
		t.Errorf("SIGHUP: records %q", seen)
	}
	ask("rootwrap.conf gone", allowed, "echo")
	s.DropAll()
	counters := same(s, before)
	if failed, loaded := counters[`ironwrap_policy_loads_total{result="failed"}`], counters[`ironwrap_policy_loads_total{result="loaded"}`]; failed < 7 || failed > 14 || loaded < 60 {
		t.Errorf("%v failed, %v loaded are counted", failed, loaded)
	}
}

// The program is looked up anew for each request.
func TestDaemonLooksUpPrograms(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, "prog: CommandFilter, prog, root")
	s := rig.Serve(t, p)
	before := settle(s)
	c := s.Client()
	program := func(path, says string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte("#!/bin/sh\necho "+says+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		os.Rename(path+".new", path)
	}
	if r := c.Run("prog"); r.Status != 96 {
		t.Error(r)
	}
	program(p.Dir+"/bin/prog", "one")
	if r := c.Run("prog"); r.Out != "one\n" {
		t.Error(r)
	}
	program(p.Dir+"/bin/prog", "two")
	if r := c.Run("prog"); r.Out != "two\n" {
		t.Error(r)
	}
	os.Chown(p.Dir+"/bin/prog", 65534, 0)
	if r := c.Run("prog"); r.Status != 96 {
		t.Errorf("a program of another's: %v", r)
	}
	os.Remove(p.Dir + "/bin/prog")
	if r := c.Run("prog"); r.Status != 96 {
		t.Error(r)
	}
	s.DropAll()
	same(s, before)
}

// Records name the client, as the kernel knows it; those who may not connect any
// more are refused on the connection that they have.
func TestDaemonClients(t *testing.T) {
	group := "iwgroup" + strconv.Itoa(os.Getpid())
	rig.NewGroup(t, group)
	entry, err := exec.Command("/usr/bin/getent", "group", group).Output()
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(strings.Split(string(entry), ":")[2])
	if err != nil {
		t.Fatal(err)
	}
	p := rig.DaemonPolicy(t, rig.AllowTrue, "allow_users=nobody", "allow_groups="+group, rig.LogAll)
	s, log := loggedServe(t, p)
	before := settle(s)
	log.DaemonRecords()
	conf, _ := os.ReadFile(p.Conf)

	type person struct {
		rig.User
		groups []uint32
	}
	connect := func(who person) (c *rig.RPC, err error) {
		rig.As(who.User, who.groups, func() {
			var conn net.Conn
			if conn, err = net.Dial("unix", s.Path); err == nil {
				s.Conns = append(s.Conns, conn)
				c = s.Over(conn)
				if err = c.Authenticate(s.Key, "sha256"); err == nil {
					err = c.Write([]byte(`[null, "accept_connection", ["x"], {}]`))
					c.Read()
				}
			}
		})
		return c, err
	}
	people := map[string]person{
		"starter":             {rig.Caller, nil},
		"root":                {rig.User{Name: "root", UID: 0, GID: 0}, nil},
		"user":                {nobody, nil},
		"primary group":       {rig.User{Name: "daemon", UID: 1, GID: uint32(gid)}, nil},
		"supplementary group": {rig.User{Name: "daemon", UID: 1, GID: 1}, []uint32{4, uint32(gid), 27}},
	}
	open := map[string]*rig.RPC{}
	for name, who := range people {
		c, err := connect(who)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if open[name] = c; c.Run("true").Status != 0 {
			t.Errorf("%s is refused", name)
		}
		id := fmt.Sprintf("client_uid=%d client_pid=%d ruid=0 sudo_uid=%d loginuid=", who.UID, os.Getpid(), rig.Caller.UID)
		want := ") Executing /usr/bin/true (filter match = true) filter=" + p.Filters + ":2 run_as=root cwd=/"
		if got := log.DaemonRecords(); len(got) != 1 || !strings.HasPrefix(got[0], id) || !strings.Contains(strings.ReplaceAll(got[0], `"`, ""), strings.ReplaceAll(want, `"`, "")) {
			t.Errorf("%s: records %q, not %q", name, got, want)
		}
		if r := c.Run("mkfs"); r.Status != 99 {
			t.Error(r)
		}
		want = " Unauthorized command: mkfs cwd=/"
		if got := log.DaemonRecords(); len(got) != 1 || !strings.HasPrefix(got[0], id) || !strings.Contains(got[0], want) {
			t.Errorf("%s: records %q, not %q", name, got, want)
		}
	}
	strangers := map[string]person{"stranger": {rig.User{Name: "daemon", UID: 1, GID: 1}, []uint32{4, 27}}, "many groups": {rig.User{Name: "daemon", UID: 1, GID: 1}, many(500)}}
	for name, who := range strangers {
		if _, err := connect(who); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s is let in: %v", name, err)
		}
	}
	if got := log.DaemonRecords(); len(got) < 1 || !strings.Contains(got[0], fmt.Sprintf("refused a connection of uid 1, process %d: user daemon may not call", os.Getpid())) {
		t.Errorf("records %q", got)
	}

	// Taken from the lists.
	rig.Write(t, p.Conf, strings.Replace(strings.Replace(string(conf), "allow_users=nobody", "allow_users=bin", 1), "allow_groups="+group, "allow_groups=bin", 1))
	for name, c := range open {
		r := c.Run("true")
		if may := name == "starter" || name == "root"; may != (r.Status == 0) || !may && (r.Status != 99 || r.Out != "" || !rig.OneLine(r.Err)) {
			t.Errorf("%s, after the change: %v", name, r)
		}
		if _, err := connect(people[name]); (err == nil) != (name == "starter" || name == "root") {
			t.Errorf("%s connects after the change: %v", name, err)
		}
	}
	rig.Write(t, p.Conf, string(conf))
	for name, c := range open {
		if r := c.Run("true"); r.Status != 0 {
			t.Errorf("%s, back in the list: %v", name, r)
		}
	}
	s.DropAll()
	same(s, before)
}

func many(n int) (list []uint32) {
	for i := range n {
		list = append(list, uint32(100_000+i))
	}
	return list
}
