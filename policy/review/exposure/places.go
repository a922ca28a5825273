package exposure

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"ironwrap/policy/review/language"
	"ironwrap/policy/review/programs"
)

// worth is what somebody has of a file.
type worth int

const (
	trifle    worth = iota // nothing: /dev/null
	own                    // what the caller has anyway: /tmp, the service's own directories
	disk                   // the devices that file systems lie on, and memory
	hidden                 // what only root may read
	steering               // settings of the kernel that make it run programs
	system                 // root's configuration and programs, and what leads there
	public                 // of root's, but anybody may read it
	setting                // of the kernel's, and anybody may read it
	elsewhere              // the rest: data of other services, other settings and devices
)

// place is a row: the paths, free of links and dots, that are worth something. The first
// row that has a path counts.
type place struct {
	worth worth
	paths string // a pattern
}

var places = []place{
	{trifle, `/dev/(null|zero|full|random|urandom|stdin|stdout|stderr|tty|(fd|pts)/[0-9]+)|/proc/self/fd/[0-9]+`},
	{own, ``}, // see landOf
	{disk, `/dev/(sd|hd|vd|xvd|nvme|mmcblk|md|dm-|loop|nbd|rbd|zd|drbd|sg|sr|bcache)[^/]*|/dev/(mem|kmem|port)|/dev/[^/]+/.+|/proc/kcore`},
	{hidden, `/etc/(shadow|gshadow|sudoers)[-~]?|/etc/(sudoers\.d|ssl/private|letsencrypt|wireguard|ipsec\.d|ppp)/.+|/etc/ssh/ssh_host_[^/]*_key|/etc/(.+/)?[^/]*(secret|passw|cred|token|\.key|\.pem|keytab|keyring)[^/]*|` +
		`/root/.+|/var/backups/.+|/proc/[0-9]+/(environ|mem|auxv|fd/.+)|/var/lib/(mysql|postgresql|rabbitmq|ceph|etcd|kubelet|docker|containerd|samba)/.+|/var/log/(auth|secure|audit)[^/]*(/.+)?`},
	{steering, `/proc/sys/kernel/(core_pattern|modprobe|poweroff_cmd|hotplug|usermodehelper/.+)|/proc/sys/fs/binfmt_misc/.+|/proc/sysrq-trigger|/sys/kernel/uevent_helper|/sys/fs/cgroup/(.+/)?release_agent|/sys/kernel/(debug|tracing|config)/.+|/proc/[^/]+/mem`},
	{system, `/proc/[^/]+/(root|cwd)(/.*)?`},
	{public, `/etc/(hostname|hosts|passwd|group|os-release|lsb-release|debian_version|resolv\.conf|services|protocols|fstab|mtab|localtime|timezone|nsswitch\.conf|machine-id)|` +
		`/usr/(bin|sbin|lib|share|include)/.+|/(bin|sbin|lib|lib64)/.+`},
	{setting, `/proc/(cpuinfo|meminfo|mounts|stat|uptime|version|loadavg|partitions|filesystems|modules|cmdline|swaps|diskstats|interrupts|net/.+)|/proc/[0-9]+/(cmdline|comm|stat|status|statm|cgroup)|/proc/sys/.+|/sys/(class|block|bus|devices|module)/.+`},
	{system, `/|/(etc|usr|bin|sbin|lib|lib32|lib64|libx32|boot|root|opt)(/.*)?|/(var|run|home|srv|dev|proc|sys)|/var/(lib|run|spool|cache|log)|/var/spool/(cron|at|anacron)(/.*)?|(/var)?/run/(systemd|udev|modprobe\.d|dbus|sudo|tmpfiles\.d)(/.*)?|/var/lib/(systemd|dpkg|apt|rpm|polkit-1|sudo|dbus|cloud|dkms)(/.*)?`},
	{elsewhere, `/.*`},
}

// sticky are directories in which everybody may make files.
const sticky = `(/tmp|/var/tmp|/dev/shm)`

// services are directories that belong to those who call ironwrap: homes, and what the
// services that are known to call it keep.
const services = `/home/[^/]+|/opt/stack|/var/(lib|log|cache|run)/` + callers + `|/run/` + callers

