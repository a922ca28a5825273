package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
)

// aHelper is a program named privsep-helper that executes one that prints its status.
const aHelper = "#!/bin/sh\n/bin/cat /proc/self/status\n"

// helperPolicy adds such a program, in the policy's own directory of exec_dirs, and the
// sections.
func helperPolicy(t testing.TB, p policy, sections string) policy {
	t.Helper()
	conf, err := os.ReadFile(p.conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.conf, string(conf)+sections)
	write(t, p.dir+"/bin/privsep-helper", aHelper)
	if err := os.Chmod(p.dir+"/bin/privsep-helper", 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

func asking(context string, config ...string) []string {
	return append(append([]string{"privsep-helper"}, config...), "--privsep_context", context, "--privsep_sock_path", "/tmp/s")
}

const (
	aBrick  = "os_brick.privileged.default"
	aNova   = "nova.privsep.sys_admin_pctxt"
	aLinux  = "vif_plug_linux_bridge.privsep.vif_plug"
	ofBrick = "[Privsep:" + aBrick + "]\ncapabilities = CAP_CHOWN, CAP_NET_ADMIN\nno_new_privs = yes\n"
)

// TestPrivsepStatus: what the helper executes has the capabilities that its context's
// section leaves, by whichever road it is started, and that of no other context.
func TestPrivsepStatus(t *testing.T) {
	full, _ := bounding(t)
	cut := capSet(unix.CAP_CHOWN, unix.CAP_NET_ADMIN)
	check := func(t *testing.T, r result, caps, privs string) {
		t.Helper()
		f := fields(r.out)
		if r.status != 0 || f["CapBnd"] != caps || f["CapPrm"] != caps || f["CapEff"] != caps || f["NoNewPrivs"] != privs || !strings.HasPrefix(f["Uid"], "0 0 0 0") {
			t.Errorf("not %s, no_new_privs %s: %v", caps, privs, r)
		}
	}
	t.Run("one-shot", func(t *testing.T) {
		p := helperPolicy(t, daemonPolicy(t, "n: ChainingRegExpFilter, nice, root, nice, -n, 5"), ofBrick)
		for range 2 { // read, and then from what is kept
			check(t, run(t, append([]string{ours, p.conf}, asking(aBrick)...)...), cut, "1")
			check(t, throughSudo(t, ours, append([]string{p.conf}, asking(aBrick)...)...), cut, "1")
			check(t, run(t, append([]string{ours, p.conf}, asking(aNova)...)...), full, "0")
			check(t, run(t, append([]string{ours, p.conf, "nice", "-n", "5"}, asking(aBrick)...)...), cut, "1")
		}
	})
	t.Run("another filter", func(t *testing.T) {
		p := helperPolicy(t, daemonPolicy(t, "h: CommandFilter, privsep-helper, root\npy: CommandFilter, sh, root\nown: EnvFilter, env, root, A=, privsep-helper\n[Sandbox:own]\ncapabilities = CAP_CHOWN, CAP_KILL"), ofBrick)
		check(t, run(t, append([]string{ours, p.conf}, asking(aBrick)...)...), cut, "1")
		check(t, run(t, append([]string{ours, p.conf, "sh", p.dir + "/bin/privsep-helper"}, asking(aBrick)[1:]...)...), cut, "1")
		check(t, run(t, append([]string{ours, p.conf, "env", "A=b"}, asking(aBrick)...)...), capSet(unix.CAP_CHOWN), "1")
		for _, words := range [][]string{
			{"privsep-helper", "--privsep_context", aBrick, "--privsep_con", aNova},
			{"privsep-helper", "--privsep_context", aBrick, "--config-file", "/etc/nova/nova.conf"},
			{"privsep-helper", "--privsep_context", "os_brick.privileged.scsi.default"},
			{"privsep-helper"},
		} {
			r := run(t, append([]string{ours, p.conf}, words...)...)
			if r.status != 99 || r.out != "" || !oneLine(r.err) || !strings.Contains(r.err, "confines privsep contexts") {
				t.Errorf("%q: %v", words, r)
			}
		}
	})
	t.Run("declared", func(t *testing.T) {
		p := helperPolicy(t, daemonPolicy(t, "", "privsep_confine = declared"), "[Privsep:"+aLinux+"]\nseccomp = none\n")
		check(t, run(t, append([]string{ours, p.conf}, asking(aLinux)...)...), capSet(unix.CAP_NET_ADMIN, unix.CAP_DAC_OVERRIDE), "0")
		check(t, run(t, append([]string{ours, p.conf}, asking(aNova)...)...),
			capSet(unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN), "0")
		if r := run(t, append([]string{ours, p.conf}, asking("solum.privileged.default")...)...); r.status != 99 || r.out != "" || !strings.Contains(r.err, "add a section [Privsep:solum.privileged.default]") {
			t.Errorf("%v", r)
		}
	})
	t.Run("setuid", func(t *testing.T) {
		in := setuidInstallation(t, "", "exec_dirs=BIN", "allow_users="+caller.name)
		conf, err := os.ReadFile(in.conf)
		if err != nil {
			t.Fatal(err)
		}
		write(t, in.conf, strings.ReplaceAll(string(conf), "BIN", in.dir+"/bin"))
		helperPolicy(t, in.policy, ofBrick)
		check(t, runCmd(t, in.called(append([]string{in.conf}, asking(aBrick)...)...)), cut, "1")
		check(t, runCmd(t, in.called(append([]string{in.conf}, asking(aNova)...)...)), full, "0")
	})
	t.Run("daemon and ironwrap-call", func(t *testing.T) {
		p := daemonPolicy(t, "n: ChainingRegExpFilter, nice, root, nice, -n, 5", "allow_users="+caller.name)
		socket := p.calls(t)
		helperPolicy(t, p, ofBrick)
		s := serve(t, p)
		c := s.client()
		for range 2 {
			check(t, c.run(asking(aBrick)...), cut, "1")
			check(t, c.run(asking(aNova)...), full, "0")
			check(t, c.run(append([]string{"nice", "-n", "5"}, asking(aBrick)...)...), cut, "1")
			check(t, runCmd(t, calling(socket, asking(aBrick)...)), cut, "1")
			check(t, runCmd(t, calling(socket, asking(aNova)...)), full, "0")
		}
	})
}

// readContext prints which context oslo.config makes of words, or nothing where it ends.
const readContext = `
import sys
from oslo_config import cfg
for line in sys.stdin.read().split("\0"):
    conf = cfg.ConfigOpts()
    conf.register_cli_opts([cfg.StrOpt('privsep_context', required=True), cfg.StrOpt('privsep_sock_path', required=True)])
    conf.register_cli_opts([cfg.BoolOpt('debug', short='d'), cfg.StrOpt('log-dir'), cfg.StrOpt('log-config-append')])
    try:
        conf(args=line.split("\n"), project='privsep', default_config_files=[], default_config_dirs=[])
        print(conf.privsep_context)
    except (SystemExit, cfg.Error):
        print("")
`

// TestPrivsepContextAsPeer: a context that is told for certain is the one that oslo.config
// reads, files of configuration included; or the helper does not start.
func TestPrivsepContextAsPeer(t *testing.T) {
	need(t, "python3-oslo.config", "/usr/lib/python3/dist-packages/oslo_config/cfg.py")
	file := t.TempDir() + "/x.conf"
	write(t, file, "[DEFAULT]\nprivsep_context = "+aNova+"\n")
	parts := [][]string{
		{"--privsep_context", aBrick}, {"--privsep_context=" + aBrick}, {"--privsep_context", aNova}, {"--privsep_con", aNova}, {"--privsep_c=" + aNova},
		{"--privsep_sock_path", "/s"}, {"--privsep_sock_path=/s"}, {"--config-file", file}, {"--config-file=" + file}, {"--config-f", file},
		{"-d"}, {"--log-dir"}, {"--"}, {"x"}, {"--privsep_sock_path"}, {"--log-dir=/x"}, {"--privsep_context"},
	}
	var lines [][]string
	for _, a := range parts {
		for _, b := range parts {
			for _, c := range parts {
				lines = append(lines, append(append(append([]string{}, a...), b...), c...))
			}
		}
	}
	var text []string
	for _, l := range lines {
		text = append(text, strings.Join(l, "\n"))
	}
	c := exec.Command("/usr/bin/python3", "-c", readContext)
	c.Stdin = strings.NewReader(strings.Join(text, "\x00"))
	out, err := c.Output()
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if err != nil || len(answers) != len(lines) {
		t.Fatalf("%v, %d answers to %d questions", err, len(answers), len(lines))
	}
	certain := 0
	for i, l := range lines {
		name, ok := filters.PrivsepContext(filters.Words(l))
		if ok && answers[i] != "" {
			certain++
			if answers[i] != name.Raw() {
				t.Errorf("%q: %q, and oslo.config reads %q", l, name, answers[i])
			}
		}
	}
	if certain < 100 {
		t.Errorf("only %d commands were told for certain", certain)
	}
}
