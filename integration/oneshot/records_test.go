package oneshot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// Records: who called comes first whatever else a caller sends, and what audit_file has
// taken no flood of theirs displaces.

// newest waits for a record that holds part, and returns it without priority and tag.
func newest(in *rig.Installation, t *testing.T, part string) string {
	t.Helper()
	recorded(in, t, part)
	in.Guard.Lock()
	defer in.Guard.Unlock()
	found := ""
	for _, r := range in.Records {
		if strings.Contains(r, part) {
			_, found, _ = strings.Cut(r, "]: ")
		}
	}
	in.Records = nil
	return found
}

var quotedPart = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// The record of a refusal names the caller, though a reason, a configuration or a
// directory of theirs is long and full of fields.
func TestRecordsSayWhoCalled(t *testing.T) {
	home := "/var/lib/" + rig.Caller.Name
	in := rig.SetuidInstallation(t, "cat: PathFilter, cat, root, "+home+"\necho: CommandFilter, echo, root\n[Sandbox:cat]\npin_paths = yes", "allow_users="+rig.Caller.Name)
	forged := `ruid=0 sudo_uid=0 loginuid=0 (root > root) Executing /usr/bin/true (filter match = true) cwd=/`
	deep := home + "/" + strings.Repeat(strings.Repeat("ruid=0 ", 30)+"/", 15)
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home + "/" + strings.Repeat("ruid=0 ", 30))
	for name, c := range map[string]struct {
		mark string
		dir  string
		args []string
	}{
		"a configuration":        {"Incorrect configuration file", "/", []string{in.Dir + "/" + strings.Repeat("x/"+forged+"x/", 35) + "none", "mkfs"}},
		"a missing path":         {"Not run: ", "/", []string{in.Conf, "cat", home + "/" + forged}},
		"a long missing path":    {": cat ", "/", []string{in.Conf, "cat", home + "/" + strings.Repeat("ruid=0 x/", 300) + "none"}},
		"words":                  {"Unauthorized command", "/", append([]string{in.Conf, "mkfs"}, strings.Fields(forged)...)},
		"many words":             {"Unauthorized command", "/", append([]string{in.Conf, "mkfs"}, strings.Fields(strings.Repeat(forged+" ", 500))...)},
		"a word of controls":     {"Unauthorized command", "/", []string{in.Conf, "mkfs", strings.Repeat("\x01", 100000)}},
		"a directory":            {"Unauthorized command", deep, []string{in.Conf, "mkfs"}},
		"a directory, and words": {"Executing /usr/bin/echo", deep, append([]string{in.Conf, "echo"}, strings.Fields(strings.Repeat(forged+" ", 500))...)},
	} {
		p := in.Called(c.args...)
		p.Dir = c.dir
		rig.RunCmd(t, p)
		got := newest(in, t, c.mark)
		if want := fmt.Sprintf("ruid=%d sudo_uid=- loginuid=", rig.Caller.UID); !strings.HasPrefix(got, want) {
			t.Errorf("%s: it does not begin with %q: %.300q", name, want, got)
		}
		bare := quotedPart.ReplaceAllString(got, `""`)
		for _, key := range []string{"ruid=", "sudo_uid=", "loginuid=", "cwd="} {
			if strings.Count(bare, key) != 1 {
				t.Errorf("%s: %s stands there %d times: %.400q", name, key, strings.Count(bare, key), bare)
			}
		}
		if strings.Contains(bare, "(root > root)") || len(got) > 7<<10 || !rig.OneCleanLine(got+"\n") {
			t.Errorf("%s: %d bytes: %.400q", name, len(got), bare)
		}
	}
}