const callers = `(nova|neutron|cinder|glance|manila|ironic|ironic-inspector|ceilometer|designate|trove|octavia|sahara|magnum|zun|masakari|cyborg|blazar|mistral|heat|swift|watcher|tacker|murano|freezer|kolla|quantum|novajoin|networking-[a-z]+)`

// users are names of users other than root, and all their numbers.
const users = callers + `|nobody|daemon|www-data|stack|ubuntu|debian|libvirt-qemu|qemu|\+?0*[1-9][0-9]*`

// missed are names of what is root's, at the end of a path.
const missed = `(shadow|passwd|group|sudoers|fstab|etc|usr|bin|sbin|lib|lib64|var|boot|root|home|ssh|cron\.d|pam\.d|systemd|log)/*`

// step is the name of a file or directory in a path.
const step = `([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)`

// What follows is made when it is first asked for: that takes memory, and most commands
// do not ask.

// detours are beginnings of paths that end where they began, at the root.
var detours = sync.OnceValue(func() language.Word {
	list := []string{`/`, `/\.`, `/\.\.`}
	for n := 1; n <= 5; n++ {
		list = append(list, strings.Repeat("/"+step, n)+strings.Repeat(`/\.\.`, n))
	}
	return paths(`(` + strings.Join(list, "|") + `)*`)
})

var (
	straight = sync.OnceValue(func() language.Word { return paths(`/|(/` + step + `)+/?`) })
	another  = sync.OnceValue(func() language.Word { return paths(`[^/-].*`) }) // not from the root: the working directory is the caller's choice
)

func paths(pattern string) language.Word {
	w, err := language.Pattern("(?s)" + pattern)
	if err != nil {
		panic(err)
	}
	return w
}

// level says to what extent a power is given away.
type level int

const (
	toAll    level = iota // to what makes the power whole
	toSome                // to what a pattern says
	toLittle              // to what nobody misses
)

var why = map[level]string{
	toSome:   "only what the filter's patterns let through",
	toLittle: "only what is worth little: what is the caller's own, or what anybody has",
}

// aim is what the words of a form are to be.
type aim struct {
	power string
	level level
	real  bool // paths are resolved before they are used
	raced bool // the caller may put a link in a path meanwhile
	file  bool // what the caller brings may be named without a slash
	// veil has what the caller brings be any word but the paths that a section hides from
	// the command: those that lie below these, or where it begins with a !, those that do
	// not.
	veil string
	who  who // whose places are the caller's
}

// graded are the aims from the most that can be had to the least.
func (a aim) graded(levels []level, raced bool) (list []aim) {
	for _, a.level = range levels {
		a.raced = false
		list = append(list, a)
		if a.real && raced && a.level == toAll {
			a.raced = true
			list = append(list, a)
		}
	}
	return list
}

// essence is what of an aim counts for a placeholder: for those which have the same, the
// same words may stand.
func (a aim) essence(name string) aim {
	switch name {
	case "file", "name", "dir", "new":
		a.file = false
		if precious[a.power] == nil {
			return aim{who: a.who}
		}
		if a.power == Owner {
			a.power = Write // is about the same files
		}
		return a
	case "mine", "dest", "from", "disk":
		return aim{file: a.file, veil: a.veil, who: a.who}
	case "some":
		return aim{veil: a.veil}
	case "readable":
		return aim{who: a.who}
	case "user", "group":
		return aim{level: a.level, power: a.power, who: a.who}
	case "unit", "bus", "netsysctl", "caps":
		return aim{level: a.level}
	}
	return aim{}
}

// precious are the worths that make a power whole.
var precious = map[string][]worth{
	Write:    {system, public, hidden, steering, disk},
	Owner:    {system, public, hidden, steering, disk},
	Destroy:  {system, public, hidden, disk},
	Read:     {hidden, disk},
	Mount:    {system, public, hidden, own},
	Services: {system, public, hidden},
}

// some are the worths of which something is lost.
func (a aim) some() []worth {
	switch {
	case a.power == Read:
		return []worth{elsewhere, steering, system, hidden, disk}
	case a.real: // the caller may exchange a directory of theirs while the command starts
		return []worth{elsewhere, setting, steering, system, hidden, public, disk, own}
	}
	return []worth{elsewhere, setting, steering, system, hidden, public, disk}
}

