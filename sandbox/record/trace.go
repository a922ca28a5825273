package record

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// accounting asks for CAP_SYS_ADMIN with each piece of memory that a process gets:
// it may use the last of the memory, where overcommitting is off.
const accounting = "vm_enough_memory"

// noDemand are places in the kernel that ask for a capability and go on without it
// just as well.
var noDemand = []string{
	accounting,
	"io_uring_setup", // CAP_IPC_LOCK: memory is not counted against RLIMIT_MEMLOCK
}

// parser reads a trace as trace_pipe has it: a line for each question, and behind
// it, though lines of another CPU may come between, the functions on the way there.
//
//	cat-22215   [000] .....   807.843735: cap_capable: cred ..., target_ns ..., capable_ns ..., cap 21, ret 0
//	cat-22215   [000] .....   807.843736: <stack trace>
//	 => cap_capable
//	 => security_vm_enough_memory_mm
type parser struct {
	answers map[answer]bool
	full    bool               // there were more than are kept
	machine string             // the machine's own user namespace, once it is known
	rest    string             // of a line that has not ended
	asked   map[string]*answer // that wait for their functions, by process and CPU
	now     string             // whose functions are being read
}

// answer is one of cap_capable()'s: its arguments, and what it returned.
type answer struct {
	target, namespace string // user namespaces: of what is wanted, and of who wants it
	capability        int
	granted           bool
}

// mostAnswers are kept: each new user namespace has answers of its own.
const mostAnswers = 1 << 16

func newParser() parser { return parser{answers: map[answer]bool{}, asked: map[string]*answer{}} }

func (p *parser) text(s string) {
	lines := strings.Split(p.rest+s, "\n")
	p.rest = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		p.line(line)
	}
}

// A line begins with the command's name, which the command chooses, in up to 15
// bytes: too few for what is looked for.
var entry = regexp.MustCompile(`-(\d+ +\[\d+\]) \S+ +\d+\.\d+: (?:cap_capable: cred \S+, target_ns (\S+), capable_ns (\S+), cap (\d+), ret (-?\d+)|<stack trace>)$`)

func (p *parser) line(line string) {
	m := entry.FindStringSubmatch(line)
	if function, ok := strings.CutPrefix(line, " => "); ok && m == nil {
		p.function(function)
		return
	}
	p.close(p.now)
	p.now = ""
	if m == nil {
		return
	}
	who, capability := m[1], m[4]
	if capability == "" { // its functions follow
		p.now = who
		return
	}
	p.close(who)
	if n, err := strconv.Atoi(capability); err == nil && n < 64 {
		p.asked[who] = &answer{target: m[2], namespace: m[3], capability: n, granted: m[5] == "0"}
	}
}

// function is one on the way to a question.
func (p *parser) function(name string) {
	a := p.asked[p.now]
	if a == nil || !slices.ContainsFunc(noDemand, func(place string) bool { return strings.Contains(name, place) }) {
		return
	}
	if strings.Contains(name, accounting) {
		p.machine = a.target // memory is the machine's
	}
	delete(p.asked, p.now)
}

// close keeps an answer, all that belongs to it having been read.
func (p *parser) close(who string) {
	a := p.asked[who]
	if a == nil {
		return
	}
	delete(p.asked, who)
	if !p.answers[*a] && len(p.answers) == mostAnswers {
		p.full = true
		return
	}
	p.answers[*a] = true
}

// found is what was asked of processes in the machine's own user namespace: in one
// of its own making a process has every capability, whatever it had before.
func (p *parser) found() (c Capabilities) {
	for who := range p.asked {
		p.close(who)
	}
	c.Lost = p.full
	for a := range p.answers {
		switch {
		case p.machine != "" && a.namespace != p.machine:
		case a.granted:
			c.Granted |= 1 << a.capability
		default:
			c.Refused |= 1 << a.capability
		}
	}
	return c
}
