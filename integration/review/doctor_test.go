package review

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// situations are states of a machine, each made of one that is protected, and what doctor
// must say of it. Where follow is set, its advice is followed, and is all it takes.
var situations = []struct {
	name    string
	change  string // by root
	state   string
	id      string
	says    string
	follow  bool
	verdict string
}{
	{"the original answers", "rm /usr/bin/neutron-rootwrap; dpkg-divert --local --rename --remove /usr/bin/neutron-rootwrap",
		"problem", "helper-original", "/usr/bin/neutron-rootwrap is oslo.rootwrap", true, "not protected"},
	{"a link that the next upgrade replaces", "dpkg-divert --local --no-rename --remove /usr/bin/neutron-rootwrap",
		"warning", "helper-upgrade", "belongs to package neutron-common", true, "weak"},
	{"a copy that the next upgrade replaces", "dpkg-divert --local --no-rename --remove /usr/bin/neutron-rootwrap; rm /usr/bin/neutron-rootwrap; cp /usr/bin/ironwrap /usr/bin/neutron-rootwrap",
		"warning", "helper-upgrade", "belongs to package neutron-common", true, "weak"},
	{"a link that an upgrade has replaced", "dpkg-divert --local --no-rename --remove /usr/bin/neutron-rootwrap; dpkg --unpack --force-depends --force-confold /root/neutron-common.deb; find /etc/sudoers.d /etc/neutron -name \"*.dpkg-new\" -delete",
		"problem", "helper-original", "/usr/bin/neutron-rootwrap is oslo.rootwrap", true, "not protected"},
	{"the original beside it", "rm /usr/bin/neutron-rootwrap-daemon; dpkg-divert --local --rename --remove /usr/bin/neutron-rootwrap-daemon",
		"problem", "sudoers-original", "/usr/bin/neutron-rootwrap-daemon", true, "not protected"},
	{"a copy of the original in a virtual environment", "mkdir -p /opt/venv/bin; cp /usr/bin/neutron-rootwrap.oslo /opt/venv/bin/neutron-rootwrap; " + helperIs("sudo /opt/venv/bin/neutron-rootwrap /etc/neutron/rootwrap.conf"),
		"problem", "helper-original", "/opt/venv/bin/neutron-rootwrap is oslo.rootwrap", false, "not protected"},
	{"a virtual environment that secure_path has first", "mkdir -p /opt/venv/bin; cp /usr/bin/neutron-rootwrap.oslo /opt/venv/bin/neutron-rootwrap; sed -i 's|secure_path=\"|&/opt/venv/bin:|' /etc/sudoers",
		"problem", "helper-original", "/opt/venv/bin/neutron-rootwrap is oslo.rootwrap", true, "not protected"},
	{"a virtual environment of the service's", "mkdir -p /opt/venv/bin; ln -s /usr/bin/ironwrap /opt/venv/bin/neutron-rootwrap; chown neutron /opt/venv/bin; " + helperIs("sudo /opt/venv/bin/neutron-rootwrap /etc/neutron/rootwrap.conf"),
		"problem", "helper-writable", "/opt/venv/bin", false, "not protected"},
	{"a program of nobody's", "printf '#!/bin/sh\\nexec /usr/bin/ironwrap \"$@\"\\n' >/opt/neutron-rootwrap; chmod 755 /opt/neutron-rootwrap; " + helperIs("sudo /opt/neutron-rootwrap /etc/neutron/rootwrap.conf"),
		"unknown", "helper-other", "neither ironwrap nor oslo.rootwrap", false, "not protected"}, // no sudoers line for it
	{"the daemon's name leads to the one-shot program", "ln -sfn ironwrap /usr/bin/neutron-rootwrap-daemon; " + daemonIs("sudo neutron-rootwrap-daemon /etc/neutron/rootwrap.conf"),
		"problem", "helper-kind", "is ironwrap, which does not serve calls by root_helper_daemon", true, "not protected"},
	{"sudo without a wrapper", helperIs("sudo"), "problem", "helper-bare", "sudo without any wrapper", false, "not protected"},
	{"no root helper", "sed -i '/^root_helper/d' /etc/neutron/neutron.conf", "unknown", "helper-unnamed", "no file that was read sets root_helper", false, "cannot tell"},
	{"another configuration", helperIs("sudo neutron-rootwrap /etc/neutron/other.conf"), "unknown", "helper-configuration", "/etc/neutron/other.conf", false, "not protected"},
	{"privsep-helper in the service's configuration", "printf '[privsep_link]\\nhelper_command = sudo privsep-helper --config-file /etc/neutron/neutron.conf\\n' >/etc/neutron/privsep.ini",
		"problem", "helper-privsep", "[privsep_link] helper_command (/etc/neutron/privsep.ini:2)", false, "not protected"},
	{"disable_rootwrap", "printf '[workarounds]\\ndisable_rootwrap = True\\n' >/etc/neutron/work.conf", "problem", "helper-disabled", "/etc/neutron/work.conf:2", false, "not protected"},
	{"no set-user-id bit", helperIs("neutron-rootwrap /etc/neutron/rootwrap.conf"), "problem", "helper-setuid", "no set-user-id bit", false, "not protected"},
	{"a file system without set-user-id bits", "mkdir /opt/nosuid; mount -t tmpfs -o nosuid,mode=755 tmpfs /opt/nosuid; cp /usr/bin/ironwrap /opt/nosuid/; chmod 4755 /opt/nosuid/ironwrap; " + helperIs("/opt/nosuid/ironwrap /etc/neutron/rootwrap.conf"),
		"problem", "helper-nosuid", "(nosuid)", false, "not protected"},
	{"sudo without its bit", "chmod u-s /usr/bin/sudo", "problem", "sudo-program", "does not become root", false, "not protected"},
	{"no line of sudoers", "rm /etc/sudoers.d/*", "problem", "sudoers-line", "no line of sudoers lets the service run", false, "not protected"},
	{"a line that asks for a password", "sed -i 's/NOPASSWD: //' /etc/sudoers.d/*", "problem", "sudoers-line", "with a password", false, "not protected"},
	{"a line for privsep-helper", "echo 'neutron ALL = (root) NOPASSWD: /usr/bin/privsep-helper *' >/etc/sudoers.d/x", "problem", "sudoers-privsep-helper", "/etc/sudoers.d/x:1: neutron may run", false, "not protected"},
	{"a line for everything", "echo 'neutron ALL = (ALL) NOPASSWD: ALL' >/etc/sudoers.d/x", "problem", "sudoers-gives-root", "every command", false, "not protected"},
	{"sudoers that cannot be read", "rm /usr/bin/cvtsudoers", "unknown", "sudoers-unread", "cvtsudoers", false, "cannot tell"},
	{"rules of a directory service", "echo 'sudoers: files sss' >/etc/nsswitch.conf", "unknown", "sudoers-unread", "sss", false, "cannot tell"},
	{"a filter file of the service's", "chown neutron /etc/neutron/rootwrap.d/id.filters", "problem", "policy-use", "id.filters", false, "not protected"},
	{"a filter that gives root away", "echo 'sh: CommandFilter, sh, root' >>/etc/neutron/rootwrap.d/id.filters", "warning", "policy-check", "check finds", false, "weak"},
	{"no configuration", "rm /etc/neutron/rootwrap.conf", "unknown", "policy-use", "no such file", false, "cannot tell"},
	{"a profile that was changed", "printf '[Sandbox:id]\\nseccomp = storage\\n' >>/etc/neutron/rootwrap.d/id.filters; echo >>/usr/lib/ironwrap/profiles/storage.json",
		"problem", "seccomp-profile", "commands under it do not run", true, "not protected"},
	{"a profile that is not there", "printf '[Sandbox:id]\\nseccomp = storage\\n' >>/etc/neutron/rootwrap.d/id.filters; rm /usr/lib/ironwrap/profiles/storage.*",
		"problem", "seccomp-profile", "install the profile", false, "not protected"},
	{"a launcher that others may start", "chmod 0755 /usr/lib/ironwrap/ironwrap-launch", "warning", "part", "has mode 0755", true, "weak"},
	{"no reader", "rm /usr/lib/ironwrap/ironwrap-read", "problem", "part", "ironwrap-read cannot be used", false, "not protected"},
	{"a reader of somebody's", "chown neutron /usr/lib/ironwrap/ironwrap-read", "problem", "part", "ironwrap-read cannot be used", false, "not protected"},
	{"records nowhere", "sed -i /use_syslog/d /etc/neutron/rootwrap.conf", "warning", "records-place", "neither calls nor refusals are recorded", false, "weak"},
	{"no system log", "mv /dev/log /dev/gone", "warning", "records-syslog", "records are lost", false, "weak"},
	{"no system log, which must be", "mv /dev/log /dev/gone; echo audit_required=yes >>/etc/neutron/rootwrap.conf", "problem", "records-syslog", "no command runs", false, "not protected"},
	{"an audit file where nobody can write", "echo audit_file=/var/lib/nosuch/audit.log >>/etc/neutron/rootwrap.conf", "warning", "records-file", "/var/lib/nosuch", false, "weak"},
	{"ironwrap-call without a daemon", helperIs("ironwrap-call neutron"), "problem", "daemon-socket", "nobody listens at /run/ironwrap/neutron.call", false, "not protected"},
}