// target are the paths that a power is about. followed tells that the program follows the
// path where it is a link.
func (a aim) target(followed bool) language.Word {
	list := precious[a.power]
	if list == nil {
		return language.AnyWord()
	}
	if a.level == toLittle {
		return language.AnyWord().Minus(language.Text(""))
	}
	if a.level == toSome {
		list = append(slices.Clone(list), a.some()...)
	}
	if a.raced {
		list = append(slices.Clone(list), own)
	}
	switch {
	case a.real:
		return landOf(a.who).worthOne(list...)
	case followed:
		return landOf(a.who).worthOne(list...).Or(landOf(a.who).ledTo(), another())
	case a.power == Destroy && a.level == toAll:
		return landOf(a.who).worthOf(paths(`.*/`+missed), system, public, hidden).Or(landOf(a.who).gone())
	}
	return landOf(a.who).worthOne(list...).Or(landOf(a.who).ledIn(), another())
}

// value is the set of the words that may stand for a placeholder.
func (a aim) value(name string) (programs.Value, bool) {
	switch name {
	case "file", "name", "dir", "new":
		like := map[string][]string{"file": {stolen, "/etc/x", "/dev/sda"}, "name": {stolen, "/etc/x"}, "dir": {"/etc", "/"}, "new": {"/etc/nologin"}}[name]
		return programs.Value{Word: a.target(name != "name" && name != "new"), Like: like}, true
	case "disk":
		return programs.Value{Word: landOf(a.who).worthOne(disk).Or(landOf(a.who).ledTo(), another()), Like: fixed["disk"]}, true
	case "mine", "dest", "from":
		if a.veil != "" && name == "mine" {
			return programs.Value{Word: unveiled(a.veil)}, true
		}
		v := programs.Value{Word: landOf(a.who).brought(), Like: []string{mine}}
		if a.file || name != "mine" {
			v.Word = landOf(a.who).read()
		}
		return v, true
	case "some":
		if a.veil != "" {
			return programs.Value{Word: unveiled(a.veil)}, true
		}
		return programs.Value{Word: language.AnyWord(), Like: []string{mine}}, true
	case "word":
		return programs.Value{Word: language.AnyWord(), Like: []string{mine}}, true
	case "readable":
		return programs.Value{Word: language.AnyWord().Minus(landOf(a.who).worthOne(trifle, hidden, disk)), Like: []string{mine}}, true
	case "context":
		return strange(), true
	case "shell":
		return programs.Value{Word: language.AnyWord(), Like: []string{"id"}, Kind: "shell"}, true
	case "free":
		return programs.Value{Word: language.AnyWord(), Like: []string{"x"}, Kind: "free"}, true
	}
	for _, v := range vocabulary {
		if v.name == name {
			return a.choice(v), true
		}
	}
	if words, ok := fixed[name]; ok {
		v := programs.Text(words...)
		if texts[name] {
			v.Kind = "text"
		}
		return v, true
	}
	return programs.Value{}, false
}

// unveiled are all words but the paths that a veil hides. What goes back is not followed:
// it may lead anywhere.
func unveiled(veil string) language.Word {
	list, outside := strings.CutPrefix(veil, "!")
	below := language.Word{}
	for _, p := range strings.Split(list, ":") {
		below = below.Or(within(p))
	}
	if outside {
		return another().Or(below, paths(`/(.*/)?\.\.(/.*)?`))
	}
	return language.AnyWord().Minus(below)
}

// within are the paths of what lies below a directory, but for those that go back.
func within(dir string) language.Word {
	const slashes = `(/\.?)*/`
	pattern := ""
	for _, name := range strings.FieldsFunc(dir, func(r rune) bool { return r == '/' }) {
		pattern += slashes + regexp.QuoteMeta(name)
	}
	return paths(pattern + `(/(\.|` + step + `)?)*`)
}

