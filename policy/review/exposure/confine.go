package exposure

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
)

// Machine is what Assess has to know of the machine. Nil functions know nothing.
type Machine struct {
	// UID is the id of a user.
	UID func(name string) (uint32, error)
	// Find is where the program lies that a filter names, for a user.
	Find func(name, runAs string) (string, error)
	// Gains tells whether a program gets rights when it is executed: by the
	// set-user-id or set-group-id bit, or by file capabilities.
	Gains func(path string) bool
	// Seccomp tells whether a profile lets a system call pass, with some arguments of
	// those that are not known. The error says why the profile cannot be read; it then
	// counts for nothing.
	Seccomp func(profile string, call Syscall) (bool, error)
	// Profile tells where a profile and its program lie.
	Profile func(profile string) (text, program string, err error)

	// Programs are those that the filters of the policy name; nil where they are not known.
	Programs []string

	// Callers are added to those that are known.
	Callers Callers
}

// confinement is what the run-as user and the sandbox section of one filter leave of
// a power.
type confinement struct {
	user    string
	root    bool
	gains   bool // the program may get rights that the user has not
	sandbox policy.Sandbox
	seccomp func(Syscall) bool // nil without a profile
	notes   []string           // what counts for nothing, and why
	who     who                // may call
}

func newConfinement(e *policy.Entry, m Machine) confinement {
	c := confinement{user: e.RunAs(), root: e.RunAs() == "root", who: m.Callers.who()}
	if m.UID != nil && !c.root {
		uid, err := m.UID(c.user)
		c.root = err == nil && uid == 0
	}
	if e.Sandbox != nil {
		c.sandbox = *e.Sandbox
	}
	c.gain(e, m)
	switch p := c.sandbox.Seccomp; {
	case p == "" || p == "none":
	case c.sandbox.SeccompLog:
		c.notes = append(c.notes, fmt.Sprintf("seccomp = %s counts for nothing: it is only tried (seccomp_log), and refuses nothing", p))
	default:
		c.profile(p, m)
	}
	if c.sandbox.BestEffort {
		c.bestEffort()
	}
	if l := c.sandbox.AppArmor; l != "" {
		c.notes = append(c.notes, "AppArmor profile "+filters.Prose(l)+": not judged")
	}
	if l := c.sandbox.SELinux; l != "" {
		c.notes = append(c.notes, "SELinux context "+filters.Prose(l)+": not judged")
	}
	return c
}

// gain finds out whether the program gets rights of its own when it is executed.
func (c *confinement) gain(e *policy.Entry, m Machine) {
	if c.root || c.sandbox.NoNewPrivs || m.Find == nil || m.Gains == nil {
		return
	}
	path, err := m.Find(e.Exec(), e.RunAs())
	if c.gains = err == nil && m.Gains(path); c.gains {
		c.notes = append(c.notes, "the program gets rights when it is executed, which no_new_privs = yes would keep from it")
	}
}

func (c *confinement) profile(name string, m Machine) {
	if m.Seccomp == nil {
		return
	}
	if _, err := m.Seccomp(name, Syscall{Name: "read"}); err != nil {
		c.notes = append(c.notes, fmt.Sprintf("seccomp = %s counts for nothing: %v", name, err))
		return
	}
	c.seccomp = func(call Syscall) bool {
		ok, err := m.Seccomp(name, call)
		return ok || err != nil
	}
}

// bestEffort takes away what a kernel without Landlock does without: read_only and
// private_tmp hold against other processes and mounts by it.
func (c *confinement) bestEffort() {
	if c.landlocked() || c.domain() {
		c.notes = append(c.notes, "landlock = best-effort counts for nothing: a kernel without Landlock does without")
	}
	c.sandbox.LandlockRO, c.sandbox.LandlockRW, c.sandbox.LandlockScope = nil, nil, nil
	c.sandbox.LandlockBind, c.sandbox.LandlockConnect = nil, nil
	if c.view() {
		c.sandbox.PrivateMounts, c.sandbox.ReadOnly, c.sandbox.PrivateTmp = true, nil, false
	}
}

func (c confinement) landlocked() bool {
	return c.sandbox.LandlockRO != nil || c.sandbox.LandlockRW != nil
}

// view tells that the command sees other mounts than the machine, and cannot change any
// (sandbox.Spec).
func (c confinement) view() bool { return c.sandbox.PrivateTmp || len(c.sandbox.ReadOnly) > 0 }

