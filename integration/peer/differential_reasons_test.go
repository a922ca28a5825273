package peer

import (
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ironwrap/integration/rig"
)

// kind tells whom a difference favours.
type kind int

const (
	narrower  kind = iota + 1 // ours does not allow what the peer allows
	wider                     // ours allows what the peer does not
	rewritten                 // both allow, and run other words
)

// difference is one that is meant. The ids that begin with A are those of the
// list of the peer's bypasses that the developers keep; what must be known of
// each stands here and in the comments of package filters.
type difference struct {
	id, reason string
	kind       kind
	is         func(r refusal) bool // nil where the comparison itself tells
}

// refusal is a filter that one program finds to match and the other not. Where
// that is the filter of a nested command, words is that command, its program by
// base name, and typed the program as it was written.
type refusal struct {
	workshop           *workshop
	class, exec, runAs string
	args               []string // of the definition, after the run-as user
	words              []string
	typed              string
	why                string // ours; empty where ours matches
}

var differences = []difference{
	{"A28 popped env", "an EnvFilter of the peer takes 'env' off the words for all filters that follow", narrower, func(r refusal) bool {
		return r.words[0] == "env" && (r.class != "EnvFilter" || r.word(1) == "env") &&
			slices.ContainsFunc(r.workshop.peer.Filters, func(f rig.PeerFilter) bool { return f.Class == "EnvFilter" })
	}},
	{"A1 nested path", "the nested program is typed with a path that is not the one its filter stands for", narrower, func(r refusal) bool {
		program, err := r.workshop.machine.Find(r.exec, r.runAs)
		return strings.Contains(r.typed, "/") && r.why == "the nested command is "+r.typed &&
			r.typed != r.exec && (err != nil || r.typed != program.Path)
	}},
	{"A38 privsep-helper", "the implicit filter takes only the command line that oslo.privsep builds, with a known context and configuration of root's", narrower, func(r refusal) bool {
		return r.class == "CommandFilter" && r.exec == "privsep-helper" && !r.builtByPrivsep()
	}},

	{"A17 open alternation", "of an alternation without a group the peer anchors only the last branch", narrower, func(r refusal) bool {
		return r.isRegExp() && slices.ContainsFunc(r.args, openAlternation) && strings.Contains(r.why, "|")
	}},
	{"A18 newline", "the peer's $ lets a newline follow", narrower, func(r refusal) bool {
		return r.isRegExp() && slices.ContainsFunc(r.words, func(w string) bool { return strings.HasSuffix(w, "\n") })
	}},
	{"A19 not ASCII", "digits, word characters, blanks and case are those of ASCII", narrower, func(r refusal) bool {
		return r.isRegExp() && slices.ContainsFunc(r.words, notASCII) &&
			slices.ContainsFunc(r.args, func(p string) bool { return strings.Contains(p, `\`) || strings.Contains(p, "(?i)") })
	}},

	{"A16 relative path", "a relative or empty path depends on the caller's directory", narrower, func(r refusal) bool {
		return r.anyPath(func(_, path string) bool { return !filepath.IsAbs(path) })
	}},
	{"A12 sibling", "the peer compares paths as strings, so that /images-evil lies below /images", narrower, func(r refusal) bool {
		return r.anyPath(func(base, path string) bool {
			real, base := leadsTo(path), strings.TrimSuffix(base, "/")
			return strings.HasPrefix(real, base) && !strings.HasPrefix(real+"/", base+"/")
		})
	}},
	{"path: root itself", "a base with a slash at its end is not among what lies below it, / included", narrower, func(r refusal) bool {
		return r.anyPath(func(base, path string) bool { return base == "/" && leadsTo(path) == "/" })
	}},
	{"path: not to follow", "the kernel cannot follow the path (a file as directory, a loop, too long), and the peer guesses where it would lead to", narrower, func(r refusal) bool {
		return r.anyPath(func(_, path string) bool {
			_, err := os.Stat(path)
			return errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENAMETOOLONG)
		})
	}},
	{"path: out of nothing", "'..' after a directory that does not exist", narrower, func(r refusal) bool {
		return r.anyPath(func(_, path string) bool {
			for before := range prefixes(path, "..") {
				if _, err := os.Stat(before); errors.Is(err, os.ErrNotExist) {
					return true
				}
			}
			return false
		})
	}},
	{"path: dangling link", "a symbolic link that leads nowhere: whoever makes what it names decides", narrower, func(r refusal) bool {
		return r.anyPath(func(_, path string) bool {
			for at := range prefixes(path+"/.", "") {
				_, isLink := os.Readlink(at)
				if _, err := os.Stat(at); isLink == nil && errors.Is(err, os.ErrNotExist) {
					return true
				}
			}
			return false
		})
	}},
	{"path: magic link", "a link below /proc that leads where no path leads", narrower, func(r refusal) bool {
		return r.anyPath(func(_, path string) bool {
			return strings.HasPrefix(path, "/proc/") || strings.HasPrefix(path, "/dev/fd")
		})
	}},
	{"path: other user", "the run-as user cannot go where the peer looks as root", narrower, func(r refusal) bool {
		return r.runAs != "root" && r.anyPath(func(base, path string) bool { return strings.Contains(path, "/closed/") })
	}},

	{"A25 EnvFilter patterns", "what the filter says of the program's arguments is enforced", narrower, func(r refusal) bool {
		return r.class == "EnvFilter" && len(r.args) > 1+r.variables()
	}},
	{"A26 EnvFilter value", "a value in the filter is the only one allowed", narrower, func(r refusal) bool {
		return r.class == "EnvFilter" && strings.Contains(r.why, " must be ") && slices.ContainsFunc(r.args[:r.variables()], func(v string) bool {
			return !strings.HasSuffix(v, "=") && !slices.Contains(r.words, v)
		})
	}},

	{"A36 pid", "a process id is decimal digits as the kernel prints them", narrower, func(r refusal) bool {
		pid := r.words[len(r.words)-1]
		return r.class == "KillFilter" && (strings.Trim(pid, "0123456789") != "" || pid == "" || pid[0] == '0')
	}},
	{"A33 forged name", "a process's command line does not tell what it runs", narrower, func(r refusal) bool {
		return r.class == "KillFilter" && strings.HasSuffix(r.link(), "/evil (deleted)")
	}},
	{"A34 file named (deleted)", "a file may be called that", narrower, func(r refusal) bool {
		link := r.link()
		_, err := os.Lstat(link)
		return r.class == "KillFilter" && strings.HasSuffix(link, " (deleted)") && err == nil
	}},
	{"A47 unstable file", "somebody else than root decides what the path of a ReadFileFilter leads to", narrower, func(r refusal) bool {
		return r.class == "ReadFileFilter" && strings.Contains(r.args[0], "/theirs/")
	}},

	{"A8 namespace name", "the name of a network namespace is no path", narrower, func(r refusal) bool {
		name := ""
		if r.class == "IpNetnsExecFilter" {
			name = r.word(3)
		} else if r.class == "IpFilter" {
			name = ipParse(r.words).inside
		} else {
			return false
		}
		return strings.Contains(r.why, "not the name of a network namespace") &&
			(name == "" || name == "." || name == ".." || name[0] == '-' || len(name) > 255 || strings.Contains(name, "/"))
	}},
	{"A5 ip -batch", "ip takes its commands from a file", narrower, func(r refusal) bool {
		return r.class == "IpFilter" && ipParse(r.words).batch
	}},
	{"A4 ip -n netns", "ip netns and ip vrf together with another namespace", narrower, func(r refusal) bool {
		c := ipParse(r.words)
		return r.class == "IpFilter" && c.hasInside && (c.is("netns") || c.is("vrf"))
	}},
	{"A7 ip netns", "of ip netns only list, add and delete, each in one namespace", narrower, func(r refusal) bool {
		c := ipParse(r.words)
		return r.class == "IpFilter" && c.is("netns") && (c.all || strings.HasPrefix(r.why, "ip netns "))
	}},
	{"A6 ip vrf", "of ip vrf only show: exec runs a command", narrower, func(r refusal) bool {
		c := ipParse(r.words)
		return r.class == "IpFilter" && c.is("vrf") && len(c.rest) > 0 && strings.HasPrefix(r.why, "ip vrf ")
	}},
	{"ip monitor", "ip monitor runs until it is killed, and reads a file", narrower, func(r refusal) bool {
		return r.class == "IpFilter" && ipParse(r.words).is("monitor") && strings.Contains(r.why, "monitor")
	}},
	{"ip unknown option", "an option that no release of ip has", narrower, func(r refusal) bool {
		return r.class == "IpFilter" && strings.Contains(r.why, "is not an option of ip") || r.class == "IpFilter" && strings.Contains(r.why, "needs a value")
	}},
	{"ip unknown object", "an object that no release of ip has", narrower, func(r refusal) bool {
		c := ipParse(r.words)
		return r.class == "IpFilter" && !slices.ContainsFunc(ipObjects, c.is)
	}},
	{"ip empty word", "an empty word begins every name, and so means the first", narrower, func(r refusal) bool {
		c := ipParse(r.words)
		return r.class == "IpFilter" && slices.Contains(append(c.rest, c.object), "") && strings.Contains(r.why, "empty word")
	}},
	{"ip files", "what makes ip load a library or a BPF program, or open a file", narrower, func(r refusal) bool {
		c := ipParse(r.words)
		dangerous := func(w string) bool {
			return strings.Contains(w, "/") || strings.HasPrefix(w, "xdp") || w == "bpf" || w == "endpoint" || w != "" && strings.HasPrefix("file", w) ||
				strings.HasPrefix(w, "showd") || len(w) > 0 && strings.HasPrefix("restore", w)
		}
		return r.class == "IpFilter" && slices.ContainsFunc(c.rest, dangerous)
	}},

	{"A9 ip words", "'netns exec' is only that where it is the command, and the filter's own path is a way to call it", wider, func(r refusal) bool {
		c := ipParse(r.words)
		return r.class == "IpFilter" && (!c.is("netns") || r.words[0] == r.exec && r.words[0] != "ip")
	}},
	{"A14 linked base", "a base that is a symbolic link", wider, func(r refusal) bool {
		return r.anyPath(func(base, _ string) bool { _, err := os.Readlink(base); return err == nil })
	}},
	{"A35 removed program", "the program was removed while the process runs, where the peer ends in a traceback", wider, func(r refusal) bool {
		return r.class == "KillFilter" && r.link() == r.args[0]+" (deleted)"
	}},
	{"kill linked target", "the target is a link in exec_dirs to a file of the same name elsewhere", wider, func(r refusal) bool {
		return r.class == "KillFilter" && r.args[0] == "linked"
	}},

	{"A1 nested program", "a nested program is the one its filter stands for, with the words that filter makes of it", rewritten, nil},
	{"A38 log options", "the environment of privsep-helper keeps a service's configuration from naming log files", rewritten, nil},
	{"A30 empty value", "NAME= sets an empty value, where the peer keeps the inherited one", rewritten, nil},
	{"kill is a signal", "no program is executed to send a signal", rewritten, nil},
}

func (r refusal) word(i int) string {
	if i < len(r.words) {
		return r.words[i]
	}
	return ""
}

func (r refusal) isRegExp() bool {
	return r.class == "RegExpFilter" || r.class == "ChainingRegExpFilter"
}

// leadsTo follows the links in path as far as there is anything.
func leadsTo(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil || path == "/" || path == "." {
		return real
	}
	return leadsTo(filepath.Dir(path)) + "/" + filepath.Base(path)
}

// prefixes yields the part of path before each component that is word, or
// before each component.
func prefixes(path, word string) iter.Seq[string] {
	return func(yield func(string) bool) {
		parts := strings.Split(path, "/")
		for i, part := range parts {
			if (part == word || word == "") && i > 0 && !yield("/"+strings.Join(parts[:i], "/")) {
				return
			}
		}
	}
}

// variables counts the variables that an EnvFilter names.
func (r refusal) variables() int {
	n := 0
	for n < len(r.args) && strings.Contains(r.args[n], "=") {
		n++
	}
	return n
}

// anyPath tells whether some word that a PathFilter takes for a path is so.
func (r refusal) anyPath(is func(base, path string) bool) bool {
	if r.class != "PathFilter" {
		return false
	}
	for i, constraint := range r.args {
		if filepath.IsAbs(constraint) && is(constraint, r.word(i+1)) {
			return true
		}
	}
	return false
}

// link is what /proc says that the process which is to be killed runs.
func (r refusal) link() string {
	link, _ := os.Readlink("/proc/" + r.words[len(r.words)-1] + "/exe")
	return link
}

// builtByPrivsep tells whether words are what oslo.privsep's start builds for a
// context that every policy knows, with configuration files below the directory
// of rootwrap.conf.
func (r refusal) builtByPrivsep() bool {
	words := r.words[1:]
	for len(words) >= 2 && (words[0] == "--config-file" || words[0] == "--config-dir") {
		file := words[1]
		if _, err := os.Stat(file); filepath.Clean(file) != file || !strings.HasPrefix(file, r.workshop.dir+"/") || errors.Is(err, syscall.ENAMETOOLONG) {
			return false
		}
		words = words[2:]
	}
	return len(words) == 4 && words[0] == "--privsep_context" && words[1] == "os_brick.privileged.default" &&
		words[2] == "--privsep_sock_path" && filepath.IsAbs(words[3])
}

func notASCII(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// openAlternation tells whether a pattern has a | outside of parentheses.
func openAlternation(pattern string) bool {
	depth := 0
	for _, r := range pattern {
		switch r {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case '|':
			if depth == 0 {
				return true
			}
		}
	}
	return false
}

// ipCommand is a command line of ip(8), read as the manual page has it.
type ipCommand struct {
	hasInside, all, batch bool
	inside                string // the namespace of -netns
	object                string
	rest                  []string
}

// ipObjects are the objects that ip(8) lists, and its help.
var ipObjects = []string{"address", "addrlabel", "fou", "help", "ila", "ioam", "l2tp", "link", "macsec", "maddress", "monitor", "mptcp", "mroute", "mrule", "neighbor", "neighbour",
	"netconf", "netns", "nexthop", "ntable", "ntbl", "route", "rule", "sr", "stats", "tap", "tcpmetrics", "tcp_metrics", "token", "tunl", "tunnel", "tuntap", "vrf", "xfrm"}

func ipParse(argv []string) (c ipCommand) {
	words := argv[1:]
	short := func(o, full string) bool { return o != "" && strings.HasPrefix(full, o) }
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		o := strings.TrimPrefix(strings.TrimPrefix(words[0], "-"), "-")
		words = words[1:]
		value := ""
		takes := short(o, "loops") || o == "f" || len(o) > 1 && short(o, "family") || len(o) > 1 && short(o, "rcvbuf") || short(o, "netns") || short(o, "batch")
		if takes && len(words) > 0 {
			value, words = words[0], words[1:]
		}
		switch {
		case o == "":
			// "--" ends the options.
			if len(words) > 0 {
				c.object, c.rest = words[0], words[1:]
			}
			return c
		case short(o, "netns"):
			c.hasInside, c.inside = true, value
		case short(o, "batch"):
			c.batch = true
		case short(o, "all"):
			c.all = true
		}
	}
	if len(words) > 0 {
		c.object, c.rest = words[0], words[1:]
	}
	return c
}

// is tells whether the object is an abbreviation of full. ip goes by order where
// there are several: "n" is neighbor, "m" is maddress.
func (c ipCommand) is(full string) bool {
	shortest := map[string]int{"netns": 3, "monitor": 2, "vrf": 1}[full]
	return len(c.object) >= max(shortest, 1) && strings.HasPrefix(full, c.object)
}