// helperIs sets the service's root_helper, and daemonIs its root_helper_daemon.
func helperIs(line string) string {
	return "sed -i 's|^root_helper = .*|root_helper = " + line + "|' /etc/neutron/neutron.conf"
}

func daemonIs(line string) string {
	return "sed -i 's|^root_helper = .*|&\\nroot_helper_daemon = " + line + "|' /etc/neutron/neutron.conf"
}

// TestDoctor: of a machine that is protected doctor says so, and of none that is not.
func TestDoctor(t *testing.T) {
	c := newClinic(t)
	protected := func(t *testing.T) {
		t.Helper()
		if d := c.doctor(); d.Verdict != "protected" || d.Status != 0 {
			t.Fatal(d)
		}
	}
	protected(t)
	c.works()
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			c.t = t
			defer c.heal()
			c.must(s.change)
			d := c.doctor()
			do, ok := d.has(s.state, s.id, s.says)
			if !ok || d.Verdict != s.verdict {
				t.Fatalf("not %s, %s [%s] %s:\n%v", s.verdict, s.state, s.id, s.says, d)
			}
			if s.verdict == "weak" {
				c.works()
			}
			if s.follow {
				c.must(do)
				protected(t)
				c.works()
			}
		})
	}
	c.t = t
	protected(t)
	t.Run("set-user-id", func(t *testing.T) { c.t = t; c.setuid() })
	t.Run("not root", func(t *testing.T) { c.t = t; c.stranger() })
	t.Run("old daemon", func(t *testing.T) { c.t = t; c.oldDaemon() })
	t.Run("another build", func(t *testing.T) { c.t = t; c.otherBuild() })
	t.Run("refusals", func(t *testing.T) { c.t = t; c.refused() })
	t.Run("sandbox", func(t *testing.T) { c.t = t; c.sandboxes() })
}

