package peer

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ironwrap/integration/rig"
)

// everyClass has what no package of Debian 12 has any more, or never had. DIR is
// the directory of rootwrap.conf.
const everyClass = `[Filters]
chown: PathFilter, /bin/chown, root, nova, DIR/images
below: PathFilter, cat, root, DIR/images/
link: PathFilter, ls, root, DIR/link
pass: PathFilter, cp, root, pass, DIR/images
other_user: PathFilter, stat, nobody, DIR/images
two: PathFilter, mv, root, DIR/images, DIR/images/sub
anywhere: PathFilter, du, root, -s, /
read: ReadFileFilter, DIR/images/file
read_unstable: ReadFileFilter, DIR/theirs/file
sleeper: KillFilter, root, DIR/alt/sleeper, -9, -HUP
upgraded: KillFilter, root, DIR/alt/upgraded, -15
removed: KillFilter, root, DIR/alt/removed, -15
named: KillFilter, root, named
linked: KillFilter, root, linked, -9
service: RegExpFilter, service, root, service, start|stop
groups: RegExpFilter, /usr/bin/groups, root, groups, (a|b)+, [^x]?, \w\s\S, (?i)add
digits: RegExpFilter, digits, root, digits, \d+
nice: ChainingRegExpFilter, nice, root, nice, -n, -?\d+
nice_nobody: ChainingRegExpFilter, nice, nobody, nice
timeout: ChainingFilter, timeout, root
haproxy_env: EnvFilter, env, root, PROCESS_TAG=, haproxy, -f, .*
dnsmasq: EnvFilter, /usr/sbin/dnsmasq, root, CONFIG_FILE=, NETWORK_ID=
ip: IpFilter, /sbin/ip, root
ip_exec: IpNetnsExecFilter, ip, root
id: CommandFilter, id, root
true: CommandFilter, /bin/true, root
as_nobody: CommandFilter, whoami, nobody
`

