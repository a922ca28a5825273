// Command demo shows ironwrap at work: on the filter files that Debian ships for
// neutron, nova and cinder, and on a small policy of its own. It needs nothing
// prepared, runs as root, and removes what it made.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"ironwrap/integration/rig/ownstore"
	"ironwrap/integration/rig/rootwrapclient"
)

func main() {
	// What is mounted (ip netns) and kept of policies goes with a namespace of its own.
	if err := ownstore.Mount(); err != nil && os.Geteuid() == 0 {
		fmt.Fprintln(os.Stderr, "demo: what is mounted stays:", err)
	}
	d := &demo{}
	err := d.run()
	d.clean()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

type demo struct {
	dir      string // everything that is made lies here
	ironwrap string
	undo     []func()
	calls    int
	wrong    int
}

func (d *demo) clean() {
	for i := len(d.undo) - 1; i >= 0; i-- {
		d.undo[i]()
	}
}

func (d *demo) run() error {
	if os.Geteuid() != 0 {
		return errors.New("ironwrap is what root calls: run the demonstration as root")
	}
	if err := d.prepare(); err != nil {
		return err
	}
	d.neutron()
	d.nova()
	d.cinder()
	d.ownPolicy()
	d.daemon()
	d.withoutSudo()
	d.distrust()

	fmt.Printf("\n%d calls, %d as expected. Try one yourself:\n", d.calls, d.calls-d.wrong)
	fmt.Printf("    bin/ironwrapctl explain /etc/neutron/rootwrap.conf ip netns list\n")
	if d.wrong > 0 {
		return fmt.Errorf("%d calls ended otherwise than expected", d.wrong)
	}
	return nil
}

// The packages whose filter files are shown, and never installed.
var packages = []string{"neutron-common", "nova-common", "nova-compute", "cinder-common"}

func (d *demo) prepare() error {
	syscall.Umask(0o022) // sudo lets a stricter one of its caller's through
	err := install("/usr/sbin/ip", "iproute2")
	if err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("/var/lib", "ironwrap-demo-"); err != nil {
		return err
	}
	d.undo = append(d.undo, func() { os.RemoveAll(d.dir) })
	if err := os.Chmod(d.dir, 0o755); err != nil {
		return err
	}
	// The daemon starts no launcher of anybody's but root's: a checkout in a home is the user's.
	d.ironwrap = d.dir + "/built/ironwrap"
	if err := os.Mkdir(filepath.Dir(d.ironwrap), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"ironwrap", "ironwrap-read", "ironwrap-daemon", "ironwrap-launch", "ironwrap-call"} {
		program, err := os.ReadFile("bin/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(d.dir+"/built/"+name, program, 0o755); err != nil {
			return err
		}
	}
	debs := d.dir + "/debs"
	if err := os.Mkdir(debs, 0o777); err != nil {
		return err
	}
	fetch := func() error {
		c := exec.Command("apt-get", append([]string{"download", "-qq"}, packages...)...)
		c.Dir = debs
		out, err := c.CombinedOutput()
		if err != nil {
			return fmt.Errorf("cannot download %s: %v\n%s", strings.Join(packages, " "), err, out)
		}
		return nil
	}
	if err := fetch(); err != nil {
		exec.Command("apt-get", "update", "-qq").Run()
		if err := fetch(); err != nil {
			return err
		}
	}
	names, _ := filepath.Glob(debs + "/*.deb")
	for _, deb := range names {
		if out, err := exec.Command("dpkg-deb", "-x", deb, d.dir).CombinedOutput(); err != nil {
			return fmt.Errorf("cannot unpack %s: %v\n%s", deb, err, out)
		}
	}
	standIns := d.dir + "/stand-ins"
	if err := os.Mkdir(standIns, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(standIns+"/privsep-helper", []byte("#!/bin/sh\necho \"the helper would start, as $(id -un), with $# arguments\"\n"), 0o755); err != nil {
		return err
	}
	// The only change to Debian's files: where things lie.
	for _, service := range []string{"neutron", "nova", "cinder"} {
		conf := d.conf(service)
		text, err := os.ReadFile(conf)
		if err != nil {
			return err
		}
		text = regexp.MustCompile(`(?m)^filters_path *=.*$`).ReplaceAll(text, []byte("filters_path="+filepath.Dir(conf)+"/rootwrap.d"))
		text = regexp.MustCompile(`(?m)^exec_dirs *=`).ReplaceAll(text, []byte("exec_dirs="+standIns+","))
		if err := os.WriteFile(conf, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) conf(service string) string { return d.dir + "/etc/" + service + "/rootwrap.conf" }

func (d *demo) neutron() {
	title("neutron: Debian's own filter file")
	ns := fmt.Sprintf("ironwrap-demo-%d", os.Getpid())
	d.undo = append(d.undo, func() { exec.Command("ip", "netns", "delete", ns).Run() })
	call := d.caller("neutron-rootwrap", d.conf("neutron"))

	say("IpFilter allows ip, but not what would run another program.")
	call(0, "ip", "netns", "add", ns)
	call(0, "ip", "-o", "link", "show", "lo")
	call(99, "ip", "-n", ns, "netns", "exec", ns, "/bin/sh")
	call(99, "ip", "-batch", "-")
	say("IpNetnsExecFilter: the command inside must have a filter of its own.")
	call(0, "ip", "netns", "exec", ns, "ip", "-o", "link")
	call(99, "ip", "netns", "exec", ns, "/bin/sh", "-c", "id")
	call(99, "ip", "netns", "exec", ns, d.dir+"/evil/ip", "link")
	call(0, "ip", "netns", "delete", ns)
	say("RegExpFilter: every word, the whole word.")
	call(0, "sleep", "0")
	call(99, "sleep", "1d")
	call(99, "sleep", "1\n")
	say("A filter matches, but the program is not installed.")
	call(96, "dibbler-client", "start")
}

func (d *demo) nova() {
	title("nova: Debian's filter file, and the privsep helper that no file names")
	call := d.caller("nova-rootwrap", d.conf("nova"))
	helper := func(more ...string) []string {
		return append(append([]string{"privsep-helper", "--config-file", filepath.Dir(d.conf("nova")) + "/rootwrap.conf"}, more...),
			"--privsep_context", "nova.privsep.sys_admin_pctxt", "--privsep_sock_path", "/tmp/privsep.sock")
	}
	say("The command line that oslo.privsep builds is allowed (a stand-in for the helper runs);\n  a log configuration of the caller's is not.")
	call(0, helper()...)
	call(99, helper("--log-config-append", "/tmp/log.ini")...)
	call(99, "qemu-img", "info", "/etc/shadow")
}

func (d *demo) cinder() {
	title("cinder: Debian's own filter file")
	call := d.caller("cinder-rootwrap", d.conf("cinder"))
	call(0, "stat", "-c", "%n is owned by %U, mode %a", "/etc/shadow")
	say("ChainingRegExpFilter: the program that runs is the one that the inner filter names.")
	call(0, "ionice", "-c3", "df", "--output=target", "/")
	call(99, "ionice", "-c3", "bash")
	say("EnvFilter: the filter says LC_ALL=C, so nothing else will do.")
	call(99, "env", "LC_ALL=de_DE", "lvs")
	call(99, "env", "LC_ALL=C", "LD_PRELOAD=/tmp/evil.so", "lvs")
}

func (d *demo) ownPolicy() {
	title("a policy of our own: what the command sees")
	images := d.dir + "/images"
	os.MkdirAll(images, 0o755)
	os.MkdirAll(d.dir+"/images-evil", 0o755)
	os.WriteFile(images+"/disk", []byte("an image\n"), 0o644)
	os.WriteFile(d.dir+"/images-evil/disk", []byte("not an image\n"), 0o644)
	os.Symlink("/etc/shadow", images+"/link")
	conf := d.policy("own", fmt.Sprintf(`id: CommandFilter, id, nobody
grep: RegExpFilter, grep, nobody, grep, -E, .*, /proc/self/status
env: CommandFilter, printenv, nobody
hello: EnvFilter, env, root, GREETING=, printenv
cat: PathFilter, cat, root, %s
hostname: ReadFileFilter, /etc/hostname
sleep: KillFilter, root, sleep, -9
`, images))
	call := d.caller("ironwrap", conf)

	say("CommandFilter with run-as nobody: ids, groups and capabilities, as the kernel has them.")
	call(0, "id")
	call(0, "grep", "-E", "^(Uid|Gid|Groups|CapPrm|CapEff|CapInh|CapAmb|Seccomp):", "/proc/self/status")
	say("The environment is built from nothing: the demonstration has %d variables.", len(os.Environ()))
	call(0, "printenv")
	call(0, "env", "GREETING=good morning", "printenv", "GREETING")
	say("PathFilter: where a path really leads to counts.")
	call(0, "cat", images+"/disk")
	call(99, "cat", images+"/link")
	call(99, "cat", images+"/../images-evil/disk")
	call(99, "cat", d.dir+"/images-evil/disk")
	say("ReadFileFilter: this file and no other.")
	call(0, "cat", "/etc/hostname")
	call(99, "cat", "/etc/shadow")
	say("KillFilter: processes that run this program; ironwrap sends the signal itself.")
	victim := exec.Command("/usr/bin/sleep", "600")
	if victim.Start() == nil {
		call(0, "kill", "-9", fmt.Sprint(victim.Process.Pid))
		err := victim.Wait()
		fmt.Printf("    the sleeping process ended: %v\n", err)
	}
	call(99, "kill", "-9", fmt.Sprint(os.Getpid()))
}

func (d *demo) daemon() {
	title("the daemon: the same decisions for a client that stays connected")
	conf := d.policy("daemon", `ip: IpFilter, ip, root
id: CommandFilter, id, nobody
sleep: CommandFilter, sleep, root
`)
	server, err := rootwrapclient.Start(d.ironwrap+"-daemon", conf)
	if err != nil {
		d.failed("start the daemon", err)
		return
	}
	defer server.Stop()
	client, err := rootwrapclient.Dial(server.Path, server.Key)
	if err != nil {
		d.failed("connect to the daemon", err)
		return
	}
	defer client.Close()
	call := func(want int, argv ...string) {
		d.calls++
		r, err := client.Run(argv, nil)
		if err != nil {
			d.failed("call the daemon", err)
			return
		}
		fmt.Printf("\n  %s %s\n", bold("> "), bold(words(argv)))
		d.show(string(r.Stdout), string(r.Stderr))
		fmt.Printf("    %s\n", verdict(r.Status))
		d.expect(r.Status, want)
	}
	say("It is what root_helper_daemon names, and speaks the protocol of the original's client.")
	call(0, "id")
	call(0, "ip", "-o", "link", "show", "lo")
	call(99, "ip", "netns", "exec", "x", "/bin/sh")
	call(1, "sleep", "x")
	say("A filters file that changes is in force with the next request.")
	os.WriteFile(filepath.Dir(conf)+"/filters.d/demo.filters", []byte("[Filters]\nip: IpFilter, ip, root\n"), 0o644)
	call(99, "id")

	const n = 500
	began := time.Now()
	for range n {
		if _, err := client.Run([]string{"ip", "-V"}, nil); err != nil {
			d.failed("call the daemon", err)
			return
		}
	}
	fmt.Printf("\n  %d more calls of \"ip -V\" took %.1f ms each.\n", n, time.Since(began).Seconds()*1000/n)
}

// withoutSudo calls by a user who has no right but to ask the daemon.
func (d *demo) withoutSudo() {
	title("no set-user-id program: a call through the daemon, on the caller's own descriptors")
	socket := d.dir + "/calls/demo.call"
	conf := d.policy("calls", "id: CommandFilter, id, root\nsh: CommandFilter, sh, root\n")
	text, err := os.ReadFile(conf)
	if err == nil {
		err = os.WriteFile(conf, append(text, "allow_users=daemon\ncall_socket="+socket+"\n"...), 0o644)
	}
	if err != nil {
		d.failed("write a configuration", err)
		return
	}
	server, err := rootwrapclient.Start(d.ironwrap+"-daemon", conf)
	if err != nil {
		d.failed("start the daemon", err)
		return
	}
	defer server.Stop()
	say("The user daemon, below no_new_privs, with which sudo would not work. The kernel says who asks.")
	call := func(user string, want int, argv ...string) {
		d.calls++
		before := []string{"--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs", "--bounding-set=-all", d.ironwrap + "-call", socket}
		c := exec.Command("setpriv", append(before, argv...)...)
		c.Dir, c.Stdin = "/tmp", strings.NewReader("what the caller gave it")
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		c.Run()
		fmt.Printf("\n  %s %s\n", bold(user+"$ ironwrap-call demo"), bold(words(argv)))
		d.show(out.String())
		status := c.ProcessState.Sys().(syscall.WaitStatus).ExitStatus()
		fmt.Printf("    %s\n", verdict(status))
		d.expect(status, want)
	}
	call("daemon", 0, "id")
	call("daemon", 0, "sh", "-c", "pwd; cat; echo; grep NoNewPrivs /proc/self/status")
	call("daemon", 99, "mkfs")
	call("games", 99, "id")
}

func (d *demo) failed(what string, err error) {
	d.wrong++
	fmt.Printf("    NOT AS EXPECTED: cannot %s: %v\n", what, err)
}

func (d *demo) distrust() {
	title("configurations that cannot be trusted")
	conf := d.policy("loose", "id: CommandFilter, id, root\n")
	call := d.caller("ironwrap", conf)
	say("A filters file that anybody may write.")
	os.Chmod(filepath.Dir(conf)+"/filters.d/demo.filters", 0o666)
	call(97, "id")
	os.Chmod(filepath.Dir(conf)+"/filters.d/demo.filters", 0o644)
	say("A filters directory of somebody else's.")
	os.Chown(filepath.Dir(conf)+"/filters.d", 65534, 65534)
	call(97, "id")
	os.Chown(filepath.Dir(conf)+"/filters.d", 0, 0)
	say("A line that Python could not read.")
	os.WriteFile(filepath.Dir(conf)+"/filters.d/demo.filters", []byte("[Filters]\nid: CommandFilter, id, root\nthis is no filter\n"), 0o644)
	call(97, "id")
}

func (d *demo) policy(name, filters string) (conf string) {
	dir := d.dir + "/" + name
	os.MkdirAll(dir+"/filters.d", 0o755)
	conf = dir + "/rootwrap.conf"
	os.WriteFile(conf, []byte("[DEFAULT]\nfilters_path="+dir+"/filters.d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n"), 0o644)
	os.WriteFile(dir+"/filters.d/demo.filters", []byte("[Filters]\n"+filters), 0o644)
	return conf
}

// caller returns a function that makes one call under the name that the service
// uses, and prints what became of it.
func (d *demo) caller(name, conf string) func(want int, argv ...string) {
	link := d.dir + "/bin/" + name
	os.MkdirAll(d.dir+"/bin", 0o755)
	os.Symlink(d.ironwrap, link)
	return func(want int, argv ...string) {
		d.calls++
		c := exec.Command(link, append([]string{conf}, argv...)...)
		c.Args[0] = name
		var out, errOut bytes.Buffer
		c.Stdout, c.Stderr = &out, &errOut
		c.Run()
		status := c.ProcessState.Sys().(syscall.WaitStatus).ExitStatus()

		fmt.Printf("\n  %s %s\n", bold("$ "+name), bold(words(argv)))
		d.show(out.String(), errOut.String())
		fmt.Printf("    %s\n", verdict(status))
		d.expect(status, want)
	}
}

// show prints what a command printed.
func (d *demo) show(texts ...string) {
	for _, text := range texts {
		for line := range strings.Lines(text) {
			fmt.Printf("    %s\n", strings.TrimRight(strings.ReplaceAll(line, d.dir, "..."), "\n"))
		}
	}
}

func (d *demo) expect(status, want int) {
	if status != want {
		d.wrong++
		fmt.Printf("    NOT AS EXPECTED: the status should be %d\n", want)
	}
}

func verdict(status int) string {
	switch status {
	case 96:
		return colour(33, "96  matched, but there is no such program")
	case 97:
		return colour(31, "97  the configuration is not used")
	case 99:
		return colour(31, "99  refused")
	}
	return colour(32, fmt.Sprintf("%d   ran", status))
}

func words(argv []string) string {
	quoted := make([]string, len(argv))
	for i, w := range argv {
		quoted[i] = w
		if w == "" || strings.ContainsAny(w, " \n^|()$") {
			quoted[i] = fmt.Sprintf("%q", w)
		}
	}
	line := strings.Join(quoted, " ")
	return regexp.MustCompile(`/var/lib/ironwrap-demo-\d+`).ReplaceAllString(line, "...")
}

func title(text string) {
	fmt.Printf("\n%s\n%s\n", bold(text), strings.Repeat("=", len(text)))
}

func say(format string, args ...any) { fmt.Printf("\n  "+format+"\n", args...) }

func bold(text string) string { return colour(1, text) }

// colour is for people: a pipe gets plain text.
func colour(code int, text string) string {
	if st, err := os.Stdout.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, text)
}

func install(file, pkg string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	exec.Command("apt-get", "update", "-qq").Run()
	c := exec.Command("apt-get", "install", "-y", "-qq", "--no-install-recommends", pkg)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot install %s: %v\n%s", pkg, err, out)
	}
	return nil
}
