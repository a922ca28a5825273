package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A socket that was accepted is no pair, even where it was root, and the launcher's
// own parent, that connected.
func TestDaemonAcceptedOrder(t *testing.T) {
	p := newPolicy(t, "")
	order := orderToTouch(t, p.dir+"/mark")
	for name, address := range map[string]string{"path": p.dir + "/listener", "abstract": "@ironwrap-test-" + filepath.Base(p.dir)} {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		near, err := net.Dial("unix", address)
		if err != nil {
			t.Fatal(err)
		}
		near.Write(order)
		accepted, err := listener.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		far, err := accepted.File()
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command(oursLaunch)
		c.ExtraFiles = []*os.File{far}
		r := runCmd(t, c)
		if _, err := os.Stat(p.dir + "/mark"); err == nil || r.status != 1 || !strings.Contains(r.err, "others can reach") {
			t.Errorf("%s: executed: %v; %v", name, err == nil, r)
		}
		os.Remove(p.dir + "/mark")
		listener.Close()
		near.Close()
		accepted.Close()
		far.Close()
	}
}

// The whole way, as a service goes it: sudo, the client of oslo, the daemon.
func TestDaemonThroughSudo(t *testing.T) {
	p := daemonPolicy(t, "id: CommandFilter, id, nobody\nsh: CommandFilter, sh, root")
	const script = `
import sys
from oslo_rootwrap import client
c = client.Client(sys.argv[1:])
print(c.execute(['id', '-u']), c.execute(['sh', '-c', 'echo $SUDO_UID; echo $USER; cat >&2'], 'in'), c.execute(['mkfs']), c._manager._address)
`
	r := runAs(t, caller, "/usr/bin/python3", "-E", "-s", "-c", script, "/usr/bin/sudo", "-n", oursDaemon, p.conf)
	const want = `[0, '65534\n', ''] [0, '\nroot\n', 'in'] [99, '', ''] /run/ironwrap/`
	if r.status != 0 || !strings.HasPrefix(r.out, want) {
		t.Errorf("%v", r)
	}
	s := &server{TB: t, policy: p}
	s.eventually("the daemon to end with its client", func() bool { return len(s.processes()) == 0 })
	if path := strings.TrimSpace(r.out[strings.LastIndexByte(strings.TrimSpace(r.out), ' ')+1:]); path != "" {
		s.eventually(path+" to go", func() bool { _, err := os.Stat(path); return err != nil })
	}
}