// domain tells that the command is in a Landlock domain, of whatever rules.
func (c confinement) domain() bool {
	b := c.sandbox
	return c.landlocked() || c.view() || b.LandlockBind != nil || b.LandlockConnect != nil || b.LandlockScope != nil
}

// has tells whether the command has a capability (exec.confine).
func (c confinement) has(capability string) bool {
	if c.sandbox.Capabilities == nil {
		return c.root
	}
	return slices.Contains(c.sandbox.Capabilities, capability)
}

// limit is a factor for a power's weight, from 0 for nothing left, and why.
type limit struct {
	factor float64
	why    string
}

var free = limit{1, ""}

func limitf(factor float64, format string, args ...any) limit {
	return limit{factor, fmt.Sprintf(format, args...)}
}

// What is left of a power is a share of its weight.
const (
	partOf   = 0.4 // only what a pattern says is within reach
	asUser   = 0.3 // as another user than root
	confined = 0.2 // kept to places that the sandbox names
	lessened = 0.5 // without the capability, over root's own
	reading  = 0.7 // of what is read and written
)

// need is what it takes to have a power.
type need struct {
	power  string
	caps   string   // a capability, besides what the deeds ask for
	deeds  []string // see does; nil where nobody knows how the program does it
	asks   bool     // a daemon may do it for the program
	any    bool     // the caller chooses the program
	hidden bool     // what the caller has to bring is hidden
}

// limits are all that keep a power down.
func (c confinement) limits(n need) []limit {
	all := []limit{c.byCapability(n)}
	if n.hidden {
		all = append(all, limitf(0, "what the caller brings is hidden from the command"))
	}
	switch n.power {
	case Run, Code:
		all = append(all, c.asUser())
		if n.deeds != nil {
			all = append(all, c.best(n, n.deeds))
		}
	case Read:
		all = append(all, c.asReader(), c.files(n))
		if n.deeds != nil {
			all = append(all, c.best(n, n.deeds))
		}
	case Arguments:
		all = append(all, c.asUser())
	default:
		all = append(all, c.best(n, n.roads()))
	}
	return slices.DeleteFunc(all, func(l limit) bool { return l.factor == 1 })
}

// roads are the deeds by which the power may be had.
func (n need) roads() []string {
	switch list := deedsOf[n.power]; {
	case n.deeds != nil:
		return n.deeds
	case n.asks && !n.any:
		return append(slices.Clone(list), "daemon")
	default:
		return list
	}
}

// best is the limit of the deed of which most is left.
func (c confinement) best(n need, deeds []string) limit {
	best := limitf(-1, "")
	for _, d := range deeds {
		whole := free
		for _, part := range strings.Split(d, "+") {
			whole = least(whole, c.deed(part, n))
		}
		best = most(best, whole)
	}
	if n.power == Device && n.any && best.factor < reading && c.reaches("/dev") {
		return least(limitf(reading, "it reads disks, and writes none"), c.asReader())
	}
	return best
}

func least(all ...limit) limit { return slices.MinFunc(all, byFactor) }
func most(all ...limit) limit  { return slices.MaxFunc(all, byFactor) }

func byFactor(a, b limit) int { return cmp.Compare(a.factor, b.factor) }

// deed is what is left of a deed: the kernel is to let one of its calls pass, to a user
// who may make it, for files and in namespaces that matter.
func (c confinement) deed(name string, n need) limit {
	entitled := limitf(-1, "")
	for _, o := range callsOf[name] {
		if c.passes(o.Syscall, n.any) {
			entitled = most(entitled, c.entitled(name, o.caps, n))
		}
	}
	if entitled.factor < 0 {
		return limitf(0, "the seccomp profile %s refuses the system calls that it takes", c.sandbox.Seccomp)
	}
	return least(entitled, c.places(name, n), c.processes(name), c.namespaces(name, n))
}

// passes tells whether the profile lets a call pass. A program that the caller has not
// chosen gives the kernel no more bits than it looks at.
func (c confinement) passes(call Syscall, any bool) bool {
	if c.seccomp == nil {
		return true
	}
	for i, mask := range call.Mask {
		if mask != 0 && !any {
			call.Mask[i] |= (1<<32 - 1) << 32
		}
	}
	return c.seccomp(call)
}

