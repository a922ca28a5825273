package daemon

import (
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// throughClient asks a daemon as services do: oslo.rootwrap's own client.
const throughClient = `
import sys
from oslo_rootwrap import client
c = client.Client(sys.argv[1:])
for words in ['mkfs', '/dev/sda; é"'], ['none'], ['true'], ['sh', '-c', 'exit 99']:
    print(c.execute(words))
`

// What a daemon refuses: the client gets the original's answer, or the words of the
// one-shot program; and it is recorded with the configuration files that Debian ships.
func TestDaemonTellsRefusals(t *testing.T) {
	rig.Need(t, "python3-oslo.rootwrap", rig.Peer)
	const unauthorized = `'ironwrap-daemon: Unauthorized command: mkfs "/dev/sda; é\\"" (no filter matched); ironwrapctl explain tells why\n'`
	const notFound = `'ironwrap-daemon: Executable not found: none (filter match = none): not found in exec_dirs\n'`
	for name, c := range map[string]struct {
		keys, mkfs, none string
		records          []string
	}{
		"silent, as the original":    {"use_syslog=False", "''", "''", []string{"Unauthorized command: mkfs", "Executable not found: none"}},
		"told":                       {"use_syslog=False\nrefusal_text=yes", unauthorized, notFound, []string{"Unauthorized command: mkfs", "Executable not found: none"}},
		"recorded as asked for":      {"use_syslog=True\nsyslog_log_level=ERROR", "''", "''", []string{"Unauthorized command: mkfs", "Executable not found: none"}},
		"recorded, what runs too":    {"use_syslog=True\nsyslog_log_level=INFO", "''", "''", []string{"Unauthorized command: mkfs", "Executable not found: none", "Executing /usr/bin/true", "Executing /usr/bin/sh"}},
		"no record where none shall": {"use_syslog=False\nsyslog_log_level=CRITICAL", "''", "''", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := rig.NewPolicy(t, "true: CommandFilter, true, root\nsh: CommandFilter, sh, root\nnone: CommandFilter, none, root")
			rig.Write(t, p.Conf, fmt.Sprintf("[DEFAULT]\nfilters_path=%s\nexec_dirs=/usr/bin\n%s\n", p.Dir+"/filters.d", c.keys))
			socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: p.Dir + "/socket", Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			r := rig.RunCmd(t, exec.Command("unshare", "-m", "sh", "-ec", rig.LogHeard.Jail(p.Dir)+`exec "$@"`, "sh", "/usr/bin/python3", "-E", "-s", "-c", throughClient, rig.OursDaemon, p.Conf))
			want := fmt.Sprintf("[99, '', %s]\n[96, '', %s]\n[0, '', '']\n[99, '', '']\n", c.mkfs, c.none)
			if r.Status != 0 || r.Out != want {
				t.Errorf("%v\nnot %s", r, want)
			}
			var got []string
			buf := make([]byte, 1<<16)
			for {
				socket.SetReadDeadline(time.Now().Add(time.Second))
				n, err := socket.Read(buf)
				if err != nil {
					break
				}
				if record := string(buf[:n]); !strings.Contains(record, "loaded") {
					got = append(got, record)
				}
			}
			if len(got) != len(c.records) {
				t.Fatalf("%d records, not %d: %q", len(got), len(c.records), got)
			}
			for i, record := range got {
				if !regexp.MustCompile(`^<\d+>ironwrap-daemon\[\d+\]: client_uid=0 client_pid=\d+ ruid=0 `).MatchString(record) || !strings.Contains(record, c.records[i]) {
					t.Errorf("%q has not %q", record, c.records[i])
				}
			}
		})
	}
}
