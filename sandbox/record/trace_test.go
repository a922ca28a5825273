package record

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// header is a line of a trace up to what happened.
func header(process, cpu string) string {
	return "             cat-" + process + "   [" + cpu + "] .....   807.843735: "
}

const (
	machine = "target_ns 00000000f74a23e0, capable_ns 00000000f74a23e0, "
	other   = "target_ns 00000000f74a23e0, capable_ns 0000000012345678, "
)

// asked is a question with the functions on its way, as the kernel prints it.
func asked(process, cpu, namespaces, question string, functions ...string) string {
	s := header(process, cpu) + "cap_capable: cred 0000000084950d5d, " + namespaces + question + "\n" + header(process, cpu) + "<stack trace>\n"
	for _, f := range functions {
		s += " => " + f + "\n"
	}
	return s
}

func TestTrace(t *testing.T) {
	memory := asked("1", "000", machine, "cap 21, ret 0", "cap_capable", "security_vm_enough_memory_mm", "mmap_region")
	chown := asked("1", "000", machine, "cap 0, ret 0", "cap_capable", "chown_ok")
	for name, c := range map[string]struct {
		trace            string
		granted, refused uint64
	}{
		"nothing":           {"", 0, 0},
		"memory":            {memory, 0, 0},
		"granted":           {memory + chown, 1 << unix.CAP_CHOWN, 0},
		"granted last":      {chown + memory, 1 << unix.CAP_CHOWN, 0},
		"refused":           {memory + asked("1", "000", machine, "cap 0, ret -1", "x"), 0, 1 << unix.CAP_CHOWN},
		"the same, granted": {memory + asked("1", "000", machine, "cap 21, ret 0", "cap_capable", "path_mount"), 1 << unix.CAP_SYS_ADMIN, 0},
		"no functions":      {header("1", "000") + "cap_capable: cred 0, " + machine + "cap 3, ret 0\n" + chown, 1<<unix.CAP_CHOWN | 1<<unix.CAP_FOWNER, 0},
		"io_uring":          {memory + asked("1", "000", machine, "cap 14, ret 0", "ns_capable_noaudit", "io_uring_setup.cold"), 0, 0},
		"highest":           {asked("1", "000", machine, "cap 63, ret 0", "x"), 1 << 63, 0},
		"beyond":            {asked("1", "000", machine, "cap 64, ret 0", "x"), 0, 0},
		"own namespace":     {memory + asked("1", "000", other, "cap 21, ret 0", "path_mount"), 0, 0},
		"a comment":         {"# tracer: nop\n#\n" + chown, 1 << unix.CAP_CHOWN, 0},
		"a name with text":  {memory + strings.Replace(chown, "cat-", ": cap_capable: -", 1), 1 << unix.CAP_CHOWN, 0},
		"a name with lines": {memory + strings.Replace(chown, "cat-", "\n => io_uring-", 1), 1 << unix.CAP_CHOWN, 0},

		// The other CPU's functions are not those of this one's question.
		"two CPUs": {memory +
			header("1", "000") + "cap_capable: cred 0, " + machine + "cap 21, ret 0\n" +
			header("2", "001") + "cap_capable: cred 0, " + machine + "cap 0, ret 0\n" +
			header("1", "000") + "<stack trace>\n => path_mount\n" +
			header("2", "001") + "<stack trace>\n => security_vm_enough_memory_mm\n", 1 << unix.CAP_SYS_ADMIN, 0},
	} {
		// However the text is cut into pieces.
		for _, size := range []int{1, 7, 1 << 20} {
			p := newParser()
			for rest := c.trace; rest != ""; {
				n := min(size, len(rest))
				p.text(rest[:n])
				rest = rest[n:]
			}
			if f := p.found(); f.Granted != c.granted || f.Refused != c.refused {
				t.Errorf("%s, by %d: granted %#x, refused %#x", name, size, f.Granted, f.Refused)
			}
		}
	}
}

// However many namespaces there are, not all answers are kept, and that is said.
func TestTraceBounded(t *testing.T) {
	p := newParser()
	for i := range mostAnswers + 10 {
		p.asked["1"] = &answer{target: strconv.Itoa(i), capability: 21, granted: true}
		p.close("1")
	}
	if c := p.found(); len(p.answers) != mostAnswers || !c.Lost || c.Granted != 1<<21 {
		t.Errorf("%d answers, %+v", len(p.answers), c)
	}
}