// choice is what may stand for a word that is no path.
func (a aim) choice(v entryWord) programs.Value {
	pattern := v.all
	if v.some != "" && (a.level != toAll || mayOwn(v.name) && a.power != Owner) {
		pattern = v.some
	}
	if name := v.name; pattern == v.all && a.who.users != "" && mayOwn(name) {
		pattern += `|(` + a.who.users + `)([:.].*)?`
	}
	kind := ""
	if texts[v.name] {
		kind = "text"
	}
	return programs.Value{Word: paths(pattern), Like: v.like, Kind: kind}
}

// texts are the placeholders for programs: one that the policy writes is not the caller's.
var texts = fieldSet("python perl ruby lua php node tcl guile awk sed vim gitalias gdb sqlite awkwrite bpftrace clisp elisp elvish")

// mayOwn tells that there is more and less of a kind of words only where they own something.
func mayOwn(name string) bool { return name == "user" || name == "group" }

// entryWord is a kind of words: those with which a power is whole, and those with which
// the caller has some of it.
type entryWord struct {
	name      string
	like      []string
	all, some string
}

var vocabulary = []entryWord{
	{"any", []string{"x", "1"}, `.*`, ""},
	{"cmd", []string{"true"}, `[^-/][^/]*|/.+`, ""},
	{"pipe", []string{"|/tmp/x"}, `[|!].*`, ""},
	{"num", []string{"1"}, `[0-9][0-9A-Za-z.,:%-]*`, ""}, // with a unit, or a range
	{"remote", []string{"h:x"}, `([^/:@]+@)?[^/:@-][^/:@]*:.*`, ""},
	{"pid", []string{"1"}, `-?[0-9]+|[a-z].*`, ""},
	{"ns", []string{"x"}, `[^-].*`, ""},
	{"url", []string{"http://x/"}, `.+`, ""},
	{"user", []string{"nobody", "65534", "nobody:nogroup"}, `(` + users + `)([:.].*)?`, `.*`},
	{"group", []string{"nogroup", "65534"}, users + `|nogroup|users`, `.*`},
	{"bus", []string{"org.freedesktop.systemd1"}, `org\.freedesktop\.(systemd1|PolicyKit1|login1|machine1|UDisks2)`, `.+`},
	{"unit", []string{"ssh"}, `ssh(d)?(\.service)?`, `[^-].*`},
	{"regex", []string{"", ".", ".*"}, `.*`, ""},
	{"print", []string{"p", ""}, `.*`, ""},
	{"print1", []string{"1", "{print}"}, `1|.*print.*`, ""},
	{"sedi", []string{"1s/^/x/"}, `[0-9,$/]*[saicrywde].*`, ""},
	{"mode", []string{"4755", "04755", "u+s", "777", "0777", "666", "0666", "a+rwx", "o+w", "a+r"},
		`0*[0-7]{0,3}[2367]|0*[2-7][0-7]{3}|([ugoa]*[-+=][rwxXst]*,)*([ugoa]*[ao][ugoa]*[+=][rxXst]*[rw][rwxXst]*|[ug]*[ug][ug]*[+=][rwxX]*s[rwxXst]*|[+=][rwxX]*s[rwxX]*)(,.*)?`, ""},
	{"seen", []string{"644", "0644", "a+r"}, `0*[0-7]{0,3}[4567]|([ugoa]*[-+=][rwxXst]*,)*([ugoa]*[oa][ugoa]*)?[+=][wxXst]*r[rwxXst]*(,.*)?`, ""},
	{"acl", []string{"o::rw", "u:nobody:rw"}, `(o(ther)?:|u(ser)?:[^:]+:|g(roup)?:[^:]+:).*w.*`, ""},
	{"tree", fixed["tree"], `/|/(etc|usr|var|lib|boot|home|opt|srv)(/(lib|share|bin|log|ssl|cache))?/*`, ""},
	{"caps", []string{"cap_setuid+ep", "cap_setuid=ep"}, `(?i)(.*[ ,])?(all|cap_(setuid|setgid|sys_admin|sys_module|sys_ptrace|dac_override|dac_read_search|chown|fowner|setfcap|sys_rawio))[a-z_,]*[=+].+|=.+`, `.*`},
	{"climb", []string{"../../../tmp/x:/../../etc/ld.so.preload", "../../cron.d/x"}, `\.\./.+`, ""},
	{"initd", []string{up + mine}, `(\.\./)+tmp/.+`, ""},
	{"lvmlog", fixed["lvmlog"], `.*log.*file.*`, ""},
	{"export", []string{"*:/", "*:/etc"}, `[^:]*:/.*`, ""},
	{"sysctl", fixed["sysctl"], spelled(`kernel/core_pattern=\|.*`, `kernel/(modprobe|poweroff_cmd|hotplug)=/.*`, `fs/binfmt_misc/register=.*`), ""},
	{"netsysctl", fixed["netsysctl"], spelled(`net/ipv[46]/conf/(all|default)/forwarding=.*`), spelled(`net/[^=]+=.*`)},
	{"ldpreload", []string{"LD_PRELOAD=/tmp/x"}, `LD_(PRELOAD|AUDIT|LIBRARY_PATH)=.+`, ""},
	{"poke", fixed["poke"], `(inject=)?[a-z0-9_,/%!?]+:(.*:)?poke_(enter|exit)=.*`, ""},
	{"signal", fixed["signal"], `-([0-9]+|[A-Z]+[0-9]*)`, ""},
	{"shells", fixed["shells"], `(/(usr/)?bin/)?((ba|da|a|z|k|mk|c|tc)?sh|perl|python[0-9.]*|ruby|php|node|nodejs|tclsh[0-9.]*)`, ""},
	{"repl", []string{"{}"}, `.+`, ""},
	{"held", []string{"{}"}, `(.*[^A-Za-z0-9_])?(\{\}|%|@|_|X+|FILE|ARG)([^A-Za-z0-9_].*)?`, ""},
	{"socatsh", fixed["socatsh"], `(?i)(exec|system|shell)(:(/(usr/)?bin/)?((ba|da|a|z|k|mk|c|tc)?sh|perl|python[0-9.]*)?( -[il]+)?)?(,.*)?`, ""},
	{"exportopt", []string{"no_root_squash", "rw,no_root_squash"}, `.*no_root_squash.*`, ""},
	{"python", fixed["python"], `([^\n]*[;\n] ?)?import os; ?os\.system\("id"\)([;\n#].*)?`, ""},
	{"perl", fixed["perl"], `(.*[;{}] ?)?(exec|system)[ (]?"id"\)?([;}#].*)?`, ""},
	{"awk", fixed["awk"], `(.*[};\n] ?)?BEGIN ?\{ ?system\("id"\) ?\}.*`, ""},
	{"sed", fixed["sed"], `(.*[;\n] ?)?[0-9]*e( ?id)?(\n.*)?|s/.*/.*/[gp0-9]*e[gp]*`, ""},
}

