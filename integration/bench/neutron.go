package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// neutronRun is what a network node's work takes through each way.
type neutronRun struct {
	provenance
	Networks int // made through each way
	Commands int // for one network and its router
	Ways     []wayRow
}

// wayRow has times in ms for one network and its router.
type wayRow struct {
	Name      string
	Network   stat
	Command   float64  // of one command, on average
	ToNothing estimate // over the same commands as root, without any helper
	ToSudo    estimate // over sudo alone
}

// headline is how many networks and routers oslo.rootwrap's own documentation counts.
const headline = 192

// Headline is what the headline's number of networks would take at this rate.
func (w wayRow) Headline() float64 { return w.Network.Median * headline }

// order is what the process inside the namespaces has to do.
type order struct {
	Dir      string // with etc/neutron, and the programs in new and setuid
	Conf     string
	Ours     build
	Setuid   string
	Networks int
	Deadline time.Time
}

// answer is what it found: for each way, by name, ms for each network.
type answer struct {
	Commands int
	Names    []string
	Took     map[string][]float64
}

// extra is what Debian's file lacks: neutron had filters for these until it did the same
// by privsep. They are as neutron's l3.filters and dhcp.filters had them.
const extraFilters = `[Filters]
sysctl: CommandFilter, sysctl, root
iptables-save: CommandFilter, iptables-save, root
iptables-restore: CommandFilter, iptables-restore, root
kill_dnsmasq: KillFilter, root, /usr/sbin/dnsmasq, -9, -HUP, -15
`

// neutron measures the headline of oslo.rootwrap's, scaled down: 192 networks and routers
// took 24 minutes through rootwrap and 10 through sudo. All of it happens in namespaces
// (mount, network, PID, UTS) of one process: when that ends, for whatever reason, the
// kernel ends all processes and takes away all networks and mounts.
func (o options) neutron() (*neutronRun, error) {
	start := time.Now()
	for file, pkg := range map[string]string{"/usr/sbin/dnsmasq": "dnsmasq-base", "/usr/sbin/iptables-restore": "iptables", "/usr/sbin/ip": "iproute2", "/usr/sbin/sysctl": "procps"} {
		if _, err := exec.LookPath(filepath.Base(file)); err == nil {
			continue
		}
		if err := install(pkg, file); err != nil {
			return nil, err
		}
	}
	s, err := newScene("")
	if err != nil {
		return nil, err
	}
	defer s.close()
	todo := order{Dir: s.dir, Conf: s.dir + "/etc/neutron/rootwrap.conf", Ours: s.ours, Setuid: s.dir + "/setuid/ironwrap",
		Networks: o.networks, Deadline: start.Add(o.limit)}
	if err := s.neutronFiles(todo); err != nil {
		return nil, err
	}
	found, err := s.enclosed(todo)
	if err != nil {
		return nil, err
	}
	run := &neutronRun{Commands: found.Commands}
	for _, name := range found.Names {
		took := found.Took[name]
		run.Networks = len(took)
		row := wayRow{Name: name, Network: summary(took), ToNothing: ratio(took, found.Took[found.Names[0]]), ToSudo: ratio(took, found.Took[sudoAlone])}
		row.Command = row.Network.Median / float64(found.Commands)
		run.Ways = append(run.Ways, row)
	}
	run.provenance = origin(start, o.quick, commit())
	return run, nil
}

// neutronFiles unpacks Debian's configuration of neutron into the scene, and builds the
// setuid program that obeys it.
func (s *scene) neutronFiles(todo order) error {
	debs := s.dir + "/debs"
	if err := os.Mkdir(debs, 0o755); err != nil {
		return err
	}
	get := exec.Command("apt-get", "-o", "APT::Sandbox::User=root", "download", "neutron-common")
	get.Dir = debs
	if out, err := get.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot download neutron's filter files (is the Debian mirror reachable?): %v\n%s", err, out)
	}
	names, _ := filepath.Glob(debs + "/*.deb")
	for _, deb := range names {
		if out, err := exec.Command("dpkg-deb", "-x", deb, s.dir).CombinedOutput(); err != nil {
			return fmt.Errorf("cannot unpack %s: %v\n%s", deb, err, out)
		}
	}
	text, err := os.ReadFile(todo.Conf)
	if err != nil {
		return err
	}
	// The only changes to Debian's file: where the filters lie, and who may call where
	// there is no sudo.
	filters := filepath.Dir(todo.Conf) + "/rootwrap.d"
	text = regexp.MustCompile(`(?m)^filters_path *=.*$`).ReplaceAll(text, []byte("filters_path="+filters+"\nallow_users="+callerName))
	if err := os.WriteFile(todo.Conf, text, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filters+"/bench.filters", []byte(extraFilters), 0o644); err != nil {
		return err
	}
	built := s.dir + "/setuid.built"
	flags := "-s -w -X ironwrap/exec.ConfigDir=" + filepath.Dir(todo.Conf) + " -X ironwrap/exec/reading.Program=" + todo.Setuid + "-read -X ironwrap/policy/compiled.Build=setuid"
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", built+"/", "./cmd/ironwrap", "./cmd/ironwrap-read")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the setuid program: %v\n%s", err, out)
	}
	if err := replicate(built+"/ironwrap", todo.Setuid, os.ModeSetuid|0o755); err != nil {
		return err
	}
	if err := replicate(built+"/ironwrap-read", todo.Setuid+"-read", 0o700); err != nil {
		return err
	}
	for _, name := range []string{todo.Ours.ironwrap(), todo.Ours.daemon(), s.dir} {
		if err := os.Chmod(name, 0o755); err != nil {
			return err
		}
	}
	// The copies of setuid programs are not needed here, and the directory is open now.
	for _, name := range []string{"doas", "sudo", "sudo-rs"} {
		os.Remove(s.dir + "/" + name)
	}
	return os.Mkdir(s.dir+"/run", 0o755)
}

