package integration

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
)

// Records: who called comes first whatever else a caller sends, and what audit_file has
// taken no flood of theirs displaces.

// newest waits for a record that holds part, and returns it without priority and tag.
func (in *installation) newest(t *testing.T, part string) string {
	t.Helper()
	in.recorded(t, part)
	in.guard.Lock()
	defer in.guard.Unlock()
	found := ""
	for _, r := range in.records {
		if strings.Contains(r, part) {
			_, found, _ = strings.Cut(r, "]: ")
		}
	}
	in.records = nil
	return found
}

var quotedPart = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// The record of a refusal names the caller, though a reason, a configuration or a
// directory of theirs is long and full of fields.
func TestRecordsSayWhoCalled(t *testing.T) {
	home := "/var/lib/" + caller.name
	in := setuidInstallation(t, "cat: PathFilter, cat, root, "+home+"\necho: CommandFilter, echo, root\n[Sandbox:cat]\npin_paths = yes", "allow_users="+caller.name)
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
		"a configuration":        {"Incorrect configuration file", "/", []string{in.dir + "/" + strings.Repeat("x/"+forged+"x/", 35) + "none", "mkfs"}},
		"a missing path":         {"Not run: ", "/", []string{in.conf, "cat", home + "/" + forged}},
		"a long missing path":    {": cat ", "/", []string{in.conf, "cat", home + "/" + strings.Repeat("ruid=0 x/", 300) + "none"}},
		"words":                  {"Unauthorized command", "/", append([]string{in.conf, "mkfs"}, strings.Fields(forged)...)},
		"many words":             {"Unauthorized command", "/", append([]string{in.conf, "mkfs"}, strings.Fields(strings.Repeat(forged+" ", 500))...)},
		"a word of controls":     {"Unauthorized command", "/", []string{in.conf, "mkfs", strings.Repeat("\x01", 100000)}},
		"a directory":            {"Unauthorized command", deep, []string{in.conf, "mkfs"}},
		"a directory, and words": {"Executing /usr/bin/echo", deep, append([]string{in.conf, "echo"}, strings.Fields(strings.Repeat(forged+" ", 500))...)},
	} {
		p := in.called(c.args...)
		p.Dir = c.dir
		runCmd(t, p)
		got := in.newest(t, c.mark)
		if want := fmt.Sprintf("ruid=%d sudo_uid=- loginuid=", caller.uid); !strings.HasPrefix(got, want) {
			t.Errorf("%s: it does not begin with %q: %.300q", name, want, got)
		}
		bare := quotedPart.ReplaceAllString(got, `""`)
		for _, key := range []string{"ruid=", "sudo_uid=", "loginuid=", "cwd="} {
			if strings.Count(bare, key) != 1 {
				t.Errorf("%s: %s stands there %d times: %.400q", name, key, strings.Count(bare, key), bare)
			}
		}
		if strings.Contains(bare, "(root > root)") || len(got) > 7<<10 || !oneCleanLine(got+"\n") {
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
	required := func(t *testing.T) *installation {
		in := setuidInstallation(t, "echo: CommandFilter, echo, root", "allow_users="+caller.name, "audit_required=yes", "audit_file={file}")
		file = in.dir + "/audit.log"
		write(t, in.conf, strings.NewReplacer("{file}", file, "use_syslog=True", "use_syslog=False").Replace(string(must(os.ReadFile(in.conf)))))
		return in
	}
	in := required(t)
	ran := func(name string, c *exec.Cmd) {
		t.Helper()
		before := len(lines(t, file))
		if r := runCmd(t, c); r.status != 0 || r.out != "here\n" || r.err != "" {
			t.Errorf("%s: %v", name, r)
		}
		if list := lines(t, file); len(list) != before+1 {
			t.Errorf("%s: %d records, not one more than %d", name, len(list), before)
		}
	}
	refused := func(name string, status int, why string, c *exec.Cmd) {
		t.Helper()
		before, _ := os.ReadFile(file)
		if r := runCmd(t, c); r.status != status || r.out != "" || !oneCleanLine(r.err) || !strings.Contains(r.err, why) {
			t.Errorf("%s: %v", name, r)
		}
		if after, _ := os.ReadFile(file); len(after) != len(before) {
			t.Errorf("%s: it was written down", name)
		}
	}
	sudo := func() *exec.Cmd {
		c := exec.Command("/usr/bin/sudo", "-n", ours, in.conf, "echo", "here")
		c.Dir, c.Env = "/", []string{"PATH=/usr/bin:/bin"}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: caller.uid, Gid: caller.gid}}
		return c
	}
	ran("setuid", in.called(in.conf, "echo", "here"))
	if st, err := os.Stat(file); err != nil || st.Mode() != 0o600 || st.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("%v, %v", st, err)
	}
	if got := lines(t, file)[0]; !strings.Contains(got, fmt.Sprintf("]: ruid=%d sudo_uid=- ", caller.uid)) || !strings.Contains(got, "("+caller.name+" > root) Executing /usr/bin/echo here (filter match = echo) filter="+in.filters+":2 run_as=root cwd=/") {
		t.Errorf("%s", got)
	}
	ran("sudo", sudo())
	refused("no filter", 99, "Unauthorized command: mkfs", in.called(in.conf, "mkfs"))
	refused("a stranger", 99, "may not call", in.as(65534, 65534, nil, in.conf, "echo", "here"))

	// The daemon, for each of its clients.
	d := daemonPolicy(t, "echo: CommandFilter, echo, root", "audit_required=yes", "audit_file="+file)
	s := serve(t, d)
	c := s.client()
	before := len(lines(t, file))
	if r := c.run("echo", "here"); r.out != "here\n" {
		t.Errorf("the daemon: %v", r)
	}
	if list := lines(t, file); len(list) != before+1 || !strings.Contains(list[before], fmt.Sprintf("ironwrap-daemon[%d]: client_uid=0 client_pid=%d ruid=0 sudo_uid=%d ", s.pid, os.Getpid(), caller.uid)) {
		t.Errorf("the daemon: %q", list)
	}
	// logrotate(8) renames it under the daemon.
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	c.run("echo", "here")
	if list := lines(t, file); len(list) != 1 {
		t.Errorf("after the rotation: %q", list)
	}

	// Many at a time: whole lines, each once.
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			c := in.called(in.conf, "echo", fmt.Sprint("number", i), strings.Repeat("x", 3000))
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
	f := must(os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0))
	f.WriteString("2026-01-01T00:00:00.000000Z half a rec")
	f.Close()
	if r := runCmd(t, in.called(in.conf, "echo", "after")); r.status != 0 {
		t.Errorf("%v", r)
	}
	if text := string(must(os.ReadFile(file))); !regexp.MustCompile(`half a rec\n2[^\n]*echo after [^\n]*\n$`).MatchString(text) {
		t.Errorf("%q", text[max(0, len(text)-400):])
	}
	os.Remove(file)

	// What somebody else could write, or have put there.
	for name, attack := range map[string]func(){
		"a link":                  func() { os.Symlink("/etc/passwd", file) },
		"a link to nothing":       func() { os.Symlink("/var/lib/"+caller.name+"/new", file) },
		"a FIFO":                  func() { syscall.Mkfifo(file, 0o600) },
		"a directory":             func() { os.Mkdir(file, 0o700) },
		"another's file":          func() { write(t, file, ""); os.Chown(file, int(caller.uid), -1) },
		"writable by a group":     func() { write(t, file, ""); os.Chmod(file, 0o620) },
		"writable by all":         func() { write(t, file, ""); os.Chmod(file, 0o602) },
		"a file with two names":   func() { write(t, file, ""); os.Link(file, in.dir+"/other") },
		"a device":                func() { syscall.Mknod(file, syscall.S_IFCHR|0o600, 1<<8|7) }, // full(4)
		"a directory of a user's": func() { os.Chown(in.dir+"/logs", int(caller.uid), -1) },
		"a directory for a group": func() { os.Chown(in.dir+"/logs", 0, 0); os.Chmod(in.dir+"/logs", 0o775) },
		"no directory":            func() { os.RemoveAll(in.dir + "/logs") },
	} {
		elsewhere := strings.Contains(name, "directory of") || strings.Contains(name, "directory for") || name == "no directory"
		conf := string(must(os.ReadFile(in.conf)))
		if elsewhere {
			os.Mkdir(in.dir+"/logs", 0o755)
			write(t, in.conf, strings.Replace(conf, file, in.dir+"/logs/audit.log", 1))
		}
		attack()
		for mode, c := range map[string]*exec.Cmd{"setuid": in.called(in.conf, "echo", "here"), "sudo": sudo()} {
			start := time.Now()
			r := runCmd(t, c)
			if r.status != 97 || r.out != "" || !oneCleanLine(r.err) || !strings.Contains(r.err, "cannot write to audit_file ") || !strings.Contains(r.err, "the command was not run, since audit_required is set in ") || time.Since(start) > 10*time.Second {
				t.Errorf("%s, %s: %v", name, mode, r)
			}
		}
		write(t, in.conf, conf)
		os.Remove(in.dir + "/other")
		os.RemoveAll(file)
		os.RemoveAll(in.dir + "/logs")
	}
	if _, err := os.Lstat("/var/lib/" + caller.name + "/new"); err == nil {
		t.Error("a link of that name was followed")
	}
	ran("put right again", in.called(in.conf, "echo", "here"))

	// A limit of the caller's leaves no half of a record.
	for _, limit := range []string{"0, -1", "100, -1", "%d, -1", "0, 0"} {
		st := must(os.Stat(file))
		if strings.Contains(limit, "%d") {
			limit = fmt.Sprintf(limit, st.Size()+10)
		}
		c := in.attack(t, "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ("+limit+"))\nexecve(args[0], args, [])\n", in.conf, "echo", "here")
		r := runCmd(t, c)
		lines(t, file)
		if hard := strings.HasSuffix(limit, " 0"); !hard && (r.status != 0 || r.out != "here\n") || hard && r.status != 0 && r.status != 97 {
			t.Errorf("RLIMIT_FSIZE %s: %v", limit, r)
		}
	}

	// A full disk.
	disk := in.dir + "/disk"
	os.Mkdir(disk, 0o755)
	if err := syscall.Mount("small", disk, "tmpfs", 0, "size=4k,mode=755"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(disk, 0)
	small := disk + "/audit.log"
	write(t, in.conf, strings.Replace(string(must(os.ReadFile(in.conf))), "audit_file="+file, "audit_file="+small, 1))
	ranFull := 0
	for range 60 {
		r := runCmd(t, in.called(in.conf, "echo", strings.Repeat("y", 200)))
		if r.status == 0 {
			ranFull++
		} else if r.status != 97 || r.out != "" {
			t.Errorf("a full disk: %v", r)
		}
	}
	whole := 0
	for line := range strings.Lines(string(must(os.ReadFile(small)))) {
		if auditLine.MatchString(line) && strings.HasSuffix(line, "cwd=/\n") {
			whole++
		}
	}
	if ranFull == 0 || ranFull == 60 || whole != ranFull {
		t.Errorf("%d of 60 commands ran on a full disk, and %d records are whole", ranFull, whole)
	}

	// Without audit_required the command runs, and standard error says what is missing.
	write(t, in.conf, strings.Replace(string(must(os.ReadFile(in.conf))), "audit_required=yes", "audit_required=no", 1))
	if r := runCmd(t, in.called(in.conf, "echo", strings.Repeat("y", 2000))); r.status != 0 || !oneCleanLine(r.err) || !strings.HasPrefix(r.err, "iw-rootwrap: cannot write to audit_file "+small) {
		t.Errorf("not required: %v", r)
	}
}

