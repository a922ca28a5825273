package oneshot

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// withEnv runs a program with this environment and no other.
func withEnv(t *testing.T, env []string, argv ...string) rig.Result {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = env
	return rig.RunCmd(t, c)
}

// A name in env_keep that makes programs run something ends every call, whatever is
// asked for; what it would do is shown with the peer, which passes everything on.
func TestEnvKeepRefused(t *testing.T) {
	p := rig.NewPolicy(t, "bash: CommandFilter, bash, root\nprintenv: CommandFilter, printenv, root")
	mark := p.Dir + "/mark"
	attack := []string{"PATH=/usr/sbin:/usr/bin", "BASH_FUNC_true%%=() { echo ran >" + mark + "; }"}
	withEnv(t, attack, rig.Peer, p.Conf, "bash", "-c", "true")
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("bash did not run the function of the environment: nothing was tested: %v", err)
	}
	os.Remove(mark)
	text, err := os.ReadFile(p.Conf)
	if err != nil {
		t.Fatal(err)
	}
	for _, keep := range strings.Split("BASH_FUNC_true%%|BASH_FUNC|BASH_FUNC_true|MODPROBE_OPTIONS|XTABLES_LIBDIR|QEMU_MODULE_DIR|PYTHONPYCACHEPREFIX|GIT_SSH_COMMAND|"+
		"_JAVA_OPTIONS|LUA_INIT_5_3|LANG, LUA_INIT|npm_config_script_shell|PROMPT_COMMAND|TERMINFO_DIRS|ACME_PLUGIN_DIR|KRB5_CONFIG|XDG_CONFIG_HOME|DOTNET_STARTUP_HOOKS|A-B|1X", "|") {
		rig.Write(t, p.Conf, string(text)+"env_keep="+keep+"\n")
		r := withEnv(t, attack, rig.Ours, p.Conf, "bash", "-c", "true")
		if r.Status != 97 || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "env_keep: ") {
			t.Errorf("%s: %v", keep, r)
		}
		if _, err := os.Stat(mark); err == nil {
			t.Fatalf("%s: bash ran the function of the environment", keep)
		}
	}
}

// What is kept arrives, but for values that programs of root's would take for more
// than a language, a terminal or a time zone.
func TestEnvKeepValues(t *testing.T) {
	p := rig.NewPolicy(t, "printenv: CommandFilter, printenv, root", "env_keep=http_proxy, no_proxy, LC_ALL, LANGUAGE, TZ, TERM, COLUMNS, PROCESS_TAG, REQUEST_ID, DEBIAN_FRONTEND, SOURCE_DATE_EPOCH, NO_COLOR")
	for _, c := range []struct {
		variable string
		kept     bool
	}{
		{"http_proxy=http://proxy.example:3128/", true}, {"no_proxy=10.0.0.0/8", true}, {"LC_ALL=de_DE.UTF-8", true}, {"LANGUAGE=de:en", true}, {"TZ=Europe/Berlin", true},
		{"TZ=:UTC", true}, {"TERM=xterm-256color", true}, {"COLUMNS=80", true}, {"PROCESS_TAG=dnsmasq-%/x", true}, {"REQUEST_ID=req-1", true}, {"DEBIAN_FRONTEND=noninteractive", true},
		{"SOURCE_DATE_EPOCH=1", true}, {"NO_COLOR=1", true}, {"NO_COLOR=", true},
		{"LANGUAGE=../../../home/u", false}, {"LC_ALL=/home/u/locale", false}, {"LC_ALL=%s%n", false}, {"TZ=/etc/shadow", false}, {"TZ=:/etc/shadow", false}, {"TZ=../../../etc/shadow", false},
		{"TERM=/home/u/x", false}, {"DEBIAN_FRONTEND=Text; system('id')", false}, {"PROCESS_TAG=() { :; }; id", false},
		{"UNNAMED=x", false},
	} {
		name, value, _ := strings.Cut(c.variable, "=")
		r := withEnv(t, []string{"PATH=/usr/bin", c.variable}, rig.Ours, p.Conf, "printenv", name)
		if c.kept && (r.Status != 0 || r.Out != value+"\n") {
			t.Errorf("%s: %v", c.variable, r)
		}
		if !c.kept && (r.Status != 1 || r.Out != "") {
			t.Errorf("%s: %v", c.variable, r)
		}
	}
	// As the daemon's starter's, and from a caller in setuid mode.
	s := rig.ServeBy(t, rig.DaemonPolicy(t, "printenv: CommandFilter, printenv, root", "env_keep=TZ, PROCESS_TAG"), `export TZ=/etc/shadow PROCESS_TAG=x; exec "$@"`)
	if r := s.Client().Run("printenv", "PROCESS_TAG"); r.Out != "x\n" {
		t.Error(r)
	}
	if r := s.Client().Run("printenv", "TZ"); r.Status != 1 || r.Out != "" {
		t.Error(r)
	}
	in := rig.SetuidInstallation(t, "printenv: CommandFilter, printenv, root", "allow_users="+rig.Caller.Name, "env_keep=LANGUAGE")
	for value, want := range map[string]string{"de": "de\n", "../../home/u": ""} {
		c := in.Called(in.Conf, "printenv", "LANGUAGE")
		c.Env = []string{"LANGUAGE=" + value}
		if r := rig.RunCmd(t, c); r.Out != want {
			t.Errorf("setuid, %s: %v", value, r)
		}
	}
}
