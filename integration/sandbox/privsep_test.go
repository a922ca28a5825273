package sandbox

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/integration/rig"
)

// aHelper is a program named privsep-helper that executes one that prints its status.
const aHelper = "#!/bin/sh\n/bin/cat /proc/self/status\n"

// helperPolicy adds such a program, in the policy's own directory of exec_dirs, and the
// sections.
func helperPolicy(t testing.TB, p rig.Policy, sections string) rig.Policy {
	t.Helper()
	conf, err := os.ReadFile(p.Conf)
	if err != nil {
		t.Fatal(err)
	}
	rig.Write(t, p.Conf, string(conf)+sections)
	rig.Write(t, p.Dir+"/bin/privsep-helper", aHelper)
	if err := os.Chmod(p.Dir+"/bin/privsep-helper", 0o755); err != nil {
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
	full, _ := rig.Bounding(t)
	cut := capSet(unix.CAP_CHOWN, unix.CAP_NET_ADMIN)
	check := func(t *testing.T, r rig.Result, caps, privs string) {
		t.Helper()
		f := rig.Fields(r.Out)
		if r.Status != 0 || f["CapBnd"] != caps || f["CapPrm"] != caps || f["CapEff"] != caps || f["NoNewPrivs"] != privs || !strings.HasPrefix(f["Uid"], "0 0 0 0") {
			t.Errorf("not %s, no_new_privs %s: %v", caps, privs, r)
		}
	}
	t.Run("one-shot", func(t *testing.T) {
		p := helperPolicy(t, rig.DaemonPolicy(t, "n: ChainingRegExpFilter, nice, root, nice, -n, 5"), ofBrick)
		for range 2 { // read, and then from what is kept
			check(t, rig.Run(t, append([]string{rig.Ours, p.Conf}, asking(aBrick)...)...), cut, "1")
			check(t, rig.ThroughSudo(t, rig.Ours, append([]string{p.Conf}, asking(aBrick)...)...), cut, "1")
			check(t, rig.Run(t, append([]string{rig.Ours, p.Conf}, asking(aNova)...)...), full, "0")
			check(t, rig.Run(t, append([]string{rig.Ours, p.Conf, "nice", "-n", "5"}, asking(aBrick)...)...), cut, "1")
		}
	})
	t.Run("another filter", func(t *testing.T) {
		p := helperPolicy(t, rig.DaemonPolicy(t, "h: CommandFilter, privsep-helper, root\npy: CommandFilter, sh, root\nown: EnvFilter, env, root, A=, privsep-helper\n[Sandbox:own]\ncapabilities = CAP_CHOWN, CAP_KILL"), ofBrick)
		check(t, rig.Run(t, append([]string{rig.Ours, p.Conf}, asking(aBrick)...)...), cut, "1")
		check(t, rig.Run(t, append([]string{rig.Ours, p.Conf, "sh", p.Dir + "/bin/privsep-helper"}, asking(aBrick)[1:]...)...), cut, "1")
		check(t, rig.Run(t, append([]string{rig.Ours, p.Conf, "env", "A=b"}, asking(aBrick)...)...), capSet(unix.CAP_CHOWN), "1")
		for _, words := range [][]string{
			{"privsep-helper", "--privsep_context", aBrick, "--privsep_con", aNova},
			{"privsep-helper", "--privsep_context", aBrick, "--config-file", "/etc/nova/nova.conf"},
			{"privsep-helper", "--privsep_context", "os_brick.privileged.scsi.default"},
			{"privsep-helper"},
		} {
			r := rig.Run(t, append([]string{rig.Ours, p.Conf}, words...)...)
			if r.Status != 99 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "confines privsep contexts") {
				t.Errorf("%q: %v", words, r)
			}
		}
	})
	t.Run("declared", func(t *testing.T) {
		p := helperPolicy(t, rig.DaemonPolicy(t, "", "privsep_confine = declared"), "[Privsep:"+aLinux+"]\nseccomp = none\n")
		check(t, rig.Run(t, append([]string{rig.Ours, p.Conf}, asking(aLinux)...)...), capSet(unix.CAP_NET_ADMIN, unix.CAP_DAC_OVERRIDE), "0")
		check(t, rig.Run(t, append([]string{rig.Ours, p.Conf}, asking(aNova)...)...),
			capSet(unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN), "0")
		if r := rig.Run(t, append([]string{rig.Ours, p.Conf}, asking("solum.privileged.default")...)...); r.Status != 99 || r.Out != "" || !strings.Contains(r.Err, "add a section [Privsep:solum.privileged.default]") {
			t.Errorf("%v", r)
		}
	})
	t.Run("setuid", func(t *testing.T) {
		in := rig.SetuidInstallation(t, "", "exec_dirs=BIN", "allow_users="+rig.Caller.Name)
		conf, err := os.ReadFile(in.Conf)
		if err != nil {
			t.Fatal(err)
		}
		rig.Write(t, in.Conf, strings.ReplaceAll(string(conf), "BIN", in.Dir+"/bin"))
		helperPolicy(t, in.Policy, ofBrick)
		check(t, rig.RunCmd(t, in.Called(append([]string{in.Conf}, asking(aBrick)...)...)), cut, "1")
		check(t, rig.RunCmd(t, in.Called(append([]string{in.Conf}, asking(aNova)...)...)), full, "0")
	})
	t.Run("daemon and ironwrap-call", func(t *testing.T) {
		p := rig.DaemonPolicy(t, "n: ChainingRegExpFilter, nice, root, nice, -n, 5", "allow_users="+rig.Caller.Name)
		socket := p.Calls(t)
		helperPolicy(t, p, ofBrick)
		s := rig.Serve(t, p)
		c := s.Client()
		for range 2 {
			check(t, c.Run(asking(aBrick)...), cut, "1")
			check(t, c.Run(asking(aNova)...), full, "0")
			check(t, c.Run(append([]string{"nice", "-n", "5"}, asking(aBrick)...)...), cut, "1")
			check(t, rig.RunCmd(t, rig.Calling(socket, asking(aBrick)...)), cut, "1")
			check(t, rig.RunCmd(t, rig.Calling(socket, asking(aNova)...)), full, "0")
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
	rig.Need(t, "python3-oslo.config", "/usr/lib/python3/dist-packages/oslo_config/cfg.py")
	file := t.TempDir() + "/x.conf"
	rig.Write(t, file, "[DEFAULT]\nprivsep_context = "+aNova+"\n")
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
