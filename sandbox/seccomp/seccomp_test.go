package seccomp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	ja    = unix.BPF_JMP | unix.BPF_JA
	and   = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	ret   = unix.BPF_RET | unix.BPF_K
	allow = unix.SECCOMP_RET_ALLOW
	eperm = unix.SECCOMP_RET_ERRNO | 1
)

var small = []unix.SockFilter{
	{Code: load, K: 4},
	{Code: equal, K: Arch, Jf: 4},
	{Code: load, K: 60},
	{Code: and, K: 0xff},
	{Code: equal, K: 7, Jt: 1},
	{Code: ret, K: allow},
	{Code: ret, K: eperm},
}

func file(t testing.TB, filter []unix.SockFilter, flags uint32, profile string) []byte {
	t.Helper()
	p, err := New(filter, flags, [3]uint8{2, 5, 4}, []byte(profile))
	if err != nil {
		t.Fatal(err)
	}
	return p.Encode()
}

func TestRoundTrip(t *testing.T) {
	data := file(t, small, unix.SECCOMP_FILTER_FLAG_LOG, "{}")
	p, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.Encode(), data) {
		t.Error("another file")
	}
	if len(p.Filter()) != len(small) || p.Flags() != unix.SECCOMP_FILTER_FLAG_LOG || p.Libseccomp() != "2.5.4" {
		t.Errorf("%+v", p)
	}
	for i, in := range p.Filter() {
		if in != small[i] {
			t.Errorf("instruction %d: %v, not %v", i, in, small[i])
		}
	}
	if err := p.Check([]byte("{}")); err != nil {
		t.Error(err)
	}
	for _, other := range []string{"", "{} ", "{}\n"} {
		if err := p.Check([]byte(other)); err == nil {
			t.Errorf("%q passes for the profile", other)
		}
	}
	longest := make([]unix.SockFilter, 4096)
	for i := range longest {
		longest[i] = unix.SockFilter{Code: ret, K: allow}
	}
	if data := file(t, longest, 0, strings.Repeat(" ", MaxProfile)); len(data) != MaxSize {
		t.Errorf("the longest file has %d bytes, not %d", len(data), MaxSize)
	} else if _, err := Parse(data); err != nil {
		t.Error(err)
	}
	if _, err := New(append(longest, longest[0]), 0, [3]uint8{}, nil); err == nil {
		t.Error("4097 instructions")
	}
	if _, err := New(nil, 0, [3]uint8{}, nil); err == nil {
		t.Error("no instruction")
	}
	if _, err := New(small, 0, [3]uint8{}, make([]byte, MaxProfile+1)); err == nil {
		t.Error("a profile that is too large")
	}
}

// Whatever is cut off, added, or changed in one bit is noticed.
func TestDamage(t *testing.T) {
	const profile = `{"defaultAction": "SCMP_ACT_ERRNO"}`
	data := file(t, small, 0, profile)
	for n := range data {
		if _, err := Parse(data[:n]); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
	if _, err := Parse(append(bytes.Clone(data), 0)); err == nil {
		t.Error("a byte more: accepted")
	}
	for i := range data {
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << bit
			p, err := Parse(bad)
			inProfile := i >= len(data)-len(profile)
			if err == nil && inProfile {
				err = p.Check([]byte(profile))
			} else if inProfile {
				t.Errorf("bit %d of byte %d: %v", bit, i, err)
			}
			if err == nil {
				t.Errorf("bit %d of byte %d: accepted", bit, i)
			}
		}
	}
}