// spelled are settings, as key=value, in the two ways in which sysctl(8) takes a key:
// with slashes; or, where the first of the two is a dot, with dots and slashes exchanged.
// .. leads from one group to another.
func spelled(settings ...string) string {
	const groups = `(/|/\./|(net|kernel|vm|fs|dev|user|debug|abi|crypto)/\.\./|` +
		`(net/(ipv4|ipv6|core|netfilter|bridge|unix)|kernel/(random|keys|pty|yama|seccomp|usermodehelper))/\.\./\.\./|` +
		`net/ipv[46]/(conf|neigh|route)/\.\./\.\./\.\./|net/ipv[46]/(conf|neigh)/[a-z0-9_-]+/\.\./\.\./\.\./\.\./)*`
	exchanged := strings.NewReplacer(`\.`, `/`, `/`, `\.`)
	var all []string
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		all = append(all, groups+key+" *="+value, exchanged.Replace(groups+key)+" *="+value)
	}
	return `[ \t]*-?(` + strings.Join(all, "|") + `)`
}

// graded are the levels of a form, the worst first.
func graded(power, form string) []level {
	if precious[power] != nil {
		for _, name := range []string{"{file}", "{name}", "{dir}", "{new}"} {
			if strings.Contains(form, name) {
				return []level{toAll, toSome, toLittle}
			}
		}
	}
	for _, v := range vocabulary {
		if v.some != "" && (!mayOwn(v.name) || power == Owner) && strings.Contains(form, "{"+v.name+"}") {
			return []level{toAll, toSome}
		}
	}
	return []level{toAll}
}