// A caller who floods the system log keeps no record out of the file: here the log takes
// nothing any more.
func TestAuditFileUnderAFlood(t *testing.T) {
	in := setuidInstallation(t, "echo: CommandFilter, echo, root", "allow_users="+caller.name, "audit_required=yes", "audit_file={dir}/audit.log")
	write(t, in.conf, strings.NewReplacer("{dir}", in.dir, "use_syslog=True", "use_syslog=False").Replace(string(must(os.ReadFile(in.conf)))))
	if err := os.Remove(in.dir + "/log"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if r := runCmd(t, in.called(in.conf, "echo", "here")); r.status != 0 || r.out != "here\n" {
			t.Errorf("%v", r)
		}
	}
	if list := lines(t, in.dir+"/audit.log"); len(list) != 5 {
		t.Errorf("%q", list)
	}
	// Where the policy wants both, both must have it.
	write(t, in.conf, strings.Replace(string(must(os.ReadFile(in.conf))), "use_syslog=False", "use_syslog=True", 1))
	if r := runCmd(t, in.called(in.conf, "echo", "here")); r.status != 97 || r.out != "" || !strings.Contains(r.err, "cannot write to the system log at "+filepath.Join(in.dir, "log")) {
		t.Errorf("both: %v", r)
	}
}
