package daemon

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"ironwrap/exec/daemon/wire"
)

// The daemon ends though somebody who was about to show the key when it was told to
// shows it then, and is silent.
func TestStopDuringHandshake(t *testing.T) {
	r := start(t, newConf(t, one))
	raw, err := net.Dial("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	idle := dial(t, r.path, r.key)
	defer idle.Close()
	time.Sleep(100 * time.Millisecond)
	r.Process.Signal(syscall.SIGTERM)
	until(t, "the socket is gone", func() bool { _, err := os.Stat(r.path); return err != nil })
	time.Sleep(100 * time.Millisecond)
	if c, err := wire.NewConn(raw, time.Now().Add(time.Minute)); err == nil {
		_ = c.AuthenticateClient(r.key)
	}
	r.ends(t)
}

// What runs is finished and answered.
func TestStopFinishes(t *testing.T) {
	r := start(t, newConf(t, "sleep: CommandFilter, sleep, root"))
	client := r.client(t)
	if err := client.Write([]byte(request("sleep", "2"))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	r.Process.Signal(syscall.SIGTERM)
	m, err := client.Read()
	if err != nil || string(m) != `["#RETURN", [0, "", ""]]` {
		t.Errorf("%s, %v", m, err)
	}
	r.ends(t)
}

// What runs for nobody is ended: the client may go before the daemon is told to
// stop, or after it.
func TestStopEndsWhatNobodyWaitsFor(t *testing.T) {
	for _, before := range []bool{true, false} {
		r := start(t, newConf(t, "sleep: CommandFilter, sleep, root"))
		client := r.client(t)
		if err := client.Write([]byte(request("sleep", "6543"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		for i := range 2 {
			if before == (i == 0) {
				client.Close()
			} else {
				r.Process.Signal(syscall.SIGTERM)
			}
			time.Sleep(200 * time.Millisecond)
		}
		r.ends(t)
	}
}

// What a command leaves in the background does not hold a daemon that stops.
func TestStopBackground(t *testing.T) {
	r := start(t, newConf(t, "sh: CommandFilter, sh, root"))
	client := r.client(t)
	if err := client.Write([]byte(request("sh", "-c", "sleep 30 & echo begun"))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	r.Process.Signal(syscall.SIGTERM)
	m, err := client.Read()
	if err != nil || string(m) != `["#RETURN", [0, "begun\u000a", ""]]` {
		t.Errorf("%s, %v", m, err)
	}
	r.ends(t)
}
