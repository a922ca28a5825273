//go:build cgo

package exposure

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
)

// What is said of sandbox sections is asked of the kernel: commands are run by ironwrap
// itself, under the section, in namespaces that end with them.

// ground is a directory of root's with ironwrap in it, and the profiles that were asked for.
type ground struct {
	dir string

	sync.Mutex
	programs map[string]*seccomp.Program // by the paths of their profiles
}

func newGround(t *testing.T) *ground {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: no sandbox section was held against the kernel")
	}
	if out, err := exec.Command("unshare", "-mnuipf", "true").CombinedOutput(); err != nil {
		t.Skipf("no namespaces here, so that no sandbox section was held against the kernel: %v: %s", err, out)
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-ground-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	os.Mkdir(dir+"/other", 0o755)
	t.Setenv("TMPDIR", dir)
	build := exec.Command("go", "build", "-ldflags", "-X ironwrap/exec/reading.Program="+dir+"/ironwrap-read", "-o", dir+"/", "./cmd/ironwrap", "./cmd/ironwrap-read")
	build.Dir, build.Env = "../../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build ironwrap: %v\n%s", err, out)
	}
	g := &ground{dir: dir, programs: map[string]*seccomp.Program{}}
	shipped, err := filepath.Glob("../../../profiles/*.json")
	if err != nil || len(shipped) == 0 {
		t.Fatalf("no profiles: %v", err)
	}
	for _, file := range shipped {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		g.profile(t, strings.TrimSuffix(filepath.Base(file), ".json"), data)
	}
	return g
}

// profile compiles a profile, and returns its path. It refuses these numbers besides.
func (g *ground) profile(t *testing.T, name string, data []byte, numbers ...uint32) string {
	t.Helper()
	g.Lock()
	defer g.Unlock()
	path := g.dir + "/" + name + ".json"
	if g.programs[path] != nil {
		return path
	}
	m, err := compile.ThisMachine(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := compile.Program(data, m)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, data)
	}
	if len(numbers) > 0 {
		filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
		for _, n := range numbers {
			filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: n, Jf: 1}, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
		}
		if p, err = seccomp.New(append(filter, p.Filter()...), p.Flags(), [3]uint8{2, 5, 4}, data); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string][]byte{path: data, g.dir + "/" + name + ".bpf": p.Encode()} {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g.programs[path] = p
	return path
}

// without is a profile that refuses these calls and no others.
func (g *ground) without(t *testing.T, name string, calls []Syscall) string {
	t.Helper()
	var rules []string
	var numbers []uint32 // of calls that libseccomp has no names for
	for _, c := range calls {
		number, err := compile.Number(c.Name)
		switch {
		case err != nil:
			continue
		case strings.Trim(c.Name, "0123456789") == "":
			numbers = append(numbers, number)
			continue
		}
		var args []string
		for i, mask := range c.Mask {
			if mask != 0 {
				args = append(args, fmt.Sprintf(`{"index":%d,"op":"SCMP_CMP_MASKED_EQ","value":%d,"valueTwo":%d}`, i, mask, c.Value[i]))
			}
		}
		rules = append(rules, fmt.Sprintf(`{"names":[%q],"action":"SCMP_ACT_ERRNO","errnoRet":1,"args":[%s]}`, c.Name, strings.Join(args, ",")))
	}
	return g.profile(t, name, fmt.Appendf(nil, `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[%s]}`, strings.Join(rules, ",\n")), numbers...)
}

// refusing is a profile without the calls of some deeds.
func (g *ground) refusing(t *testing.T, deeds ...string) string {
	t.Helper()
	var calls []Syscall
	for _, d := range deeds {
		for _, o := range callsOf[d] {
			if !slices.Contains(calls, o.Syscall) {
				calls = append(calls, o.Syscall)
			}
		}
	}
	return g.without(t, "no-"+strings.Join(deeds, "-"), calls)
}

// allows is Machine.Seccomp.
func (g *ground) allows(name string, call Syscall) (bool, error) {
	g.Lock()
	p := g.programs[name]
	g.Unlock()
	if p == nil {
		return false, fmt.Errorf("no profile %s", name)
	}
	number, err := compile.Number(call.Name)
	if err != nil {
		return false, nil
	}
	var args []bpf.Known
	for i := range call.Mask {
		args = append(args, bpf.Known{Mask: call.Mask[i], Value: call.Value[i]})
	}
	return slices.ContainsFunc(bpf.Answers(p.Filter(), seccomp.Arch, number, args...), bpf.Allows), nil
}