// works: the service's call is ironwrap's, and comes to its end.
func (c *clinic) works() {
	c.t.Helper()
	as := "setpriv --reuid=neutron --regid=neutron --init-groups sudo -n neutron-rootwrap "
	if r := c.shell(as + "/etc/neutron/rootwrap.conf id -u"); r.Status != 0 || r.Out != "65534\n" {
		c.t.Error(r)
	}
	if r := c.shell("neutron-rootwrap --version 2>&1"); r.Status != 0 || !strings.HasPrefix(r.Out, "ironwrap ") {
		c.t.Error(r)
	}
}

// setuid: a machine without sudo lines, where ironwrap has the set-user-id bit.
func (c *clinic) setuid() {
	defer c.heal()
	c.must(`rm /etc/sudoers.d/*; chmod 4755 /usr/bin/ironwrap; mkdir -p /etc/ironwrap/neutron; cp /etc/neutron/rootwrap.conf /etc/ironwrap/neutron/; cp -r /etc/neutron/rootwrap.d /etc/ironwrap/neutron/
sed -i 's|/etc/neutron|/etc/ironwrap/neutron|; $ a allow_users=neutron' /etc/ironwrap/neutron/rootwrap.conf; chown -R root:root /etc/ironwrap
` + helperIs("ironwrap /etc/ironwrap/neutron/rootwrap.conf"))
	r := c.shell("ironwrapctl doctor /etc/ironwrap/neutron/rootwrap.conf")
	if r.Status != 0 || !strings.Contains(r.Out, "neutron: protected:") {
		c.t.Error(r)
	}
	if r := c.shell("setpriv --reuid=neutron --regid=neutron --init-groups ironwrap /etc/ironwrap/neutron/rootwrap.conf id -u"); r.Status != 0 || r.Out != "65534\n" {
		c.t.Error(r)
	}
	c.must("sed -i s/allow_users=neutron/allow_users=daemon/ /etc/ironwrap/neutron/rootwrap.conf")
	if r := c.shell("ironwrapctl doctor /etc/ironwrap/neutron/rootwrap.conf"); r.Status != 2 || !strings.Contains(r.Out, "user neutron may not call") {
		c.t.Error(r)
	}
}