// entitled is what the user and the capabilities leave of a deed that takes one of caps,
// where being root is not enough.
func (c confinement) entitled(deed string, caps []string, n need) limit {
	switch {
	case len(caps) == 0 && c.root, deed == "copy", slices.ContainsFunc(caps, c.has), slices.ContainsFunc(strings.Fields(restores[deed]), c.has):
		return free
	case c.root && (deed == "kill"):
		return limitf(lessened, "without cap_kill it reaches root's processes only")
	case c.root:
		return limitf(0, "has not the capability that it takes: %s", strings.Join(caps, " or "))
	case len(caps) == 0, c.gains, n.any && !c.sandbox.NoNewPrivs:
		return c.asUser()
	}
	return limitf(0, "runs as %s, not as root", c.user)
}

// restores are the capabilities that give a deed to a user who is not root, and that it
// does not take of root (capabilities(7)). Root owns most files: reading and writing
// them, changing their modes and writing to /proc/sys take none, which is why cutting
// capabilities alone confines little.
var restores = map[string]string{
	"write": "cap_dac_override", "place": "cap_dac_override", "make": "cap_dac_override", "remove": "cap_dac_override", "empty": "cap_dac_override", "disk": "cap_dac_override",
	"mode": "cap_fowner", "attribute": "cap_fowner cap_setfcap", "process": "cap_sys_ptrace", "trace": "cap_sys_ptrace",
}

func (c confinement) asUser() limit {
	if c.root {
		return free
	}
	return limitf(asUser, "runs as %s, not as root", c.user)
}

func (c confinement) asReader() limit {
	if c.has("cap_dac_override") || c.has("cap_dac_read_search") {
		return free
	}
	return c.asUser()
}

// byCapability is what is left where a row of the table asks for a capability. Root traces
// root's processes without CAP_SYS_PTRACE, as long as they have no more capabilities.
func (c confinement) byCapability(n need) limit {
	switch {
	case n.caps == "", c.has(n.caps), n.caps == "cap_sys_ptrace" && c.root:
		return free
	case n.power == Signal && c.root:
		return limitf(lessened, "without %s it reaches root's processes only", n.caps)
	case c.root:
		return limitf(0, "has not the capability that it takes: %s", n.caps)
	case c.gains:
		return c.asUser()
	}
	return limitf(0, "runs as %s, not as root", c.user)
}

// places is what a section leaves of a deed by the files that may be touched: what is not
// below the paths of Landlock's keys cannot be opened, made or moved
// (Documentation/userspace-api/landlock.rst). It does not look at chmod, chown and
// extended attributes, nor at what is done through sockets. Devices are written whatever
// is read-only.
func (c confinement) places(deed string, n need) limit {
	switch deed {
	case "mount", "arrange", "remount", "unmount":
		if c.landlocked() || c.view() {
			return limitf(0, "Landlock forbids mounting")
		}
	case "write", "place", "make", "remove", "empty":
		return least(c.readOnly(), c.files(n))
	case "mode", "owner", "attribute", "flag":
		return c.readOnly()
	case "setting":
		return least(c.readOnly(), c.below(n, "/proc"))
	case "accounts":
		return least(c.readOnly(), c.below(n, "/etc"))
	case "set-id", "node":
		if c.landlocked() && !slices.ContainsFunc(c.sandbox.LandlockRW, func(p string) bool { return !strings.HasPrefix(p, "/dev/") }) {
			return limitf(0, "Landlock lets it make files nowhere")
		}
		return c.readOnly()
	case "enter":
		if !n.any && !c.reaches("/proc") && !c.reaches("/run") {
			return limitf(0, "Landlock keeps it from the names of namespaces, in /proc and /run")
		}
	case "disk", "drive":
		return c.below(n, "/dev")
	}
	return free
}

func (c confinement) readOnly() limit {
	if slices.Contains(c.sandbox.ReadOnly, "/") {
		return limitf(0, "read_only = /: it writes devices, and no files")
	}
	return free
}

// files is what Landlock leaves of reading, for the power to read, or of writing.
func (c confinement) files(n need) limit {
	write := c.sandbox.LandlockRW
	switch {
	case !c.landlocked(), n.asks && n.deeds == nil, c.elsewhere(n):
	case n.power == Read:
		if read := append(slices.Clone(write), c.sandbox.LandlockRO...); !covers(read, "/etc", "/root", "/var", "/proc", "/home", "/dev") {
			return limitf(confined, "Landlock lets it read below %s only", list(read))
		}
	case !covers(write, "/etc", "/usr", "/var", "/root", "/boot", "/lib", "/bin", "/sbin", "/dev", "/proc"):
		return limitf(confined, "Landlock lets it write below %s only", list(write))
	}
	return free
}