// policy is a configuration with one filter and its section.
func (g *ground) policy(t *testing.T, definition, section string) (conf string, e *policy.Entry) {
	t.Helper()
	dir, err := os.MkdirTemp(g.dir, "policy-")
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir, 0o755)
	os.Mkdir(dir+"/d", 0o755)
	conf = dir + "/rootwrap.conf"
	for file, text := range map[string]string{
		conf:                 "[DEFAULT]\nfilters_path=" + dir + "/d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\nprivsep_contexts=none\n",
		dir + "/d/x.filters": "[Filters]\nx: " + definition + "\n[Sandbox:x]\n" + section + "\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := policy.Load(conf, trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	return conf, &p.Filters[0]
}

// call is ironwrap's command line, in namespaces of its own. What is run before and after
// are lines of a shell.
func (g *ground) call(conf, before string, words []string, after string) []string {
	for i, w := range words {
		if strings.Contains(w, "$W") {
			return g.call(conf, before+"\nset -- "+strings.Join(words, " "), nil, after)
		}
		words[i] = w
	}
	script := "mount -t tmpfs none /run && chmod 755 /run || exit 77\n" + before + "\n" + g.dir + `/ironwrap "$0" "$@"` + "\nstatus=$?\n" + after
	if after == "" {
		script += "exit $status"
	}
	return slices.Concat([]string{"setsid", "unshare", "-mnuipf", "--kill-child", "--mount-proc", "sh", "-c", script, conf}, words)
}

// machine is what is known of the machine.
func (g *ground) machine() Machine { return Machine{Seccomp: g.allows} }

// left is the share of a row's power that is left under a section.
func (g *ground) left(e *policy.Entry, w way) limit {
	all := newConfinement(e, g.machine()).limits(need{power: w.power, caps: w.caps, deeds: w.deeds(e.Exec()), asks: asks(e.Exec())})
	return least(append(all, free)...)
}

// general are sections whatever the row is about. DIR is the ground.
func (g *ground) general() map[string]string {
	all := map[string]string{
		"nothing":       "no_new_privs = no",
		"capabilities":  "capabilities = none\nno_new_privs = yes",
		"chown":         "capabilities = CAP_CHOWN, CAP_FOWNER",
		"odds":          "umask = 027\nrlimit_nofile = 100\nprivate_keyring = yes\nnice = 5\nmemory_deny_write_execute = yes\nno_new_privs = yes",
		"network":       "private_network = yes",
		"mounts":        "private_mounts = yes",
		"tmp":           "private_tmp = yes",
		"read-only":     "read_only = /\n",
		"read-only usr": "read_only = /usr",
		"landlock":      "landlock_ro = /\nlandlock_rw = /dev/null, " + g.dir + "/other",
		"landlock here": "landlock_ro = /\nlandlock_rw = /dev, /var",
		"landlock usr":  "landlock_ro = /usr, /lib, /lib64, /bin\nlandlock_rw = /dev/null",
		"scope":         "landlock_scope = signal, abstract_unix_socket",
	}
	for _, p := range []string{"default", "storage", "network", "readonly-tools", "strict"} {
		all["seccomp "+p] = "seccomp = " + g.dir + "/" + p + ".json"
	}
	return all
}

// looser are rows of which too much is said to be left under some sections: PROGRAM
// SECTION, and why. All others are exact, but that a profile without O_TRUNC ("no-empty")
// stops many programs which another build may have open their files without.
var looser = map[string]string{
	"cp no-write":                   "it copies links",
	"curl no-place":                 "others write the file itself",
	"strace capabilities":           "it traces those who have no capabilities",
	"strace chown":                  "it traces those who have no capabilities",
	"rsync no-write":                "it copies links",
	"rsync no-place":                "it writes the file itself, with --inplace",
	"tar no-write":                  "an archive may have links",
	"bsdtar no-write":               "an archive may have links",
	"cpio no-write":                 "an archive may have links",
	"ln no-place":                   "others of that name remove the file first",
	"mv no-place":                   "it copies, where a profile refuses with EXDEV",
	"xfs_io landlock":               "with -r it opens the file to read it only",
	"xfs_io read-only":              "with -r it opens the file to read it only",
	"xfs_io seccomp readonly-tools": "with -r it opens the file to read it only",
	"install no-attribute":          "it would do without, where a profile refuses with ENOTSUP",
	"install read-only":             "the copy could go to a device",
	"rsync read-only":               "the copy could go to a device",
	"install landlock":              "the copy could go where it may write",
	"rsync landlock":                "the copy could go where it may write",
	"install landlock here":         "it takes no pipe's place",
	"rsync landlock here":           "it takes no pipe's place",
	"chown landlock usr":            "a number would do for the name",
	"chgrp landlock usr":            "a number would do for the name",
	"mknod landlock":                "the file could lie where it may write",
	"chattr landlock usr":           "the file could be one that it may open",
	"pkill landlock usr":            "it finds no process without /proc, and kill does",
	"zstd seccomp strict":           "it makes threads",
}

