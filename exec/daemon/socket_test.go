package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
)

// inRunDir lets the test make sockets elsewhere.
func inRunDir(t *testing.T) {
	t.Helper()
	needRoot(t)
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-test-")
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir, 0o755)
	old := runDir
	runDir = dir + "/run"
	t.Cleanup(func() { runDir = old; os.RemoveAll(dir) })
}

func mode(t *testing.T, path string) string {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	sys := st.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%o %d:%d", st.Mode().Perm(), sys.Uid, sys.Gid)
}

func TestNewSocket(t *testing.T) {
	inRunDir(t)
	old := syscall.Umask(0o077) // the starter's, which must not matter
	defer syscall.Umask(old)
	allow := &policy.Policy{Config: policy.Config{AllowGroups: []string{"g"}}}
	users := &policy.Policy{Config: policy.Config{AllowUsers: []string{"u"}}}
	nobody := &policy.Policy{}
	for _, tt := range []struct {
		name     string
		uid, gid int
		p        *policy.Policy
		dir, at  string
	}{
		{"root", -1, -1, nobody, "700 0:0", "600 0:0"},
		{"root through sudo", 0, 0, nobody, "700 0:0", "600 0:0"},
		{"user through sudo", 1234, 5678, nobody, "710 0:5678", "600 1234:0"},
		{"user of group root", 1234, 0, nobody, "711 0:0", "600 1234:0"},
		{"user without a group", 1234, -1, nobody, "711 0:0", "600 1234:0"},
		{"others by group", 1234, 5678, allow, "711 0:0", "666 0:0"},
		{"others by name", -1, -1, users, "711 0:0", "666 0:0"},
	} {
		s, err := newSocket(exec.Caller{SudoUID: tt.uid, SudoGID: tt.gid}, tt.p)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if dir, at := mode(t, s.dir), mode(t, s.path); dir != tt.dir || at != tt.at || mode(t, runDir) != "755 0:0" {
			t.Errorf("%s: %s and %s, want %s and %s; above %s", tt.name, dir, at, tt.dir, tt.at, mode(t, runDir))
		}
		if filepath.Dir(s.path) != s.dir || len(filepath.Base(s.dir)) != 32 {
			t.Errorf("%s: %s", tt.name, s.path)
		}
		c, err := net.Dial("unix", s.path)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else {
			c.Close()
		}
		s.close()
		s.close()
		if list, _ := os.ReadDir(runDir); len(list) > 0 {
			t.Errorf("%s: left behind %v", tt.name, list)
		}
	}
}

// A directory that somebody else could change is no place for a socket.
func TestNewSocketPlace(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"foreign":  func(dir string) error { return errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, 65534, 65534)) },
		"writable": func(dir string) error { return errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, 0o777)) },
		"file":     func(dir string) error { return os.WriteFile(dir, nil, 0o644) },
		"foreign link": func(dir string) error {
			return errors.Join(os.Mkdir(dir+".real", 0o755), os.Symlink(dir+".real", dir), os.Lchown(dir, 65534, 65534))
		},
		"nothing above": func(dir string) error { runDir += "/x"; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inRunDir(t)
			if err := spoil(runDir); err != nil {
				t.Fatal(err)
			}
			s, err := newSocket(exec.Caller{SudoUID: -1}, &policy.Policy{})
			if err == nil {
				s.close()
				t.Fatal("a socket was made")
			}
			if !strings.HasPrefix(err.Error(), "cannot make a socket: ") {
				t.Error(err)
			}
		})
	}
}

func init() {
	// It connects with other ids and groups than the test's, and stays until it is
	// told that it was seen.
	children["connect"] = func() {
		c, err := net.Dial("unix", os.Getenv("DAEMON_TEST_SOCKET"))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		c.Read(make([]byte, 1))
	}
}

// Who is at the other end, with more groups than one look has room for.
func TestPeer(t *testing.T) {
	needRoot(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "/tmp/ironwrap-peer-" + fmt.Sprint(os.Getpid()), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	os.Chmod(l.Addr().String(), 0o666)
	for _, n := range []int{0, 1, 31, 32, 33, 34, 200, 5000} {
		var groups []uint32
		var want []int
		for i := range n {
			groups, want = append(groups, uint32(70_000+i)), append(want, 70_000+i)
		}
		c := osexec.Command("/proc/self/exe")
		c.Env = []string{"DAEMON_TEST_CHILD=connect", "DAEMON_TEST_SOCKET=" + l.Addr().String()}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 60_001, Gid: 60_002, Groups: groups}}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		conn, err := l.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		who, got, err := peer(conn)
		slices.Sort(got)
		if err != nil || who != (exec.Client{PID: c.Process.Pid, UID: 60_001, GID: 60_002}) || !slices.Equal(got, want) {
			t.Errorf("%d groups: %+v, %d groups, %v", n, who, len(got), err)
		}
		conn.Close()
		c.Wait()
	}

	pair, _ := connections(t, 1)
	if who, _, err := peer(pair[0]); err != nil || who.PID != os.Getpid() || who.UID != os.Getuid() {
		t.Errorf("ourselves: %+v, %v", who, err)
	}
}

