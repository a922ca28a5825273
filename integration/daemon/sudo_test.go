package daemon

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// A socket that was accepted is no pair, even where it was root, and the launcher's
// own parent, that connected.
func TestDaemonAcceptedOrder(t *testing.T) {
	p := rig.NewPolicy(t, "")
	order := orderToTouch(t, p.Dir+"/mark")
	for name, address := range map[string]string{"path": p.Dir + "/listener", "abstract": "@ironwrap-test-" + filepath.Base(p.Dir)} {
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
		c := exec.Command(rig.OursLaunch)
		c.ExtraFiles = []*os.File{far}
		r := rig.RunCmd(t, c)
		if _, err := os.Stat(p.Dir + "/mark"); err == nil || r.Status != 1 || !strings.Contains(r.Err, "others can reach") {
			t.Errorf("%s: executed: %v; %v", name, err == nil, r)
		}
		os.Remove(p.Dir + "/mark")
		listener.Close()
		near.Close()
		accepted.Close()
		far.Close()
	}
}

// The whole way, as a service goes it: sudo, the client of oslo, the daemon.
func TestDaemonThroughSudo(t *testing.T) {
	p := rig.DaemonPolicy(t, "id: CommandFilter, id, nobody\nsh: CommandFilter, sh, root")
	const script = `
import sys
from oslo_rootwrap import client
c = client.Client(sys.argv[1:])
print(c.execute(['id', '-u']), c.execute(['sh', '-c', 'echo $SUDO_UID; echo $USER; cat >&2'], 'in'), c.execute(['mkfs']), c._manager._address)
`
	r := rig.RunAs(t, rig.Caller, "/usr/bin/python3", "-E", "-s", "-c", script, "/usr/bin/sudo", "-n", rig.OursDaemon, p.Conf)
	const want = `[0, '65534\n', ''] [0, '\nroot\n', 'in'] [99, '', ''] /run/ironwrap/`
	if r.Status != 0 || !strings.HasPrefix(r.Out, want) {
		t.Errorf("%v", r)
	}
	s := &rig.Server{TB: t, Policy: p}
	s.Eventually("the daemon to end with its client", func() bool { return len(s.Processes()) == 0 })
	if path := strings.TrimSpace(r.Out[strings.LastIndexByte(strings.TrimSpace(r.Out), ' ')+1:]); path != "" {
		s.Eventually(path+" to go", func() bool { _, err := os.Stat(path); return err != nil })
	}
}