// TestConfinedRows runs the rows that write, read, destroy and change owners under many
// sections. What is said to be taken back is, and what is said to be left is left.
func TestConfinedRows(t *testing.T) {
	g := newGround(t)
	sections := g.general()
	var done, refused, unseen atomic.Int32
	seen := map[string]bool{}
	for _, program := range slices.Sorted(maps.Keys(table)) {
		path, err := exec.LookPath(program)
		if err != nil || untried[program] != "" || !slices.Contains([]string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"}, filepath.Dir(path)) {
			continue
		}
		for i, w := range table[program] {
			if asks(program) && w.deeds(program) == nil || untried[program+" "+w.form] != "" || !slices.Contains([]string{Write, Read, Owner, Destroy}, w.power) || w.form == "…" || strings.Contains(w.form, "{disk}") || strings.Contains(w.form, "{free}") {
				continue
			}
			// What the keys do that have nothing to do with files is shown by one row of
			// those that do the same.
			own, same := maps.Clone(sections), fmt.Sprint(w.power, w.deeds(program))
			if seen[same] {
				own = map[string]string{}
				for _, name := range []string{"capabilities", "landlock", "read-only", "seccomp default", "seccomp readonly-tools"} {
					own[name] = sections[name]
				}
			}
			seen[same] = true
			t.Run(fmt.Sprintf("%s %d", program, i), func(t *testing.T) {
				t.Parallel()
				for _, d := range deedsOf[w.power] {
					if d == "make" && !slices.Contains(w.deeds(program), d) {
						continue // who opens with O_CREAT need not make a file
					}
					own["no-"+d] = "seccomp = " + g.refusing(t, d)
				}
				if list := deedsOf[w.power]; list != nil {
					own["no-way"] = "seccomp = " + g.refusing(t, list...)
				}
				attempt := func(section string) (l limit, why, said string) {
					conf, e := g.policy(t, "CommandFilter, "+program+", root", section)
					r := newRehearsal(t, program, w)
					if w.power == Read && strings.Contains(section, "landlock_r") || strings.Contains(section, "read_only = /\n") {
						for i := range r.words {
							r.words[i] = strings.Replace(r.words[i], r.path("dest"), "/proc/self/fd/1", 1)
						}
					}
					argv := g.call(conf, "", append([]string{program}, r.words...), "")
					why, said = r.try(t, func(ctx context.Context) *exec.Cmd {
						c := exec.CommandContext(ctx, argv[0], argv[1:]...)
						c.Dir = r.path("into")
						return c
					})
					return g.left(e, w), why, said
				}
				if _, why, said := attempt(sections["nothing"]); why != "" {
					unseen.Add(1)
					t.Logf("%s is not seen here without a section either: %s %s", w.form, why, said)
					return
				}
				for _, name := range slices.Sorted(maps.Keys(own)) {
					l, why, said := attempt(own[name])
					switch {
					case l.factor < 1 && why == "":
						t.Errorf("%s: %s: %v of it is said to be left (%s), and it was done", name, w.form, l.factor, l.why)
					case l.factor == 1 && why != "" && name != "no-empty" && looser[program+" "+name] == "":
						t.Errorf("%s: %s: it is said to be left, and was not: %s %s", name, w.form, why, said)
					}
					if why == "" {
						done.Add(1)
					} else {
						refused.Add(1)
					}
				}
			})
		}
	}
	t.Cleanup(func() {
		t.Logf("%d commands did it, %d did not; %d rows are not seen here", done.Load(), refused.Load(), unseen.Load())
		if done.Load() < 100 || refused.Load() < 100 {
			t.Error("next to nothing was tried")
		}
	})
}

// scene is a row that is run among things of its own.
type scene struct {
	way
	program string
	before  string   // what a shell does first: it may leave words in $W
	words   []string // "$W" are those
	after   string   // and then: it ends with 0 where the effect is seen
	only    string   // what must be there, or else nothing can be shown
}