// enclosed starts this program again, as the first process of new namespaces.
func (s *scene) enclosed(todo order) (found answer, err error) {
	text, err := json.Marshal(todo)
	if err != nil {
		return found, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return found, err
	}
	defer r.Close()
	// PR_SET_PDEATHSIG is about the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := exec.Command("/proc/self/exe", insideArg, insideInit, string(text))
	c.Stderr, c.ExtraFiles = os.Stderr, []*os.File{w}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // an interrupt is for this process, which then ends that one
	}
	if err := c.Start(); err != nil {
		return found, fmt.Errorf("cannot make namespaces: %w", err)
	}
	w.Close()
	s.undo = append(s.undo, func() { c.Process.Kill(); c.Wait() })
	out, err := io.ReadAll(r)
	if e := c.Wait(); err == nil {
		err = e
	}
	if err != nil {
		return found, fmt.Errorf("the work in the namespaces failed: %w", err)
	}
	return found, json.Unmarshal(out, &found)
}

const (
	insideArg  = "inside-namespaces"
	insideInit = "init"
	insideWork = "work"
)

// inside is this program in its namespaces. The first process makes them fit to work in,
// starts the second one, and takes in processes whose parents ended; the second works.
func inside(args []string) int {
	var todo order
	err := json.Unmarshal([]byte(args[1]), &todo)
	if err == nil && args[0] == insideInit {
		if err = furnish(todo); err == nil {
			return reap(args[1])
		}
	} else if err == nil {
		err = todo.work(os.NewFile(3, "answer"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// furnish mounts what the work changes: nothing of it is seen outside.
func furnish(todo order) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make the mounts private: %w", err)
	}
	for _, m := range []struct{ target, kind, data string }{{"/proc", "proc", ""}, {"/run", "tmpfs", "mode=755"}, {"/etc/sudoers.d", "tmpfs", "mode=755"}} {
		if err := syscall.Mount("none", m.target, m.kind, 0, m.data); err != nil {
			return fmt.Errorf("cannot mount on %s: %w", m.target, err)
		}
	}
	line := callerName + " ALL = (root) NOPASSWD: ALL\nDefaults:" + callerName + " !requiretty, !lecture\n"
	if err := os.WriteFile("/etc/sudoers.d/bench", []byte(line), 0o440); err != nil {
		return err
	}
	// So that sudo does not ask a name server where this machine is.
	if err := syscall.Sethostname([]byte("localhost")); err != nil {
		return err
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot set the loopback interface up: %v: %s", err, out)
	}
	return nil
}

// reap starts the worker and waits for all processes until that one has ended: a daemon
// that was killed is gone only when its parent has waited for it.
func reap(text string) int {
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"bench", insideArg, insideWork, text},
		&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2, 3}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: cannot start the worker:", err)
		return 1
	}
	for {
		var ws syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1
		case ended == pid && ws.Exited():
			return ws.ExitStatus()
		case ended == pid:
			return 128 + int(ws.Signal())
		}
	}
}

// pidIn reads a process id that a daemon wrote.
func pidIn(path string) (int, error) {
	var pid int
	text, err := os.ReadFile(path)
	if err == nil {
		_, err = fmt.Sscan(string(text), &pid)
	}
	return pid, err
}

// isDnsmasq says whether a process runs dnsmasq.
func isDnsmasq(pid int) bool {
	exe, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return filepath.Base(exe) == "dnsmasq"
}