func TestMayConnect(t *testing.T) {
	p := &policy.Policy{Config: policy.Config{AllowUsers: []string{"daemon"}, AllowGroups: []string{"bin"}}}
	d := &Daemon{starter: exec.Caller{SudoUID: 4321}}
	for _, tt := range []struct {
		who    exec.Client
		groups []int
		may    bool
	}{
		{exec.Client{UID: 0}, nil, true},
		{exec.Client{UID: 4321, GID: 4321}, nil, true},
		{exec.Client{UID: 4322, GID: 4321}, nil, false},
		{exec.Client{UID: 1, GID: 4321}, nil, true}, // daemon
		{exec.Client{UID: 4322, GID: 2}, nil, true}, // bin
		{exec.Client{UID: 4322, GID: 9}, []int{7, 2}, true},
		{exec.Client{UID: 4322, GID: 9}, []int{7, 3, 0}, false},
	} {
		if err := d.mayConnect(p, tt.who, tt.groups); (err == nil) != tt.may {
			t.Errorf("%+v %v: %v", tt.who, tt.groups, err)
		}
	}
	// Nobody gave an id, and -1 is nobody's.
	d.starter.SudoUID = -1
	if d.mayConnect(&policy.Policy{}, exec.Client{UID: -1, GID: -1}, nil) == nil {
		t.Error("uid -1 was let in")
	}
}

func TestReadKey(t *testing.T) {
	c := newConf(t, one)
	at := c.dir + "/key"
	p := &policy.Policy{Path: c.path}
	want := func(part string) {
		t.Helper()
		if key, err := readKey(p); part == "" && (err != nil || len(key) != keySize) || part != "" && (err == nil || !strings.Contains(err.Error(), part)) {
			t.Errorf("%q, %v; want %q", key, err, part)
		}
	}
	want("set authkey_file in " + c.path)
	p.KeyFile = at
	want("no such file")
	for _, n := range []int{0, 31, 33} {
		c.write(t, at, strings.Repeat("k", n))
		want(fmt.Sprintf("has %d bytes, not 32", n))
	}
	c.write(t, at, strings.Repeat("k", 32))
	os.Chmod(at, 0o440)
	os.Chown(at, 0, 65534)
	want("")
	os.Chmod(at, 0o660)
	want("writable")
	os.Chmod(at, 0o440)
	os.Chown(at, 65534, 0)
	want(at)

	// Who owns a directory above can put another one, and another file of root's, there.
	if err := os.MkdirAll(c.dir+"/theirs/roots", 0o755); err != nil {
		t.Fatal(err)
	}
	c.write(t, c.dir+"/theirs/roots/key", strings.Repeat("k", 32))
	p.KeyFile = c.dir + "/theirs/roots/key"
	want("")
	os.Chown(c.dir+"/theirs", 65534, 0)
	want("directory " + c.dir + "/theirs is owned by uid 65534")
	p.KeyFile = c.dir + "/link"
	os.Symlink(c.dir+"/theirs/roots/key", p.KeyFile)
	want("directory " + c.dir + "/theirs is owned by uid 65534")
}

// What is in the environment below sudo, or was meant for another process, is not
// systemd's.
func TestActivatedTricks(t *testing.T) {
	self := fmt.Sprint(os.Getpid())
	for name, c := range map[string]exec.Caller{
		"nothing":         {SudoUID: -1},
		"another process": {SudoUID: -1, Env: filters.Words([]string{"LISTEN_PID=1", "LISTEN_FDS=1"})},
		"its pid twice":   {SudoUID: -1, Env: filters.Words([]string{"LISTEN_PID=1", "LISTEN_PID=" + self, "LISTEN_FDS=1"})},
		"below sudo":      {SudoUID: 1000, Env: filters.Words([]string{"LISTEN_PID=" + self, "LISTEN_FDS=1"})},
		"sudo by root":    {SudoUID: 0, Env: filters.Words([]string{"LISTEN_PID=" + self, "LISTEN_FDS=1"})},
	} {
		if s, _, err := activated(c); s != nil || err != nil {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	for _, n := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if v, ok := os.LookupEnv(n); ok {
			t.Errorf("%s=%s was left in the environment", n, v)
		}
	}
	// Believed, and there is no such descriptor.
	for _, fds := range []string{"0", "x", ""} {
		if s, _, err := activated(exec.Caller{SudoUID: -1, Env: filters.Words([]string{"LISTEN_PID=" + self, "LISTEN_FDS=" + fds})}); err == nil {
			t.Errorf("%q: %v", fds, s)
		}
	}
}