// stranger: whoever is not root is told what takes root, and never that all is well.
func (c *clinic) stranger() {
	d := c.doctor("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
	if do, ok := d.has("unknown", "sudoers-unread", "permission denied"); !ok || do != "run this as root" || d.Verdict != "cannot tell" {
		c.t.Error(d)
	}
	if do, ok := d.has("unknown", "daemon-process", ""); !ok || do != "run this as root" {
		c.t.Error(d)
	}
}

// oldDaemon: a daemon whose program was replaced, and one of the original's, are found
// while they run, and kill ends them.
func (c *clinic) oldDaemon() {
	for _, k := range []struct{ start, after, state, id string }{
		{"/usr/bin/neutron-rootwrap-daemon", "cp /usr/bin/ironwrap-daemon /usr/bin/new; mv /usr/bin/new /usr/bin/ironwrap-daemon", "warning", "daemon-old"},
		{"/usr/bin/neutron-rootwrap-daemon.oslo", "true", "problem", "daemon-original"},
	} {
		running := c.enter(k.start, "/etc/neutron/rootwrap.conf")
		out, err := running.StdoutPipe()
		if err != nil {
			c.t.Fatal(err)
		}
		if err := running.Start(); err != nil {
			c.t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			c.t.Fatalf("%s says nothing: %v", k.start, err)
		}
		if k.id == "daemon-old" {
			if d := c.doctor(); d.Verdict != "protected" || !strings.Contains(fmt.Sprint(d.Answers), "runs the installed") {
				c.t.Errorf("%v%v", d, d.Answers)
			}
		}
		c.must(k.after)
		d := c.doctor()
		do, ok := d.has(k.state, k.id, "process ")
		if !ok {
			c.t.Fatal(d)
		}
		c.must(do)
		done := make(chan error, 1)
		go func() { done <- running.Wait() }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			c.t.Error("it goes on")
		}
		if d := c.doctor(); d.Verdict != "protected" {
			c.t.Error(d)
		}
		c.heal()
	}
}

// otherBuild: ironwrap of another version than ironwrapctl.
func (c *clinic) otherBuild() {
	defer c.heal()
	build := exec.Command("go", "build", "-ldflags", "-X main.version=other", "-o", c.t.TempDir()+"/ironwrap", "./cmd/ironwrap")
	build.Dir, build.Env = rig.Root, append(os.Environ(), "CGO_ENABLED=0")
	if r := rig.RunCmd(c.t, build); r.Status != 0 {
		c.t.Fatal(r)
	}
	data, err := os.ReadFile(build.Args[len(build.Args)-2])
	if err != nil {
		c.t.Fatal(err)
	}
	c.must("rm /usr/bin/ironwrap")
	c.put("/usr/bin/ironwrap", string(data))
	c.must("chmod 755 /usr/bin/ironwrap")
	if d := c.doctor(); d.Verdict != "weak" {
		c.t.Error(d)
	} else if _, ok := d.has("warning", "helper-version", "is of version other"); !ok {
		c.t.Error(d)
	}
}

// refused: the last refusals of the service are told, and nobody else's.
func (c *clinic) refused() {
	defer c.heal()
	r := c.shell("id -u neutron")
	record := "Nov 28 10:00:0%d host neutron-rootwrap[1]: ruid=0 sudo_uid=%s loginuid=- Unauthorized command: %s why=\"no filter matched\" cwd=/\n"
	c.put("/var/log/syslog", fmt.Sprintf(record+record, 1, strings.TrimSpace(r.Out), `rm "-rf" /srv`, 2, "12345", "bash"))
	d := c.doctor()
	if _, ok := d.has("note", "records-refused", "Unauthorized command: rm -rf /srv"); !ok {
		c.t.Errorf("%v", d.Answers)
	}
	if _, ok := d.has("note", "records-refused", "bash"); ok {
		c.t.Errorf("%v", d.Answers)
	}
}

// sandboxes: what doctor says of the kernel is what becomes of a call.
func (c *clinic) sandboxes() {
	defer c.heal()
	for _, keys := range []string{
		"seccomp = storage", "memory_deny_write_execute = yes", "private_keyring = yes", "private_mounts = yes", "private_network = yes",
		"read_only = /srv", "landlock_ro = /", "landlock_tcp_bind = 80", "landlock_scope = signal",
		"landlock_scope = signal\nlandlock = best-effort",
	} {
		c.put("/etc/neutron/rootwrap.d/id.filters", "[Filters]\nid: CommandFilter, id, nobody\n[Sandbox:id]\n"+keys+"\n")
		ran := c.shell("/usr/bin/neutron-rootwrap /etc/neutron/rootwrap.conf id").Status == 0
		d := c.doctor()
		_, told := d.has("problem", "kernel-feature", "")
		_, unsure := d.has("unknown", "kernel-feature", "")
		if ran == told || unsure {
			c.t.Errorf("%s: ran: %v: %v", keys, ran, d)
		}
	}
}
