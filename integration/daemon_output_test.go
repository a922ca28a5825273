package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
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
		s := serve(t, daemonPolicy(t, allowShell, test.conf))
		before := s.settle()
		c := s.client()
		c.write([]byte(request("", "sh", "-c", test.script)))
		head, zeros, tail := c.largeReply()
		missing := fmt.Sprintf("ironwrap-daemon: %d bytes of the output are missing here", test.prints-test.limit)
		if !strings.HasPrefix(head, fmt.Sprintf(`["#RETURN", [%d, "`, test.status)) || !strings.Contains(tail, missing) {
			t.Errorf("%s: %s ... %s", test.script, head, tail)
		}
		if zeros != test.limit {
			t.Errorf("%s: %d bytes came, not %d", test.script, zeros, test.limit)
		}
		if kB := s.memory("VmHWM"); kB > test.most {
			t.Errorf("%s: took %d kB, more than %d", test.script, kB, test.most)
		} else {
			t.Logf("%s, %q: %d kB", test.script, test.conf, kB)
		}
		s.dropAll()
		s.same(before)
	}
}

// largeReply reads a reply and keeps its ends, and how many zeros there are in it,
// each of which is an escape.
func (c *rpc) largeReply() (head string, zeros int, tail string) {
	c.Helper()
	var length [8]byte
	if _, err := io.ReadFull(c.in, length[:]); err != nil {
		c.Fatal(err)
	}
	left := int(binary.BigEndian.Uint64(length[:]))
	var end []byte
	for buf := make([]byte, 64<<10); left > 0; {
		n, err := c.in.Read(buf[:min(left, len(buf))])
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
	s := serve(t, daemonPolicy(t, allowShell, "max_output=1000000"))
	before := s.settle()
	r := s.client().run("sh", "-c", "head -c 999990 /dev/zero; sleep 0.5; printf 0123456789 >&2")
	if r.status != 0 || len(r.out) != 999_990 || r.err != "0123456789" {
		t.Errorf("status %d, %d bytes, %q", r.status, len(r.out), r.err)
	}
	s.dropAll()
	s.same(before)
}
