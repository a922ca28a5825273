package install

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// makeKey runs what the socket's unit runs before the socket is made.
func makeKey(t *testing.T, dir, group string) {
	t.Helper()
	unit, err := os.ReadFile(rig.Root + "/packaging/systemd/ironwrap-daemon@.socket")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^ExecStartPre=/bin/sh -euc '(.*)' sh %i$`).FindSubmatch(unit)
	if m == nil {
		t.Fatal("the unit makes no key")
	}
	script := strings.NewReplacer("$$", "$", "/run/ironwrap", dir).Replace(string(m[1]))
	if r := rig.RunCmd(t, exec.Command("/bin/sh", "-euc", script, "sh", group)); r.Status != 0 {
		t.Fatal(r)
	}
}

// activated is a daemon that systemd-socket-activate starts when somebody connects.
type activatedDaemon struct {
	*exec.Cmd
	at     string // the socket's path without .sock
	notify *net.UnixConn
	stderr *bytes.Buffer
	ended  chan error
}

func activate(t *testing.T, p rig.Policy, group string, wrap ...string) *activatedDaemon {
	t.Helper()
	rig.Need(t, "systemd", "/usr/bin/systemd-socket-activate")
	bin := t.TempDir()
	os.Chmod(bin, 0o755)
	d := &activatedDaemon{at: p.Dir + "/run/" + group, stderr: &bytes.Buffer{}, ended: make(chan error, 1)}
	makeKey(t, p.Dir+"/run", group)
	var err error
	if d.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: p.Dir + "/notify", Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-l", d.at + ".sock", "-E", "NOTIFY_SOCKET=" + p.Dir + "/notify"}, wrap...)
	d.Cmd = exec.Command("systemd-socket-activate", append(args, rig.OursDaemon, p.Conf)...)
	d.Stderr = d.stderr
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.Wait() }()
	t.Cleanup(func() {
		d.Process.Kill()
		<-d.ended
		d.notify.Close()
	})
	for range 2000 {
		if _, err := os.Stat(d.at + ".sock"); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	os.Chmod(d.at+".sock", 0o666)
	return d
}

// state is what the daemon tells systemd next.
func (d *activatedDaemon) state(t *testing.T) string {
	t.Helper()
	buf := make([]byte, 4096)
	d.notify.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := d.notify.Read(buf)
	if err != nil {
		t.Fatalf("the daemon says nothing to systemd: %v, %s", err, d.stderr)
	}
	return string(buf[:n])
}

// stockClient is a program with oslo.rootwrap's own client in it, which runs the
// commands that it is given, and says what it got.
const stockClient = `
import sys, time
from oslo_rootwrap import client
c = client.Client(sys.argv[1:3])
for line in sys.stdin:
    print(tuple(c.execute(line.rstrip('\n').split('\t'))), flush=True)
`

func (d *activatedDaemon) ask(t *testing.T, as rig.User, commands ...string) rig.Result {
	t.Helper()
	// The checkout may be where only root can read.
	attach := d.at + ".attach"
	text, err := os.ReadFile(rig.Root + "/packaging/ironwrap-attach")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(attach, text, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/usr/bin/python3", "-E", "-s", "-c", stockClient, attach, d.at)
	c.Dir = "/"
	c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	c.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: as.UID, Gid: as.GID}}
	return rig.RunCmd(t, c)
}

// A stock client, without sudo, of a daemon that systemd started.
func TestSocketActivation(t *testing.T) {
	p := rig.NewPolicy(t, "echo: CommandFilter, echo, root\nid: CommandFilter, id, root")
	group := rig.Caller.Name // useradd makes one
	conf, _ := os.ReadFile(p.Conf)
	conf = append(conf, fmt.Sprintf("authkey_file = %[1]s/run/%[2]s.key\nallow_groups = %[2]s\ndaemon_timeout = 4\n", p.Dir, group)...)
	rig.Write(t, p.Conf, string(conf))
	d := activate(t, p, group)
	if st, err := os.Stat(d.at + ".key"); err != nil || st.Mode() != 0o440 || st.Size() != 32 || st.Sys().(*syscall.Stat_t).Gid != rig.Caller.GID || st.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("the key: %v, %v", st, err)
	}

	want := "(0, 'hello\\n', '')\n(0, '0\\n', '')\n(99, '', '')\n"
	if r := d.ask(t, rig.Caller, "echo\thello", "id\t-u", "ls"); r.Status != 0 || r.Out != want {
		t.Fatalf("%v; the daemon: %s", r, d.stderr)
	}
	if s := d.state(t); s != "READY=1" {
		t.Errorf("told systemd %q", s)
	}
	// The client has asked for a shutdown on its way out.
	if r := d.ask(t, rig.Caller, "echo\tagain"); r.Out != "(0, 'again\\n', '')\n" {
		t.Errorf("after the shutdown of a client: %v", r)
	}
	select {
	case err := <-d.ended:
		t.Fatalf("the daemon ended: %v, %s", err, d.stderr)
	default:
	}

	// Others have no key, and get no answer though they had it.
	stranger := rig.User{Name: "nobody", UID: 65534, GID: 65534}
	attach := exec.Command(d.at+".attach", d.at)
	attach.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger.UID, Gid: stranger.GID}}
	if r := rig.RunCmd(t, attach); r.Status != 1 || r.Out != "" || !strings.Contains(r.Err, "only the group of the service may") {
		t.Errorf("nobody: %v", r)
	}
	os.Chmod(d.at+".key", 0o444)
	if r := d.ask(t, stranger, "echo\thello"); r.Status == 0 || strings.Contains(r.Out, "hello") {
		t.Errorf("nobody, with the key: %v", r)
	}

	// A configuration that cannot be used is told, and one that can takes it back.
	rig.Write(t, p.Conf, string(conf)+"max_output = none\n")
	d.Process.Signal(syscall.SIGHUP)
	if s := d.state(t); !strings.HasPrefix(s, "STATUS=the changed configuration cannot be used: "+p.Conf) || strings.Contains(s, "\n") {
		t.Errorf("told systemd %q", s)
	}
	if r := d.ask(t, rig.Caller, "echo\tstill"); r.Out != "(0, 'still\\n', '')\n" {
		t.Errorf("with a broken configuration: %v", r)
	}
	rig.Write(t, p.Conf, string(conf))
	d.Process.Signal(syscall.SIGHUP)
	if s := d.state(t); s != "STATUS=" {
		t.Errorf("told systemd %q", s)
	}

	select {
	case err := <-d.ended:
		d.ended <- err
		if err != nil {
			t.Errorf("%v, %s", err, d.stderr)
		}
	case <-time.After(30 * time.Second):
		t.Error("it does not end though nobody asks")
	}
	if _, err := os.Stat(d.at + ".sock"); err != nil {
		t.Errorf("systemd's socket: %v", err)
	}
}

// What systemd may pass by mistake ends the daemon with one line.
func TestActivationRefuses(t *testing.T) {
	p := rig.NewPolicy(t, "echo: CommandFilter, echo, root", "authkey_file = /nonexistent/key")
	at := p.Dir + "/s"
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().String()
	free.Close()
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"it passed 2: one is for clients of oslo.rootwrap", []string{"-l", at, "-l", at + "2"}},
		{"it passed 2: one is for clients of oslo.rootwrap", []string{"-l", at + "1.call", "-l", at + "2.call"}},
		{"it passed 1, and none for clients of oslo.rootwrap", []string{"-l", at + ".call"}},
		{"it is no Unix stream socket", []string{"-l", port}},
		{"/nonexistent/key", []string{"-l", at}},
		{"", nil},
	} {
		if tt.args == nil { // and without the key's name
			conf, _ := os.ReadFile(p.Conf)
			rig.Write(t, p.Conf, strings.Replace(string(conf), "authkey_file", "#", 1))
			tt.want, tt.args = "set authkey_file in "+p.Conf, []string{"-l", at}
		}
		os.Remove(at)
		os.Remove(at + "2")
		c := exec.Command("systemd-socket-activate", append(tt.args, rig.OursDaemon, p.Conf)...)
		errs, err := c.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(errs)
		var last string
		for lines.Scan() {
			last = lines.Text()
			if m := regexp.MustCompile(`Listening on (\S+) as 3`).FindStringSubmatch(last); m != nil {
				network := "tcp"
				if m[1][0] == '/' {
					network = "unix"
				}
				if conn, err := net.Dial(network, m[1]); err == nil { // which starts the daemon
					defer conn.Close()
				}
			}
		}
		c.Wait()
		if c.ProcessState.ExitCode() != 97 || !strings.Contains(last, tt.want) {
			t.Errorf("%q: %v, %s", tt.args, c.ProcessState, last)
		}
	}
}

func TestAttachRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "usage"},
		{[]string{"a", "b"}, "usage"},
		{[]string{""}, "neither the name of a service nor"},
		{[]string{"../x"}, "neither the name of a service nor"},
		{[]string{"..", "x"}, "usage"},
		{[]string{".."}, "neither the name of a service nor"},
		{[]string{dir + "/x"}, "there is no socket " + dir + "/x.sock: systemctl start ironwrap-daemon@x.socket"},
	} {
		r := rig.RunCmd(t, exec.Command(rig.Root+"/packaging/ironwrap-attach", tt.args...))
		if r.Status != 1 || r.Out != "" || !strings.Contains(r.Err, tt.want) {
			t.Errorf("%q: %v", tt.args, r)
		}
	}
}
