package sandbox

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// Learn between a service and oslo.privsep's helper, Debian's own: a process of root's
// that lives as long as its service.

// privsepService is a service of a test's own: a context, a policy that knows it, and a
// client, run by an unprivileged user.
type privsepService struct {
	student
	t            testing.TB
	module, work string
	client       *exec.Cmd
	answers      *bufio.Reader
	questions    *os.File
	sectionFile  string
}

const privsepModule = `import os, subprocess
from oslo_privsep import capabilities as caps
from oslo_privsep import priv_context
ctx = priv_context.PrivContext(__name__, cfg_section=__name__, pypath=__name__ + '.ctx',
                               capabilities=[caps.CAP_DAC_OVERRIDE, caps.CAP_CHOWN, caps.CAP_SYS_ADMIN])

@ctx.entrypoint
def call(name, *args):
    return getattr(os, name)(*args)

@ctx.entrypoint
def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
`

const privsepClient = `import importlib, sys
from oslo_config import cfg
module, helper = sys.argv[1:]
m = importlib.import_module(module)
cfg.CONF([], project='test')
cfg.CONF.set_override('helper_command', helper, group=module)
for line in sys.stdin:
    try:
        print(repr(eval(line, {'m': m})), flush=True)
    except BaseException as e:
        print(type(e).__name__, str(e).replace('\n', ' '), flush=True)
`

func newPrivsepService(t *testing.T) *privsepService {
	t.Helper()
	rig.Need(t, "python3-oslo.privsep", "/usr/lib/python3/dist-packages/oslo_privsep/__init__.py")
	version, err := exec.Command("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		t.Fatal(err)
	}
	module := fmt.Sprintf("iwlearn%d", os.Getpid())
	file := "/usr/local/lib/python" + strings.TrimSpace(string(version)) + "/dist-packages/" + module + ".py"
	rig.Write(t, file, privsepModule)
	t.Cleanup(func() { os.Remove(file) })

	p := rig.NewPolicy(t, "id: CommandFilter, id, root", "privsep_contexts = "+module+".ctx")
	s := &privsepService{student: student{p, p.Dir + "/learned", ""}, t: t, module: module, work: p.Dir + "/work"}
	for _, dir := range []string{s.into, s.work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.sectionFile = s.into + "/" + module + ".ctx.section"
	rig.Write(t, p.Dir+"/client.py", privsepClient)
	// The words before the two dashes are root's choice, what stands behind them is
	// decided by the policy.
	rig.Sudoers(t, fmt.Sprintf("ironwrap-learn-%d", os.Getpid()), fmt.Sprintf("%s ALL = (root) NOPASSWD: %s learn --into %s --detach %s -- privsep-helper *\n", rig.Caller.Name, rig.Ctl(t), s.into, p.Conf))
	return s
}

// learning is the helper's command with the recorder between.
func (s *privsepService) learning() string {
	return fmt.Sprintf("sudo -n %s learn --into %s --detach %s -- privsep-helper", rig.Ctl(s.t), s.into, s.Conf)
}

func (s *privsepService) begin(helper string) {
	s.t.Helper()
	s.client = exec.Command("/usr/bin/python3", s.Dir+"/client.py", s.module, helper)
	s.client.Dir, s.client.Env = "/var/lib/"+rig.Caller.Name, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/var/lib/" + rig.Caller.Name}
	s.client.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}, Setpgid: true}
	in, out, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.client.Stdin, s.questions = in, out
	answers, err := s.client.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.answers = bufio.NewReader(answers)
	if err := s.client.Start(); err != nil {
		s.t.Fatal(err)
	}
	in.Close()
	client := s.client
	s.t.Cleanup(func() { syscall.Kill(-client.Process.Pid, syscall.SIGKILL) })
}

// ask has the service call a function of its context.
func (s *privsepService) ask(call string) (answer string) {
	s.t.Helper()
	fmt.Fprintln(s.questions, call)
	done := make(chan bool)
	go func() { answer, _ = s.answers.ReadString('\n'); close(done) }()
	select {
	case <-done:
		return strings.TrimSpace(answer)
	case <-time.After(time.Minute):
		s.t.Fatalf("%s: no answer", call)
	}
	return ""
}