// scenes are about powers over the machine. DIR is a directory of the scene's own. All
// happens in mount, network, process and other namespaces that end with the scene.
var scenes = []scene{
	{way{power: Mount, caps: "cap_sys_admin"}, "mount", "mkdir DIR/from DIR/to; touch DIR/from/seen", []string{"mount", "--bind", "DIR/from", "DIR/to"}, "test -e DIR/to/seen", ""},
	{way{power: Mount, caps: "cap_sys_admin"}, "mount", "mkdir DIR/to", []string{"mount", "-t", "tmpfs", "none", "DIR/to"}, "mountpoint -q DIR/to", ""},
	{way{power: Services, caps: "cap_sys_admin"}, "umount", "mkdir DIR/to; mount -t tmpfs none DIR/to", []string{"umount", "DIR/to"}, "! mountpoint -q DIR/to", ""},
	{way{power: Device, caps: "cap_mknod"}, "mknod", "", []string{"mknod", "-m", "666", "DIR/node", "b", "7", "99"}, "test -b DIR/node", ""},
	{way{power: Device, caps: "cap_mknod"}, "mknod", "", []string{"mknod", "DIR/node", "c", "1", "3"}, "test -c DIR/node", ""},
	{way{power: Device}, "dd", "truncate -s 1M DIR/image; W=$(losetup -f --show DIR/image)", []string{"dd", "if=/etc/hostname", "of=$W", "conv=notrunc"}, "cmp -n 3 $W /etc/hostname; s=$?; losetup -d $W; exit $s", "/dev/loop-control"},
	{way{power: Run, form: "{any} {mine}", caps: "cap_sys_chroot"}, "chroot", "", []string{"chroot", "/", "/usr/bin/true"}, "exit $status", ""},
	{way{power: Namespace, form: "-t {pid} -n", caps: "cap_sys_admin"}, "nsenter", "ip netns add x", []string{"nsenter", "--net=/run/netns/x", "/usr/bin/true"}, "exit $status", "/sbin/ip"},
	{way{power: Namespace, form: "-n {ns} link", caps: "cap_sys_admin"}, "ip", "ip netns add x", []string{"ip", "-n", "x", "link", "set", "lo", "up"}, "ip -n x link show lo | grep -q UP", "/sbin/ip"},
	{way{power: Namespace, form: "netns add {ns}", caps: "cap_sys_admin"}, "ip", "", []string{"ip", "netns", "add", "x"}, "ip -n x link show lo", "/sbin/ip"},
	{way{power: Run, form: "netns exec {ns} {mine} …", caps: "cap_sys_admin"}, "ip", "ip netns add x", []string{"ip", "netns", "exec", "x", "/usr/bin/true"}, "exit $status", "/sbin/ip"},
	{way{power: Network, caps: "cap_net_admin"}, "ip", "", []string{"ip", "link", "set", "lo", "up"}, "ip link show lo | grep -q UP", "/sbin/ip"},
	{way{power: Network, caps: "cap_net_admin"}, "ip", "ip link set lo up", []string{"ip", "address", "add", "10.9.9.9/32", "dev", "lo"}, "ip address show lo | grep -q 10.9.9.9", "/sbin/ip"},
	{way{power: Network, caps: "cap_net_admin"}, "tc", "", []string{"tc", "qdisc", "add", "dev", "lo", "root", "pfifo"}, "tc qdisc show dev lo | grep -q pfifo", "/sbin/tc"},
	{way{power: Network, caps: "cap_net_admin"}, "nft", "", []string{"nft", "add", "table", "ip", "x"}, "nft list tables | grep -q x", "/usr/sbin/nft"},
	{way{power: Network, caps: "cap_net_admin"}, "ifconfig", "", []string{"ifconfig", "lo", "10.9.9.9"}, "ip address show lo | grep -q 10.9.9.9", "/sbin/ifconfig"},
	{way{power: Signal, caps: "cap_kill"}, "kill", "sleep 60 & W=$!", []string{"kill", "-9", "$W"}, "sleep 0.1; ! kill -0 $W", ""},
	{way{power: Signal, caps: "cap_kill"}, "pkill", "sleep 61 &", []string{"pkill", "-9", "-x", "sleep"}, "sleep 0.1; ! kill -0 $!", "/usr/bin/pkill"},
	{way{power: Signal, caps: "cap_sys_nice"}, "renice", "sleep 60 & W=$!", []string{"renice", "5", "$W"}, "s=$(ps -o ni= $W); kill $W; test $s = 5", "/usr/bin/ps"},
	{way{power: Kernel}, "sysctl", "", []string{"sysctl", "-w", "kernel.domainname=iwscene"}, "grep -q iwscene /proc/sys/kernel/domainname", "/sbin/sysctl"},
	{way{power: Services}, "touch", "", []string{"touch", "DIR/new"}, "test -e DIR/new", ""},
	{way{power: Services, caps: "cap_linux_immutable"}, "chattr", "touch DIR/new", []string{"chattr", "+i", "DIR/new"}, "lsattr DIR/new | grep -q -- '^[^ ]*i'; s=$?; chattr -i DIR/new; exit $s", "/usr/bin/chattr"},
	{way{power: Owner, caps: "cap_setfcap"}, "setcap", "cp /usr/bin/true DIR/true", []string{"setcap", "cap_chown=ep", "DIR/true"}, "getcap DIR/true | grep -q chown", "/sbin/setcap"},
	{way{power: Owner}, "setfacl", "touch DIR/new", []string{"setfacl", "-m", "u:65534:rw", "DIR/new"}, "getfacl -n DIR/new | grep -q 65534", "/usr/bin/setfacl"},
	{way{power: Users}, "useradd", "mkdir DIR/etc; cp -a /etc/. DIR/etc; mount --bind DIR/etc /etc", []string{"useradd", "iwscene"}, "grep -q iwscene DIR/etc/passwd", "/usr/sbin/useradd"},
}