// seal puts a right checksum on a forged file of a program of n instructions, so that
// the other tests are met.
func seal(data []byte, n int) []byte {
	body := headerSize + 8*n
	binary.LittleEndian.PutUint64(data[body:], checksum(data[:body]))
	return data
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		at    int
		value uint32
		want  string
	}{
		{0, 0x7f454c46, "no compiled seccomp program"},
		{8, 0, "format 0"},
		{8, 1, "format 1"},
		{8, 3, "format 3"},
		{12, unix.AUDIT_ARCH_PPC64LE, "for machines of audit architecture 0xc0000015"},
		{12, 0, "for machines of audit architecture 0x0"},
		{16, 0x01040502, "header is damaged"},
		{20, unix.SECCOMP_FILTER_FLAG_TSYNC, "unknown flags 0x1"},
		{20, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, "unknown flags 0x8"},
		{24, 0, "0 instructions"},
		{24, 4097, "4097 instructions"},
		{24, 1<<32 - 1, "4294967295 instructions"},
		{24, 1 << 29, "536870912 instructions"},
		{24, uint32(len(small)) + 1, "bytes long"},
		{24, uint32(len(small)) - 1, "bytes long"},
		{28, 1, "bytes long"},
		{28, 3, "bytes long"},
		{28, MaxProfile + 1, "a profile of 1048577 bytes"},
		{28, 1<<32 - 1, "a profile of 4294967295 bytes"},
	} {
		data := file(t, small, 0, "{}")
		binary.LittleEndian.PutUint32(data[c.at:], c.value)
		_, err := Parse(seal(data, len(small)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%#x at %d: %v, not %q", c.value, c.at, err, c.want)
		}
	}
}

func TestVerify(t *testing.T) {
	answer := unix.SockFilter{Code: ret, K: allow}
	for _, c := range []struct {
		name   string
		filter []unix.SockFilter
		want   string // "" if it is good
	}{
		{"one answer", []unix.SockFilter{answer}, ""},
		{"last word", []unix.SockFilter{{Code: load, K: 60}, answer}, ""},
		{"kill", []unix.SockFilter{{Code: ret, K: unix.SECCOMP_RET_KILL_THREAD}}, ""},
		{"behind the data", []unix.SockFilter{{Code: load, K: 64}, answer}, "loads from outside"},
		{"crooked", []unix.SockFilter{{Code: load, K: 2}, answer}, "loads from outside"},
		{"far", []unix.SockFilter{{Code: load, K: 1<<32 - 4}, answer}, "loads from outside"},
		{"a byte", []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS}, answer}, "code 0x30"},
		{"memory", []unix.SockFilter{{Code: unix.BPF_ST}, answer}, "code 0x2"},
		{"division", []unix.SockFilter{{Code: unix.BPF_ALU | unix.BPF_DIV | unix.BPF_K}, answer}, "code 0x34"},
		{"no such code", []unix.SockFilter{{Code: 0xffff}, answer}, "code 0xffff"},
		{"answer in A", []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_A}}, "code 0x16"},
		{"jump to the last", []unix.SockFilter{{Code: ja, K: 1}, answer, answer}, ""},
		{"jump to the end", []unix.SockFilter{{Code: ja, K: 2}, answer, answer}, "jumps out"},
		{"jump back", []unix.SockFilter{{Code: ja, K: 1<<32 - 1}, answer}, "jumps out"},
		{"yes to the end", []unix.SockFilter{{Code: equal, Jt: 1}, answer}, "jumps out"},
		{"no to the end", []unix.SockFilter{{Code: equal, Jf: 1}, answer}, "jumps out"},
		{"no to afar", []unix.SockFilter{{Code: equal, Jf: 255}, answer}, "jumps out"},
		{"jump last", []unix.SockFilter{answer, {Code: ja}}, "jumps out"},
		{"no answer", []unix.SockFilter{answer, {Code: and}}, "does not end with an answer"},
		{"trace", []unix.SockFilter{{Code: ret, K: unix.SECCOMP_RET_TRACE}}, "need a tracer"},
		{"notify", []unix.SockFilter{{Code: ret, K: unix.SECCOMP_RET_USER_NOTIF}}, "need a tracer"},
		{"no action", []unix.SockFilter{{Code: ret, K: 0x12340000}}, "need a tracer"},
	} {
		_, err := New(c.filter, 0, [3]uint8{}, nil)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, not %q", c.name, err, c.want)
		}
	}
}