// runs waits until so many runs are in what was learned.
func (s *privsepService) runs(n int) string {
	s.t.Helper()
	want := fmt.Sprintf("\"runs\": %d,", n)
	for range 600 {
		text, _ := os.ReadFile(strings.TrimSuffix(s.sectionFile, ".section") + ".learned.json")
		if strings.Contains(string(text), want) {
			return string(text)
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("there is no %s in %s", want, s.into)
	return ""
}

// The recorder keeps nobody waiting, what it has seen adds up, a service may end in any
// way, and what was learned is what the context can be confined to.
func TestLearnPrivsep(t *testing.T) {
	s := newPrivsepService(t)
	quoted := func(name string) string { return "'" + filepath.Join(s.work, name) + "'" }

	s.begin(s.learning())
	if a := s.ask("m.call('mkdir', " + quoted("a") + ")"); a != "None" {
		t.Fatalf("while it learns: %s", a)
	}
	if a := s.ask("m.call('getuid')"); a != "0" {
		t.Errorf("while it learns: %s", a)
	}
	s.questions.Close()
	within(t, "the service", func() { s.client.Wait() })
	first := s.runs(1)
	if strings.Contains(first, `"chown"`) || !strings.Contains(first, `"mkdir"`) {
		t.Errorf("%s", first)
	}
	time.Sleep(200 * time.Millisecond) // the state is written first
	// The helper keeps what its context declares, whether it is made use of or not.
	known := strings.Contains(rig.ReadFile(t, s.sectionFile), "\ncapabilities = ")
	if !known {
		t.Log("capabilities are not learned on this kernel: they were not checked")
	}
	for _, declared := range []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"} {
		if known && !strings.Contains(rig.ReadFile(t, s.sectionFile), declared) {
			t.Errorf("no %s in %s", declared, rig.ReadFile(t, s.sectionFile))
		}
	}
	if strings.Contains(rig.ReadFile(t, s.sectionFile), "CAP_SYS_MODULE") {
		t.Errorf("%s", rig.ReadFile(t, s.sectionFile))
	}
	if text := rig.ReadFile(t, s.sectionFile); !strings.HasPrefix(text, "[Privsep:"+s.module+".ctx]\n") || !strings.Contains(text, "\nseccomp = "+s.into+"/"+s.module+".ctx.json\n") {
		t.Errorf("%s", text)
	}
	if text := rig.ReadFile(t, strings.TrimSuffix(s.sectionFile, ".section")+".notes"); !strings.Contains(text, "is not one that is known: whether its functions were all called") {
		t.Errorf("%s", text)
	}

	// As when a unit is stopped: everything of the service's gets the signal, the
	// recorder among it; and nothing is told by the client.
	s.begin(s.learning())
	if a := s.ask("m.run('/usr/bin/id', '-u')"); a != `b'0\n'` {
		t.Fatalf("while it learns: %s", a)
	}
	recorders := recordersOf(t, s.into)
	if len(recorders) != 1 {
		t.Fatalf("%d recorders", len(recorders))
	}
	syscall.Kill(recorders[0], syscall.SIGTERM)
	syscall.Kill(-s.client.Process.Pid, syscall.SIGTERM)
	within(t, "the service", func() { s.client.Wait() })
	if text := s.runs(2); !strings.Contains(text, `"mkdir"`) || !strings.Contains(text, `"execve"`) {
		t.Errorf("%s", text)
	}
	for range 100 {
		if len(recordersOf(t, s.into)) == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if left := recordersOf(t, s.into); len(left) > 0 {
		t.Errorf("recorders are left: %v", left)
	}

	// What was learned, for the helper: what it did it may do, and no more.
	compileProfile(t, s.into+"/"+s.module+".ctx.json")
	_, keys, _ := strings.Cut(rig.ReadFile(t, s.sectionFile), "\n")
	rig.Write(t, s.Conf, rig.ReadFile(t, s.Conf)+"[Sandbox]\n"+keys)
	s.begin("sudo -n " + rig.Ours + " " + s.Conf + " privsep-helper")
	if a := s.ask("m.call('mkdir', " + quoted("b") + ")"); a != "None" {
		t.Fatalf("confined: %s", a)
	}
	if a := s.ask("m.run('/usr/bin/id', '-u')"); a != `b'0\n'` {
		t.Errorf("confined: %s", a)
	}
	if a := s.ask("m.call('chown', " + quoted("b") + ", 1, 1)"); !strings.Contains(a, "Operation not permitted") {
		t.Errorf("chown, which was not learned: %s", a)
	}
	s.questions.Close()
	within(t, "the service", func() { s.client.Wait() })
}

// recordersOf are the processes that record into a directory.
func recordersOf(t testing.TB, into string) (pids []int) {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		var pid int
		if strings.Contains(string(text), "\x00--recording\x00--into\x00"+into+"\x00") {
			fmt.Sscanf(file, "/proc/%d/", &pid)
			pids = append(pids, pid)
		}
	}
	return pids
}