// TestConfinedScenes runs what changes the machine under many sections.
func TestConfinedScenes(t *testing.T) {
	g := newGround(t)
	counts := map[string]int{}
	var mutex sync.Mutex
	for i, s := range scenes {
		if _, err := os.Stat(s.only); s.only != "" && err != nil {
			t.Logf("no %s: %q was not run", s.only, s.words)
			continue
		}
		t.Run(fmt.Sprintf("%s %d", s.program, i), func(t *testing.T) {
			t.Parallel()
			sections := g.general()
			for _, d := range slices.Concat(deedsOf[s.power], s.deeds(s.program)) {
				for _, d := range strings.Split(d, "+") {
					if d == "make" {
						continue // no scene makes files, but some open theirs with O_CREAT
					}
					sections["no-"+d] = "seccomp = " + g.refusing(t, d)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(sections)) {
				conf, e := g.policy(t, "CommandFilter, "+s.program+", root", sections[name])
				dir := scratch(t)
				os.Chmod(dir, 0o755)
				l := g.left(e, s.way)
				words := make([]string, len(s.words))
				for i, w := range s.words {
					words[i] = strings.ReplaceAll(w, "DIR", dir)
				}
				argv := g.call(conf, strings.ReplaceAll(s.before, "DIR", dir), words, strings.ReplaceAll(s.after, "DIR", dir))
				out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
				switch {
				case name == "nothing" && err != nil:
					t.Errorf("%q: it does not work at all: %v\n%s", words, err, out)
					return
				case l.factor == 0 && err == nil:
					t.Errorf("%s: %q: nothing of it is said to be left (%s), and it was done", name, words, l.why)
				case l.factor == 1 && err != nil && looser[s.program+" "+name] == "":
					t.Errorf("%s: %q: it is said to be left, and was not: %v\n%s", name, words, err, out)
				}
				mutex.Lock()
				counts[map[bool]string{true: "done", false: "refused"}[err == nil]]++
				mutex.Unlock()
			}
		})
	}
	t.Cleanup(func() {
		t.Logf("%d commands", counts["done"]+counts["refused"])
		if counts["done"] == 0 || counts["refused"] == 0 {
			t.Errorf("%v: nothing was tried", counts)
		}
	})
}

// TestConfinedLearned: what works under the section that was learned from it is not said
// to be taken back. What the same program did not do there is.
func TestConfinedLearned(t *testing.T) {
	g := newGround(t)
	build := exec.Command("go", "build", "-o", g.dir+"/", "./cmd/ironwrapctl")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build ironwrapctl: %v\n%s", err, out)
	}
	for i, s := range scenes {
		if _, err := os.Stat(s.only); s.only != "" && err != nil {
			continue
		}
		t.Run(fmt.Sprintf("%s %d", s.program, i), func(t *testing.T) {
			t.Parallel()
			dir := scratch(t)
			os.Chmod(dir, 0o755)
			expand := func(text string) string { return strings.ReplaceAll(text, "DIR", dir) }
			words := make([]string, len(s.words))
			for i, w := range s.words {
				words[i] = expand(w)
			}
			conf, _ := g.policy(t, "CommandFilter, "+s.program+", root", "")
			learned := filepath.Dir(conf) + "/learned"
			os.Mkdir(learned, 0o755)
			lesson := g.call(conf, expand(s.before), words, expand(s.after))
			i := slices.Index(lesson, "-c") + 1
			lesson[i] = strings.Replace(lesson[i], g.dir+`/ironwrap "$0"`, g.dir+"/ironwrapctl learn --into "+learned+` "$0" --`, 1)
			if out, err := exec.Command(lesson[0], lesson[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%q cannot be learned: %v\n%s", words, err, out)
			}
			section, err1 := os.ReadFile(learned + "/x.section")
			profile, err2 := os.ReadFile(learned + "/x.json")
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			path := g.profile(t, filepath.Base(filepath.Dir(conf)), profile)
			_, keys, _ := strings.Cut(string(section), "\n")
			conf, e := g.policy(t, "CommandFilter, "+s.program+", root", strings.ReplaceAll(keys, learned+"/x.json", path))
			os.RemoveAll(dir)
			os.Mkdir(dir, 0o755)
			argv := g.call(conf, expand(s.before), words, expand(s.after))
			out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
			if l := g.left(e, s.way); l.factor == 0 || err != nil {
				t.Errorf("%q: %v of it is said to be left (%s); run: %v\n%s\n%s", words, l.factor, l.why, err, out, keys)
			}
			mounts := newConfinement(e, g.machine()).deed("mount", need{power: Mount}).factor
			if used := s.program == "mount" || s.program == "ip" && len(s.words[0]) > 0 && s.power != Network; (mounts == 1) != used {
				t.Errorf("%q: of mounts %v is said to be left", words, mounts)
			}
		})
	}
}

// TestConfinedVeil: what a section hides of what the caller brings is hidden.
func TestConfinedVeil(t *testing.T) {
	g := newGround(t)
	const before = "mkdir -p /tmp/iwveil; mount -t tmpfs none /tmp/iwveil; mkdir /tmp/iwveil/a; cp /usr/bin/true /tmp/iwveil/a/true; echo 'echo brought' > /tmp/iwveil/a/x"
	for _, c := range []struct {
		definition, section, words string
		left                       bool
	}{
		{"RegExpFilter, sh, root, sh, /tmp/[a-z/]+", "umask = 022", "sh /tmp/iwveil/a/x", true},
		{"RegExpFilter, sh, root, sh, /tmp/[a-z/]+", "private_tmp = yes", "sh /tmp/iwveil/a/x", false},
		{"RegExpFilter, sh, root, sh, /tmp/[a-z/]+", "landlock_ro = /usr, /lib, /lib64, /bin, /etc, /dev/null", "sh /tmp/iwveil/a/x", false},
		{"RegExpFilter, sh, root, sh, /tmp/[a-z/]+", "landlock_ro = /usr, /lib, /lib64, /bin, /etc, /dev, /tmp", "sh /tmp/iwveil/a/x", true},
		{"RegExpFilter, nice, root, nice, /tmp/[a-z/]+", "private_tmp = yes", "nice /tmp/iwveil/a/true", false},
		{"RegExpFilter, nice, root, nice, /tmp/[a-z/]+", "landlock_ro = /usr, /lib, /lib64, /bin, /etc, /dev/null", "nice /tmp/iwveil/a/true", false},
		{"RegExpFilter, nice, root, nice, /tmp/[a-z/]+", "read_only = /", "nice /tmp/iwveil/a/true", true},
		{"RegExpFilter, sh, root, sh, /tmp/.*", "private_tmp = yes", "sh /tmp/../proc/self/fd/0", true}, // what is a script is the caller's to say
	} {
		conf, e := g.policy(t, c.definition, c.section)
		cell := cellOf(Of(e, g.machine()), Run)
		if cell == nil || (cell.Extent != Blocked) != c.left {
			t.Errorf("%s, %s: %+v", c.definition, c.section, cell)
		}
		argv := g.call(conf, before, strings.Fields(c.words), "")
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdin = strings.NewReader("echo brought\n")
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.left {
			t.Errorf("%s: %q: %v\n%s", c.section, c.words, err, out)
		}
	}
	os.Remove("/tmp/iwveil")
}
