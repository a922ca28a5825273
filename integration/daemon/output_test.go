package daemon

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// Output beyond the limit is not kept, and the reply says so; the worst is bytes
// that take six in the reply.
func TestDaemonOutput(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		conf, script  string
		prints, limit int // bytes
		most          int // kB
		status        int
	}{
		{"max_output=1000000", "head -c 200000000 /dev/zero", 200_000_000, 1_000_000, 60 << 10, 74},
		{"max_output=1000000", "head -c 20000000 /dev/zero >&2; exit 3", 20_000_000, 1_000_000, 60 << 10, 3},
		{"max_output=1000000", "head -c 10000000 /dev/zero >&2 & head -c 10000000 /dev/zero; wait", 20_000_000, 1_000_000, 60 << 10, 74},
		{"", "head -c 200000000 /dev/zero", 200_000_000, 64 << 20, 350 << 10, 74},
	} {
		s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowShell, test.conf))
		before := settle(s)
		c := s.Client()
		c.Write([]byte(rig.Request("", "sh", "-c", test.script)))
		head, zeros, tail := largeReply(c)
		missing := fmt.Sprintf("ironwrap-daemon: %d bytes of the output are missing here", test.prints-test.limit)
		if !strings.HasPrefix(head, fmt.Sprintf(`["#RETURN", [%d, "`, test.status)) || !strings.Contains(tail, missing) {
			t.Errorf("%s: %s ... %s", test.script, head, tail)
		}
		if zeros != test.limit {
			t.Errorf("%s: %d bytes came, not %d", test.script, zeros, test.limit)
		}
		if kB := memory(s, "VmHWM"); kB > test.most {
			t.Errorf("%s: took %d kB, more than %d", test.script, kB, test.most)
		} else {
			t.Logf("%s, %q: %d kB", test.script, test.conf, kB)
		}
		s.DropAll()
		same(s, before)
	}
}

// largeReply reads a reply and keeps its ends, and how many zeros there are in it,
// each of which is an escape.
func largeReply(c *rig.RPC) (head string, zeros int, tail string) {
	c.Helper()
	var length [8]byte
	if _, err := io.ReadFull(c.In, length[:]); err != nil {
		c.Fatal(err)
	}
	left := int(binary.BigEndian.Uint64(length[:]))
	var end []byte
	for buf := make([]byte, 64<<10); left > 0; {
		n, err := c.In.Read(buf[:min(left, len(buf))])
		if err != nil {
			c.Fatal(err)
		}
		if head == "" {
			head = string(buf[:min(n, 100)])
		}
		left -= n
		zeros += bytes.Count(buf[:n], []byte{'\\'})
		end = append(end, buf[:n]...)
		end = end[max(0, len(end)-300):]
	}
	return head, zeros - strings.Count(string(end), `\u000a`), string(end)
}

// One descriptor takes nothing of the limit that it does not use.
func TestDaemonOutputBelowLimit(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowShell, "max_output=1000000"))
	before := settle(s)
	r := s.Client().Run("sh", "-c", "head -c 999990 /dev/zero; sleep 0.5; printf 0123456789 >&2")
	if r.Status != 0 || len(r.Out) != 999_990 || r.Err != "0123456789" {
		t.Errorf("status %d, %d bytes, %q", r.Status, len(r.Out), r.Err)
	}
	s.DropAll()
	same(s, before)
}