func TestLocate(t *testing.T) {
	for _, c := range []struct{ value, profile, program string }{
		{"storage", "/usr/lib/ironwrap/profiles/storage.json", "/usr/lib/ironwrap/profiles/storage.bpf"},
		{"readonly-tools", "/usr/lib/ironwrap/profiles/readonly-tools.json", "/usr/lib/ironwrap/profiles/readonly-tools.bpf"},
		{"0_", "/usr/lib/ironwrap/profiles/0_.json", "/usr/lib/ironwrap/profiles/0_.bpf"},
		{"/etc/p.json", "/etc/p.json", "/etc/p.bpf"},
		{"/etc/a b/p.json.json", "/etc/a b/p.json.json", "/etc/a b/p.json.bpf"},
	} {
		profile, program, err := Locate(c.value)
		if err != nil || profile != c.profile || program != c.program {
			t.Errorf("%q: %q, %q, %v", c.value, profile, program, err)
		}
	}
	for _, bad := range []string{
		"", "-x", "_x", "Storage", "sto rage", "storage.json", "../storage", "./storage", "a/b", "a.b", "a\x00", "ä",
		"/", "/etc/p", "/etc/p.bpf", "etc/p.json", "/etc/../p.json", "/etc/./p.json", "//p.json", "/etc//p.json", "/.json", "/etc/.json", "/etc/p.json/", "/a\x00.json",
	} {
		if profile, _, err := Locate(bad); err == nil {
			t.Errorf("%q: %q", bad, profile)
		}
	}
}

func TestNotCompiled(t *testing.T) {
	why := errors.New("the profile has changed since it was compiled")
	for value, want := range map[string]string{
		"storage":    "seccomp profile storage is not compiled for this machine: the profile has changed since it was compiled: run `ironwrapctl seccomp compile storage`",
		"/x/p.json":  "seccomp profile /x/p.json is not compiled for this machine: the profile has changed since it was compiled: run `ironwrapctl seccomp compile /x/p.json`",
		"/x;y/\n.js": "seccomp profile \"/x;y/\\n.js\" is not compiled for this machine: the profile has changed since it was compiled: run `ironwrapctl seccomp compile \"/x;y/\\n.js\"`",
	} {
		err := NotCompiled(value, why)
		if err.Error() != want || !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
	}
}

// What is accepted is the one file of its program, and has only what verify lets
// pass.
func FuzzParse(f *testing.F) {
	f.Add(file(f, small, 0, "{}"), true)
	f.Add(file(f, small[6:], unix.SECCOMP_FILTER_FLAG_LOG, ""), false)
	f.Add([]byte(magic), true)
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		data = bytes.Clone(data)
		if sealed && len(data) >= headerSize {
			if n := binary.LittleEndian.Uint32(data[24:]); n <= maxLength && len(data) >= headerSize+8*int(n)+sumSize {
				data = seal(data, int(n))
			}
		}
		p, err := Parse(data)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Encode(), data) {
			t.Errorf("%x becomes %x", data, p.Encode())
		}
		if n := len(p.Filter()); n < 1 || n > 4096 || len(data) < 32+8*n+8 || p.Check(data[32+8*n+8:]) != nil {
			t.Errorf("%d instructions in %d bytes", n, len(data))
		}
		// Every path ends with an answer: walked backwards, each instruction is
		// sound if all that may follow it are.
		for i, in := range p.Filter() {
			next := []int{i + 1}
			switch {
			case in.Code == ret:
				next = nil
			case in.Code == ja:
				next = []int{i + 1 + int(in.K)}
			case in.Code&7 == unix.BPF_JMP:
				next = []int{i + 1 + int(in.Jt), i + 1 + int(in.Jf)}
			}
			for _, n := range next {
				if n <= i || n >= len(p.Filter()) {
					t.Errorf("instruction %d goes to %d", i, n)
				}
			}
		}
	})
}