// veil is what a section hides of what the caller brings; "" where it hides nothing. Where
// one of the caller's directories is left, a link in a hidden place is of no use, but what
// is a link need not be hidden (places.go has whose directories are whose).
func (c confinement) veil() string {
	read := append(slices.Clone(c.sandbox.LandlockRW), c.sandbox.LandlockRO...)
	switch {
	case c.landlocked() && !slices.ContainsFunc(read, c.holdsOwn):
		return "!" + strings.Join(append(read, "/dev/null"), ":")
	case c.sandbox.PrivateTmp:
		return "/tmp:/var/tmp"
	}
	return ""
}

// holdsOwn tells that what the caller brings may lie below a path.
func (c confinement) holdsOwn(path string) bool {
	memory.Lock()
	defer memory.Unlock()
	key := met{"below " + path, landOf(c.who).ownFile()}
	w, known := memory.met[key]
	if !known {
		w = meet(slot{key: key.slot, word: within(path)}, key.set)
	}
	return w.ok || w.large
}

// elsewhere tells that the command may enter another mount namespace, in which other
// directories lie below the paths of Landlock's keys: whoever has made a user namespace
// makes such a one.
func (c confinement) elsewhere(n need) bool {
	return n.any && c.has("cap_sys_admin") && !c.view() && c.passes(Syscall{Name: "setns"}, true)
}

// below is what Landlock leaves of a deed on files in a place.
func (c confinement) below(n need, place string) limit {
	if !c.landlocked() || c.elsewhere(n) || covers(c.sandbox.LandlockRW, place) {
		return free
	}
	return limitf(0, "Landlock keeps it from %s", place)
}

// reaches tells whether files in a place can be read.
func (c confinement) reaches(place string) bool {
	return !c.landlocked() || covers(append(slices.Clone(c.sandbox.LandlockRW), c.sandbox.LandlockRO...), place)
}

// covers tells whether one of the paths holds, or lies in, one of the places.
func covers(paths []string, places ...string) bool {
	for _, p := range paths {
		p = strings.TrimRight(p, "/")
		for _, place := range places {
			if p == "" || p == place || strings.HasPrefix(place, p+"/") || strings.HasPrefix(p, place+"/") && sensitive(p) {
				return true
			}
		}
	}
	return false
}

// sensitive tells places below the system's directories from those that services
// have there for themselves.
func sensitive(p string) bool {
	for _, own := range []string{"/var/lib/", "/var/log/", "/var/tmp", "/var/cache/", "/var/spool/", "/dev/shm", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/usr/share/", "/home/"} {
		if strings.HasPrefix(p, own) {
			return strings.HasPrefix(p, "/var/spool/cron")
		}
	}
	return true
}

func list(paths []string) string {
	if len(paths) == 0 {
		return "nowhere"
	}
	return strings.Join(paths, ", ")
}

// processes is what a section leaves of a deed to other processes: in a Landlock domain,
// of whatever rules, a process traces none outside, and takes nothing out of one.
func (c confinement) processes(deed string) limit {
	switch {
	case (deed == "process" || deed == "trace") && c.domain():
		return limitf(0, "Landlock keeps it from processes outside of the sandbox")
	case deed == "kill" && slices.Contains(c.sandbox.LandlockScope, "signal"):
		return limitf(0, "landlock_scope: it signals nobody outside of the sandbox")
	}
	return free
}

// namespaces: whoever has CAP_SYS_ADMIN and may choose the program enters the machine's
// own again (setns(2)).
func (c confinement) namespaces(deed string, n need) limit {
	if n.any && c.has("cap_sys_admin") && c.passes(Syscall{Name: "setns"}, true) {
		return free
	}
	switch deed {
	case "socket", "interface", "netlink", "packet":
		if c.sandbox.PrivateNetwork && n.power == Network {
			return limitf(0, "private_network: it changes a network of its own")
		}
	case "setting":
		if c.sandbox.PrivateNetwork && n.power == Network {
			return limitf(0, "private_network: the settings are those of a network of its own")
		}
	case "mount", "remount", "unmount":
		if c.sandbox.PrivateMounts {
			return limitf(confined, "its mounts are its own: nobody else sees them")
		}
	}
	return free
}

// rules names a deed by which whoever chooses the program is root outside of the sandbox:
// "" where none is left whole.
func (c confinement) rules() string {
	for _, d := range rulers {
		if d == "become" && c.root {
			continue // already
		}
		if c.deed(d, need{any: true}).factor == 1 {
			return d
		}
	}
	return ""
}