// layFiles makes the files that the PathFilters and ReadFileFilters of
// everyClass speak of.
func (w *workshop) layFiles() {
	w.t.Helper()
	for _, f := range []string{"images/file", "images/sub/file", "images-evil/file", "images/closed/file", "theirs/file"} {
		rig.Write(w.t, w.dir+"/"+f, "")
	}
	for link, to := range map[string]string{
		"link": "images", "images/in": "sub/file", "images/out": "../images-evil/file", "images/away": "/etc",
		"images/loop": "loop", "images/dangling": "nothing", "images/dangling-out": "/nothing",
	} {
		if err := os.Symlink(to, w.dir+"/"+link); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.Chmod(w.dir+"/images/closed", 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chown(w.dir+"/theirs", int(rig.Caller.UID), int(rig.Caller.GID)); err != nil {
		w.t.Fatal(err)
	}
}

// processes starts one process for each KillFilter with a target in exec_dirs,
// and for everyClass those that only look as if they were one.
func (w *workshop) processes() {
	w.t.Helper()
	sleep, err := os.ReadFile("/bin/sleep")
	if err != nil {
		w.t.Fatal(err)
	}
	program := func(path string) string {
		rig.Write(w.t, path, string(sleep))
		if err := os.Chmod(path, 0o755); err != nil {
			w.t.Fatal(err)
		}
		return path
	}
	start := func(path string, argv0 ...string) {
		c := exec.Command(path, "600")
		c.Args = append(append(argv0, path)[:1], "600")
		// A process that others started can hold the file open for writing.
		for err = c.Start(); err != nil && strings.Contains(err.Error(), "text file busy"); err = c.Start() {
			time.Sleep(time.Millisecond)
			c = &exec.Cmd{Path: path, Args: c.Args}
		}
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { c.Process.Kill(); c.Wait() })
		w.pids = append(w.pids, c.Process.Pid)
	}
	every := false
	for _, f := range w.peer.Filters {
		if f.Class != "KillFilter" {
			continue
		}
		target := f.Args[0]
		if !filepath.IsAbs(target) {
			target = w.alt + "/" + target
		}
		if filepath.Dir(target) != w.alt || filepath.Base(target) == "linked" {
			every = every || filepath.Dir(target) == w.alt
			continue
		}
		start(program(target))
	}
	if !every {
		return
	}
	start(program(w.dir+"/elsewhere/sleeper"), w.alt+"/sleeper")
	start(program(w.dir + "/elsewhere/named"))
	start(program(w.alt + "/sleeper (deleted)"))
	// A service that was upgraded while it runs.
	if err := os.Remove(w.alt + "/upgraded"); err != nil {
		w.t.Fatal(err)
	}
	program(w.alt + "/upgraded")
	if err := os.Remove(w.alt + "/removed"); err != nil {
		w.t.Fatal(err)
	}
	// A program of somebody's own that is gone, and calls itself another.
	evil := program(w.dir + "/elsewhere/evil")
	start(evil, w.alt+"/sleeper")
	start(evil, "nowhere")
	if err := os.Remove(evil); err != nil {
		w.t.Fatal(err)
	}
	// The target is a link to where the program really is.
	program(w.dir + "/elsewhere/linked")
	if err := os.Symlink(w.dir+"/elsewhere/linked", w.alt+"/linked"); err != nil {
		w.t.Fatal(err)
	}
	start(w.alt + "/linked")
}

// maker makes the commands of one policy, each once, always the same.
type maker struct {
	*workshop
	rnd  *rand.Rand
	list [][]string
	have map[string]bool
	good map[int][][]string // by filter: commands that it should allow
}

func makeCommands(w *workshop) [][]string {
	m := &maker{workshop: w, rnd: rand.New(rand.NewPCG(1, 1)), have: make(map[string]bool), good: make(map[int][][]string)}
	for i, f := range w.peer.Filters {
		switch f.Class {
		case "CommandFilter":
			m.command(i, f)
		case "RegExpFilter":
			m.regExp(i, f)
		case "PathFilter":
			m.path(i, f)
		case "EnvFilter":
			m.env(i, f)
		case "ReadFileFilter":
			m.readFile(i, f)
		case "KillFilter":
			m.kill(i, f)
		case "IpFilter":
			m.ip(i)
		case "IpNetnsExecFilter", "ChainingRegExpFilter", "ChainingFilter":
		default:
			w.t.Fatalf("no commands are made for class %s", f.Class)
		}
	}
	m.privsep(len(w.peer.Filters) - 1)
	// Chains come last: they go before what all other filters allow.
	for _, f := range w.peer.Filters {
		switch f.Class {
		case "IpNetnsExecFilter":
			m.netnsExec()
		case "ChainingRegExpFilter":
			m.chainingRegExp(f)
		case "ChainingFilter":
			m.chain([]string{f.Exec})
		}
	}
	return m.list
}

// add takes a command that the operating system would take.
func (m *maker) add(argv ...string) {
	key := strings.Join(argv, "\x00")
	if len(argv) == 0 || m.have[key] || strings.Count(key, "\x00") != len(argv)-1 {
		return
	}
	m.have[key] = true
	m.list = append(m.list, argv)
}

// allowed adds a command that filter i is meant for, also with env before it
// (A28), and with each word mutated some times.
func (m *maker) allowed(i, mutants int, argv ...string) {
	m.good[i] = append(m.good[i], argv)
	m.add(argv...)
	m.add(append([]string{"env"}, argv...)...)
	for range mutants {
		m.add(m.mutate(argv)...)
	}
}

// hostileWords are words that mean more, or other things, than they should.
var hostileWords = []string{
	"", " ", "-", "--", "-x", "--help", "/", "/etc/shadow", "../x", ".", "..", "*", "a b", "x=y", "=", "$(id)", "`id`", ";id",
	"\n", "a\nb", "\r", "\t", "\x1b[31m", "\x7f", "\u00a0", "\u0085", "\u2028", "\u202e", "\ufeff", "é", "日本", "\xff", "\xed\xb3\xbf", "\xc3",
	"0", "1", "-1", "٣", "３", "¹", "1_0", "env", "ip", "netns", "exec", "root", "%s", "\\",
}

// mutate changes a word, or the order or number of words.
func (m *maker) mutate(argv []string) []string {
	out := slices.Clone(argv)
	i := m.rnd.IntN(len(out))
	word := out[i]
	at := m.rnd.IntN(len(word) + 1)
	switch m.rnd.IntN(26) {
	case 0, 1:
		out[i] += "\n"
	case 2:
		out[i] = "\n" + word
	case 3:
		out[i] = word[:at] + "/../" + word[at:]
	case 4:
		out[i] = word[:at] + "\n" + word[at:]
	case 5:
		return slices.Delete(out, i, i+1)
	case 6:
		return slices.Insert(out, i, word)
	case 7:
		return slices.Insert(out, i, hostileWords[m.rnd.IntN(len(hostileWords))])
	case 8:
		return append(out, hostileWords[m.rnd.IntN(len(hostileWords))])
	case 9:
		j := m.rnd.IntN(len(out))
		out[i], out[j] = out[j], out[i]
	case 10:
		out[i] = strings.ToUpper(word)
	case 11:
		out[i] = "-" + word
	case 12:
		out[i] = "--" + word
	case 13:
		out[i] = word[:at] + "\xff" + word[at:]
	case 14:
		out[i] = word + strings.Repeat("a", 5000)
	case 15:
		out[i] = strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r - '0' + '٠'
			}
			return r
		}, word)
	case 16:
		out[i] = hostileWords[m.rnd.IntN(len(hostileWords))]
	case 17:
		out[i] = word + " "
	case 18:
		out[i] = " " + word
	case 19:
		out[i] = word[:at] + "é" + word[at:]
	case 20:
		out[i] = word[:at]
	case 21:
		out[i] = word[at:]
	case 22:
		if at < len(word) {
			out[i] = word[:at] + "x" + word[at+1:]
		}
	case 23:
		out[i] = word + word
	case 24:
		out[i] = word + "/"
	case 25:
		out[i] = word[:at] + "ſK" + word[at:] // their lower case is ASCII
	}
	return out
}