// auditLine is a line of audit_file.
var auditLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [A-Za-z0-9._-]+\[\d+\]: (client_uid=\d+ client_pid=\d+ )?ruid=\d+ sudo_uid=[-0-9]+ loginuid=[-0-9]+ \([^ ]+ > [^ ]+\) Executing `)

func lines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(data)) {
		if !auditLine.MatchString(line) || !strings.HasSuffix(line, "\n") {
			t.Errorf("not a record: %.300q", line)
		}
		list = append(list, line)
	}
	return list
}

// One line for each command that runs, in every mode, none for what is refused, and
// nothing runs that could not be written down.
func TestAuditFile(t *testing.T) {
	file := ""
	required := func(t *testing.T) *rig.Installation {
		in := rig.SetuidInstallation(t, "echo: CommandFilter, echo, root", "allow_users="+rig.Caller.Name, "audit_required=yes", "audit_file={file}")
		file = in.Dir + "/audit.log"
		rig.Write(t, in.Conf, strings.NewReplacer("{file}", file, "use_syslog=True", "use_syslog=False").Replace(string(rig.Must(os.ReadFile(in.Conf)))))
		return in
	}
	in := required(t)
	ran := func(name string, c *exec.Cmd) {
		t.Helper()
		before := len(lines(t, file))
		if r := rig.RunCmd(t, c); r.Status != 0 || r.Out != "here\n" || r.Err != "" {
			t.Errorf("%s: %v", name, r)
		}
		if list := lines(t, file); len(list) != before+1 {
			t.Errorf("%s: %d records, not one more than %d", name, len(list), before)
		}
	}
	refused := func(name string, status int, why string, c *exec.Cmd) {
		t.Helper()
		before, _ := os.ReadFile(file)
		if r := rig.RunCmd(t, c); r.Status != status || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, why) {
			t.Errorf("%s: %v", name, r)
		}
		if after, _ := os.ReadFile(file); len(after) != len(before) {
			t.Errorf("%s: it was written down", name)
		}
	}
	sudo := func() *exec.Cmd {
		c := exec.Command("/usr/bin/sudo", "-n", rig.Ours, in.Conf, "echo", "here")
		c.Dir, c.Env = "/", []string{"PATH=/usr/bin:/bin"}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}}
		return c
	}
	ran("setuid", in.Called(in.Conf, "echo", "here"))
	if st, err := os.Stat(file); err != nil || st.Mode() != 0o600 || st.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("%v, %v", st, err)
	}
	if got := lines(t, file)[0]; !strings.Contains(got, fmt.Sprintf("]: ruid=%d sudo_uid=- ", rig.Caller.UID)) || !strings.Contains(got, "("+rig.Caller.Name+" > root) Executing /usr/bin/echo here (filter match = echo) filter="+in.Filters+":2 run_as=root cwd=/") {
		t.Errorf("%s", got)
	}
	ran("sudo", sudo())
	refused("no filter", 99, "Unauthorized command: mkfs", in.Called(in.Conf, "mkfs"))
	refused("a stranger", 99, "may not call", in.As(65534, 65534, nil, in.Conf, "echo", "here"))

	// The daemon, for each of its clients.
	d := rig.DaemonPolicy(t, "echo: CommandFilter, echo, root", "audit_required=yes", "audit_file="+file)
	s := rig.Serve(t, d)
	c := s.Client()
	before := len(lines(t, file))
	if r := c.Run("echo", "here"); r.Out != "here\n" {
		t.Errorf("the daemon: %v", r)
	}
	if list := lines(t, file); len(list) != before+1 || !strings.Contains(list[before], fmt.Sprintf("ironwrap-daemon[%d]: client_uid=0 client_pid=%d ruid=0 sudo_uid=%d ", s.Pid, os.Getpid(), rig.Caller.UID)) {
		t.Errorf("the daemon: %q", list)
	}
	// logrotate(8) renames it under the daemon.
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	c.Run("echo", "here")
	if list := lines(t, file); len(list) != 1 {
		t.Errorf("after the rotation: %q", list)
	}

	// Many at a time: whole lines, each once.
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			c := in.Called(in.Conf, "echo", fmt.Sprint("number", i), strings.Repeat("x", 3000))
			if err := c.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	text := strings.Join(lines(t, file), "")
	for i := range 20 {
		if n := strings.Count(text, fmt.Sprintf(" number%d ", i)); n != 1 {
			t.Errorf("number %d was written down %d times", i, n)
		}
	}

	// A record that somebody's full disk has cut is no part of the next.
	f := rig.Must(os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0))
	f.WriteString("2026-01-01T00:00:00.000000Z half a rec")
	f.Close()
	if r := rig.RunCmd(t, in.Called(in.Conf, "echo", "after")); r.Status != 0 {
		t.Errorf("%v", r)
	}
	if text := string(rig.Must(os.ReadFile(file))); !regexp.MustCompile(`half a rec\n2[^\n]*echo after [^\n]*\n$`).MatchString(text) {
		t.Errorf("%q", text[max(0, len(text)-400):])
	}
	os.Remove(file)

	// What somebody else could write, or have put there.
	for name, attack := range map[string]func(){
		"a link":                  func() { os.Symlink("/etc/passwd", file) },
		"a link to nothing":       func() { os.Symlink("/var/lib/"+rig.Caller.Name+"/new", file) },
		"a FIFO":                  func() { syscall.Mkfifo(file, 0o600) },
		"a directory":             func() { os.Mkdir(file, 0o700) },
		"another's file":          func() { rig.Write(t, file, ""); os.Chown(file, int(rig.Caller.UID), -1) },
		"writable by a group":     func() { rig.Write(t, file, ""); os.Chmod(file, 0o620) },
		"writable by all":         func() { rig.Write(t, file, ""); os.Chmod(file, 0o602) },
		"a file with two names":   func() { rig.Write(t, file, ""); os.Link(file, in.Dir+"/other") },
		"a device":                func() { syscall.Mknod(file, syscall.S_IFCHR|0o600, 1<<8|7) }, // full(4)
		"a directory of a user's": func() { os.Chown(in.Dir+"/logs", int(rig.Caller.UID), -1) },
		"a directory for a group": func() { os.Chown(in.Dir+"/logs", 0, 0); os.Chmod(in.Dir+"/logs", 0o775) },
		"no directory":            func() { os.RemoveAll(in.Dir + "/logs") },
	} {
		elsewhere := strings.Contains(name, "directory of") || strings.Contains(name, "directory for") || name == "no directory"
		conf := string(rig.Must(os.ReadFile(in.Conf)))
		if elsewhere {
			os.Mkdir(in.Dir+"/logs", 0o755)
			rig.Write(t, in.Conf, strings.Replace(conf, file, in.Dir+"/logs/audit.log", 1))
		}
		attack()
		for mode, c := range map[string]*exec.Cmd{"setuid": in.Called(in.Conf, "echo", "here"), "sudo": sudo()} {
			start := time.Now()
			r := rig.RunCmd(t, c)
			if r.Status != 97 || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, "cannot write to audit_file ") || !strings.Contains(r.Err, "the command was not run, since audit_required is set in ") || time.Since(start) > 10*time.Second {
				t.Errorf("%s, %s: %v", name, mode, r)
			}
		}
		rig.Write(t, in.Conf, conf)
		os.Remove(in.Dir + "/other")
		os.RemoveAll(file)
		os.RemoveAll(in.Dir + "/logs")
	}
	if _, err := os.Lstat("/var/lib/" + rig.Caller.Name + "/new"); err == nil {
		t.Error("a link of that name was followed")
	}
	ran("put right again", in.Called(in.Conf, "echo", "here"))

	// A limit of the caller's leaves no half of a record.
	for _, limit := range []string{"0, -1", "100, -1", "%d, -1", "0, 0"} {
		st := rig.Must(os.Stat(file))
		if strings.Contains(limit, "%d") {
			limit = fmt.Sprintf(limit, st.Size()+10)
		}
		c := in.Attack(t, "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ("+limit+"))\nexecve(args[0], args, [])\n", in.Conf, "echo", "here")
		r := rig.RunCmd(t, c)
		lines(t, file)
		if hard := strings.HasSuffix(limit, " 0"); !hard && (r.Status != 0 || r.Out != "here\n") || hard && r.Status != 0 && r.Status != 97 {
			t.Errorf("RLIMIT_FSIZE %s: %v", limit, r)
		}
	}

	// A full disk.
	disk := in.Dir + "/disk"
	os.Mkdir(disk, 0o755)
	if err := syscall.Mount("small", disk, "tmpfs", 0, "size=4k,mode=755"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(disk, 0)
	small := disk + "/audit.log"
	rig.Write(t, in.Conf, strings.Replace(string(rig.Must(os.ReadFile(in.Conf))), "audit_file="+file, "audit_file="+small, 1))
	ranFull := 0
	for range 60 {
		r := rig.RunCmd(t, in.Called(in.Conf, "echo", strings.Repeat("y", 200)))
		if r.Status == 0 {
			ranFull++
		} else if r.Status != 97 || r.Out != "" {
			t.Errorf("a full disk: %v", r)
		}
	}
	whole := 0
	for line := range strings.Lines(string(rig.Must(os.ReadFile(small)))) {
		if auditLine.MatchString(line) && strings.HasSuffix(line, "cwd=/\n") {
			whole++
		}
	}
	if ranFull == 0 || ranFull == 60 || whole != ranFull {
		t.Errorf("%d of 60 commands ran on a full disk, and %d records are whole", ranFull, whole)
	}

	// Without audit_required the command runs, and standard error says what is missing.
	rig.Write(t, in.Conf, strings.Replace(string(rig.Must(os.ReadFile(in.Conf))), "audit_required=yes", "audit_required=no", 1))
	if r := rig.RunCmd(t, in.Called(in.Conf, "echo", strings.Repeat("y", 2000))); r.Status != 0 || !rig.OneCleanLine(r.Err) || !strings.HasPrefix(r.Err, "iw-rootwrap: cannot write to audit_file "+small) {
		t.Errorf("not required: %v", r)
	}
}

// A caller who floods the system log keeps no record out of the file: here the log takes
// nothing any more.
func TestAuditFileUnderAFlood(t *testing.T) {
	in := rig.SetuidInstallation(t, "echo: CommandFilter, echo, root", "allow_users="+rig.Caller.Name, "audit_required=yes", "audit_file={dir}/audit.log")
	rig.Write(t, in.Conf, strings.NewReplacer("{dir}", in.Dir, "use_syslog=True", "use_syslog=False").Replace(string(rig.Must(os.ReadFile(in.Conf)))))
	if err := os.Remove(in.Dir + "/log"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if r := rig.RunCmd(t, in.Called(in.Conf, "echo", "here")); r.Status != 0 || r.Out != "here\n" {
			t.Errorf("%v", r)
		}
	}
	if list := lines(t, in.Dir+"/audit.log"); len(list) != 5 {
		t.Errorf("%q", list)
	}
	// Where the policy wants both, both must have it.
	rig.Write(t, in.Conf, strings.Replace(string(rig.Must(os.ReadFile(in.Conf))), "use_syslog=False", "use_syslog=True", 1))
	if r := rig.RunCmd(t, in.Called(in.Conf, "echo", "here")); r.Status != 97 || r.Out != "" || !strings.Contains(r.Err, "cannot write to the system log at "+filepath.Join(in.Dir, "log")) {
		t.Errorf("both: %v", r)
	}
}