// names are ways to call a program, the two legitimate ones first.
func (m *maker) names(program string) []string {
	base := filepath.Base(program)
	return []string{base, program, m.bin + "/" + base, "/usr/bin/" + base, "/tmp/" + base, "./" + base, base + "/", "/" + base,
		strings.ToUpper(base), base + "x", base[:len(base)-1], base + "\n", " " + base, "-" + base, base + "\xff"}
}

func (m *maker) command(i int, f rig.PeerFilter) {
	for n, name := range m.names(f.Exec) {
		m.add(name, "--version")
		if n < 2 {
			m.allowed(i, 4, name)
			m.allowed(i, 6, name, hostileWords[m.rnd.IntN(len(hostileWords))], hostileWords[m.rnd.IntN(len(hostileWords))])
		}
	}
}

func (m *maker) regExp(i int, f rig.PeerFilter) {
	if len(f.Args) == 0 {
		return
	}
	words := make([][]string, len(f.Args))
	for j, pattern := range f.Args {
		words[j] = wordsFor(m.peer, pattern, 8, i*100+j)
	}
	for n := range 8 {
		argv := make([]string, len(words))
		for j := range words {
			argv[j] = words[j][n%len(words[j])]
		}
		m.allowed(i, 16, argv...)
	}
	for _, name := range m.names(f.Exec) {
		m.add(append([]string{name}, m.good[i][0][1:]...)...)
	}
	for j := range words {
		argv := slices.Clone(m.good[i][0])
		for _, argv[j] = range []string{words[j][0] + "\n", words[j][0] + " --evil", "/etc/../tmp/x", "/etc/..", "/dev/../etc/shadow"} {
			m.add(slices.Clone(argv)...)
		}
		for range 12 {
			argv[j] = hostileWords[m.rnd.IntN(len(hostileWords))]
			m.add(slices.Clone(argv)...)
		}
	}
}

func (m *maker) path(i int, f rig.PeerFilter) {
	words := make([][]string, len(f.Args))
	paths := 0
	for j, constraint := range f.Args {
		switch {
		case filepath.IsAbs(constraint):
			words[j] = candidates(strings.TrimRight(constraint, "/"))
			paths = max(paths, len(words[j]))
		case constraint == "pass":
			words[j] = hostileWords
		default:
			words[j] = []string{constraint}
		}
	}
	program := filepath.Base(f.Exec)
	for n := range max(paths, 4) {
		argv := []string{program}
		for j := range words {
			argv = append(argv, words[j][(n+j)%len(words[j])])
		}
		m.allowed(i, 10, argv...)
	}
	for _, name := range m.names(f.Exec) {
		m.add(append([]string{name}, m.good[i][0][1:]...)...)
	}
}

// candidates are paths that lie below base, or seem to.
func candidates(base string) []string {
	list := []string{"/file", "", "/", "/sub", "/sub/file", "/new", "/new/below", "//file", "/./file", "/sub/../file", "/sub/../../images/file",
		"/../images-evil/file", "-evil/file", "-evil", "/..", "/../..", "/in", "/out", "/away", "/away/passwd", "/away/../etc/passwd", "/loop", "/dangling", "/dangling/x",
		"/dangling-out", "/file/..", "/file/../sub/file", "/file/", "/file/x", "/none/../file", "/none/..", "/none/.", "/closed/file", "/closed/new", "/.", "/file\n",
		"/\xff", "/" + strings.Repeat("n", 300), "/é"}
	for i, tail := range list {
		list[i] = base + tail
	}
	return append(list, "", ".", "..", "file", "images/file", "./images/file", "/", "/etc/passwd", "/proc/1/root"+base+"/file", "/proc/1/cwd",
		"/dev/fd/0", "//"+base+"/file", filepath.Dir(base)+"/link/file", filepath.Dir(base)+"/link", "/nowhere/x")
}

func (m *maker) env(i int, f rig.PeerFilter) {
	// Of "env, root, A=, B=b, program, pattern..." Exec is the program, and Args
	// begin with the variables.
	var names, vars []string
	rest := f.Args
	for len(rest) > 0 && strings.Contains(rest[0], "=") {
		name, value, _ := strings.Cut(rest[0], "=")
		if value == "" {
			value = "some value"
		}
		names, vars = append(names, name), append(vars, name+"="+value)
		rest = rest[1:]
	}
	program := filepath.Base(f.Exec)
	tail := []string{"-o", "name"}
	if len(rest) > 1 {
		tail = nil
		for _, pattern := range rest[1:] {
			tail = append(tail, wordsFor(m.peer, pattern, 1, i)[0])
		}
	}
	line := func(env, vars []string, words ...string) []string {
		return slices.Concat(env, vars, words)
	}
	full := append([]string{program}, tail...)
	for _, env := range [][]string{{"env"}, nil} {
		m.allowed(i, 15, line(env, vars, full...)...)
		m.add(line(env, vars, program)...)
		m.add(line(env, vars, append(full, "more")...)...)
		for _, name := range m.names(f.Exec) {
			m.add(line(env, vars, append([]string{name}, tail...)...)...)
		}
		reversed := slices.Clone(vars)
		slices.Reverse(reversed)
		m.add(line(env, reversed, full...)...)
		for j, name := range names {
			for _, v := range []string{name + "=", name + "=other", name, name + "==", name + "=a\nb", strings.ToLower(name) + "=C", " " + vars[j], vars[j] + "\n", "=" + vars[j], name + "\xff=C"} {
				changed := slices.Clone(vars)
				changed[j] = v
				m.add(line(env, changed, full...)...)
			}
			m.add(line(env, slices.Delete(slices.Clone(vars), j, j+1), full...)...)
			m.add(line(env, slices.Insert(slices.Clone(vars), j, vars[j]), full...)...)
			m.add(line(env, slices.Insert(slices.Clone(vars), j, "LD_PRELOAD=/tmp/x"), full...)...)
			m.add(line(env, slices.Insert(slices.Clone(vars), j, "env"), full...)...)
			m.add(line(env, slices.Insert(slices.Clone(vars), j, "="), full...)...)
			m.add(line(env, vars, append(slices.Clone(full), vars[j])...)...)
		}
		m.add(line(env, vars)...)
		m.add(line(env, nil, full...)...)
		m.add(line(env, nil)...)
	}
	for _, env := range []string{"/usr/bin/env", "ENV", "env -i", "-i", "", "sudo", "env\n"} {
		m.add(line([]string{env}, vars, full...)...)
	}
	m.add(line([]string{"env", "env"}, vars, full...)...)
	m.add(line([]string{"env", "-i"}, vars, full...)...)
	m.add(line([]string{"env", "--"}, vars, full...)...)
}

func (m *maker) readFile(i int, f rig.PeerFilter) {
	file := f.Args[0]
	m.allowed(i, 30, "cat", file)
	for _, name := range m.names("/bin/cat") {
		m.add(name, file)
	}
	m.add("cat", "-n", file)
	m.add("cat", file, file)
	m.add("cat", file, "/etc/shadow")
	m.add("cat", "/"+file)
	m.add("cat", filepath.Dir(file)+"/./"+filepath.Base(file))
	m.add("cat", filepath.Base(file))
}

func (m *maker) kill(i int, f rig.PeerFilter) {
	signals := append([]string{"", "-9", "-15", "-HUP", "-KILL", "-SIGKILL", "9", "-0", "-s", "--help", "-9\n", "-٩", "- 9"}, f.Args[1:]...)
	for _, pid := range m.pids {
		id := strconv.Itoa(pid)
		for _, signal := range signals {
			if signal == "" {
				m.allowed(i, 1, "kill", id)
			} else {
				m.allowed(i, 1, "kill", signal, id)
			}
		}
		spelled := []string{"+" + id, " " + id, id + " ", "\n" + id, id + "\n", "000" + id, "-" + id, id[:1] + "_" + id[1:], "0x" + strconv.FormatInt(int64(pid), 16),
			id + ".0", "\u00a0" + id, id + " 1", "--" + id, id + "e0", "%" + id, strconv.Itoa(pid + 1<<32),
			strings.Map(func(r rune) rune { return r - '0' + '٠' }, id), strings.Map(func(r rune) rune { return r - '0' + '０' }, id)}
		for _, spelling := range spelled {
			for _, signal := range f.Args[1:] {
				m.add("kill", signal, spelling)
			}
			m.add("kill", spelling)
		}
		m.add("kill", "-9", id, "1")
		m.add("kill", "--", id)
		m.add("/bin/kill", "-9", id)
	}
	for _, id := range []string{"1", "2", "0", "-1", "-0", "", "4194304", "4194303", "99999999999999999999", "self", strconv.Itoa(os.Getpid()), strconv.Itoa(syscall.Getppid())} {
		m.add("kill", id)
		m.add("kill", "-9", id)
	}
}
