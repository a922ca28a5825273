package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/policy"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/exposure"
)

var placeholder = regexp.MustCompile(`\bDIR\b`)

// lay makes the files of an example below a new directory of root's.
func (e example) lay(t testing.TB) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: no rule was checked, for only files of root's are loaded")
	}
	above, err := os.MkdirTemp("/var/lib", "ironwrap-lint-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(above) })
	if err := os.Chmod(above, 0o755); err != nil {
		t.Fatal(err)
	}
	dir = above + "/planted"
	conf := "[DEFAULT]\n"
	if !strings.Contains(e.conf, "filters_path") {
		conf += "filters_path=DIR/d\n"
	}
	more := e.conf
	if before, after, ok := strings.Cut(more, "exec_dirs"); ok && before == "" {
		more = "exec_dirs" + after
	} else if !ok {
		conf += "exec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n"
	}
	put := func(name, text string) {
		path := dir + "/" + name
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(placeholder.ReplaceAllString(text, dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("rootwrap.conf", conf+more+"\n")
	put("d/a.filters", "[Filters]\n"+e.filters+"\n")
	if e.also != "" {
		put("d/b.filters", "[Filters]\n"+e.also+"\n")
	}
	if e.sudoers != "" {
		put("sudoers", e.sudoers+"\n")
	}
	if e.accepts != "" {
		put("accepted.yaml", "accepted:\n"+e.accepts)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if e.setup != "" {
		c := exec.Command("/bin/sh", "-ec", placeholder.ReplaceAllString(e.setup, dir))
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", e.setup, err, out)
		}
	}
	return dir
}

func (e example) NetworkFileSystem(string) (string, error) { return e.network, nil }

// Accepted reads the file of the example.
func (e example) Accepted() *accepted.List {
	if e.accepts == "" {
		return nil
	}
	l, err := accepted.Read(e.dir+"/accepted.yaml", Acceptable(), nil, time.Now())
	if err != nil {
		panic(err)
	}
	return l
}

func (e example) AppArmor() map[string]string { return e.loaded }

func (e example) Seccomp(s *policy.Sandbox) Profile { return e.profile }

// Allows has no profile but strict, which lets nothing pass that changes something.
func (e example) Allows(profile string, call exposure.Syscall) (bool, error) {
	return profile != "strict" || call.Name == "read" || call.Name == "execve", nil
}

// found runs one rule on an example. All other rules must survive it too.
func (e example) found(t *testing.T, r *Rule) (dir string, list []Finding) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); e.gcc && err != nil {
		t.Skip("no gcc: an example was not checked, which needs a program of its own")
	}
	withSudo(t, e)
	dir = e.lay(t)
	e.dir = dir
	if e.nobody {
		runtime.LockOSThread() // whose rights these are
		defer runtime.UnlockOSThread()
		unix.Setfsuid(65534)
	}
	all := Check([]string{dir + "/rootwrap.conf"}, e).Findings
	if e.nobody {
		unix.Setfsuid(0)
	}
	faithful(t, dir+"/rootwrap.conf", e, all)
	for _, f := range all {
		wellFormed(t, f)
		if f.Rule == r {
			list = append(list, f)
		}
	}
	return dir, list
}

// faithful compares what the rules see with what the executor has: the same filters
// in the same order, and a finding wherever it tolerated something.
func faithful(t *testing.T, path string, facts Facts, all []Finding) {
	t.Helper()
	c := read(Target{Path: path}, facts)
	if c.policy == nil {
		if len(all) == 0 {
			t.Errorf("refused, and nothing is found: %v", c.refusal)
		}
		return
	}
	if len(c.filters) != len(c.policy.Filters) {
		t.Fatalf("%d filters, where the executor has %d", len(c.filters), len(c.policy.Filters))
	}
	for i, f := range c.filters {
		if p := c.policy.Filters[i]; f.Name != p.Name || f.File != p.File || f.Line != p.Line || f.Filter != p.Filter {
			t.Errorf("filter %d is %s:%d, where the executor has %s:%d", i, f.File, f.Line, p.File, p.Line)
		}
	}
	for _, n := range c.policy.Notes {
		if !slices.ContainsFunc(all, func(f Finding) bool { return f.Path == n.Path && f.Line == n.Line }) {
			t.Errorf("the executor notes %v, and nothing is found there", n)
		}
	}
}

func wellFormed(t *testing.T, f Finding) {
	t.Helper()
	for _, text := range []string{f.Message, f.Hint} {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) || text != strings.TrimSpace(text) {
			t.Errorf("%s: %q is not one line", f.Rule.ID, text)
		}
	}
	if f.Path == "" || f.Message == "" || f.Line == 0 && f.Column > 0 || f.Column > 0 && f.Width < 1 {
		t.Errorf("%s: not a place: %+v", f.Rule.ID, f)
	}
	if f.Column > 0 && f.Column-1+f.Width > len([]rune(f.Cited))+1 {
		t.Errorf("%s: the caret points beyond the line: %+v", f.Rule.ID, f)
	}
}

// TestExamples holds each rule against its own examples.
func TestExamples(t *testing.T) {
	for _, r := range rules {
		t.Run(r.ID, func(t *testing.T) {
			if len(r.finds) == 0 || len(r.passes) == 0 {
				t.Fatal("a rule needs examples of what it finds, and of what it does not")
			}
			for i, e := range r.finds {
				t.Run(fmt.Sprint("finds ", i), func(t *testing.T) {
					t.Parallel()
					dir, list := e.found(t, r)
					if len(list) == 0 {
						t.Fatalf("nothing is found in\n%s\n%s\n%s", e.conf, e.filters, e.setup)
					}
					f := list[0]
					at := fmt.Sprintf("%s:%d:%d:", filepath.Base(f.Path), f.Line, f.Column)
					if e.at != "" && !strings.HasPrefix(at, e.at+":") {
						t.Errorf("found at %s, not at %s: %s", at, e.at, f.Message)
					}
					if says := placeholder.ReplaceAllString(e.says, dir); !strings.Contains(f.Message, says) {
						t.Errorf("says %q, not %q", f.Message, says)
					}
				})
			}
			for i, e := range r.passes {
				t.Run(fmt.Sprint("passes ", i), func(t *testing.T) {
					t.Parallel()
					_, list := e.found(t, r)
					for _, f := range list {
						t.Errorf("%s:%d:%d: %s\nis found in\n%s\n%s", f.Path, f.Line, f.Column, f.Message, e.conf, e.filters)
					}
				})
			}
		})
	}
}

// TestRefused: of a policy that the executor refuses each rule says what it can, and none
// takes for granted that there is one.
func TestRefused(t *testing.T) {
	for _, r := range rules {
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			for _, e := range slices.Concat(r.finds, r.passes) {
				if e.gcc || e.nobody {
					continue
				}
				dir := e.lay(t)
				e.dir = dir
				if err := os.Chmod(dir+"/rootwrap.conf", 0o666); err != nil && !errors.Is(err, fs.ErrNotExist) { // refused as well
					t.Fatal(err)
				}
				if list := Check([]string{dir + "/rootwrap.conf"}, e).Findings; len(list) == 0 {
					t.Errorf("nothing is found in a configuration that others may write to\n%s\n%s", e.conf, e.filters)
				}
			}
		})
	}
}

// TestTable: ids are stable names, and every rule says what a person needs.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if !regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`).MatchString(r.ID) || seen[r.ID] {
			t.Errorf("%q is not an id, or is there twice", r.ID)
		}
		seen[r.ID] = true
		if r.Severity < Note || r.Severity > Error || r.Title == "" || r.Help == "" || strings.HasSuffix(r.Title, ".") || !strings.HasSuffix(r.Help, ".") {
			t.Errorf("%s: severity, title and help are needed; the help is of sentences", r.ID)
		}
	}
}

// TestCitesNoSecret: who can make a link where filters are must not have a report
// cite what it leads to.
func TestCitesNoSecret(t *testing.T) {
	for _, setup := range []string{
		"ln -s ../secret d/b.filters; chown -h 65534 d/b.filters",
		"ln secret d/b.filters; chmod 666 secret; chown 65534 d",
		"ln -sf secret rootwrap.conf; chown -h 65534 rootwrap.conf",
	} {
		e := example{filters: "id: CommandFilter, id, root", setup: "echo 'root:hash' >secret; chmod 600 secret; " + setup}
		list := Check([]string{e.lay(t) + "/rootwrap.conf"}, e).Findings
		if len(list) == 0 {
			t.Errorf("%s: nothing is found", setup)
		}
		for _, f := range list {
			if strings.Contains(f.Cited+f.Message, "hash") {
				t.Errorf("%s: %q, %q", setup, f.Message, f.Cited)
			}
		}
	}
}

// TestOneJudgement: what audit calls root check warns of, and what audit has no number
// for is a finding.
func TestOneJudgement(t *testing.T) {
	lines := []string{
		"x: RegExpFilter, crontab, root, crontab, -u, root, .*", "x: CommandFilter, systemctl, root", "x: CommandFilter, modprobe, root",
		"x: ReadFileFilter, /etc/shadow", "x: CommandFilter, mknod, root", "x: CommandFilter, usermod, root", "x: ChainingRegExpFilter, chroot, root, chroot, .*",
		"x: RegExpFilter, modprobe, root, modprobe, nbd", "x: CommandFilter, docker, root", "x: CommandFilter, dd, root", "x: CommandFilter, strace, root",
		"x: RegExpFilter, ln, root, ln, -s, .*, /etc/systemd/system/[a-z]+", "x: RegExpFilter, tee, root, tee, /etc/cron.d/[a-z]+",
		"x: RegExpFilter, usermod, root, usermod, -aG, sudo, [a-z]+", "x: KillFilter, root, /usr/bin/sleep", "x: IpNetnsExecFilter, ip, root",
		"x: PathFilter, chown, root, nova, /etc", "x: EnvFilter, env, root, LD_PRELOAD=, ls", "x: CommandFilter, nosuchthing, root", "x: RegExpFilter, tc, root, tc, qdisc, .*",
	}
	for _, r := range rules {
		for _, e := range append(slices.Clone(r.finds), r.passes...) {
			if e.setup == "" && !e.gcc {
				lines = append(lines, e.filters)
			}
		}
	}
	for _, text := range lines {
		e := example{filters: text}
		dir := e.lay(t)
		c := read(Target{Path: dir + "/rootwrap.conf"}, e)
		all := Check([]string{dir + "/rootwrap.conf"}, e).Findings
		for _, f := range c.filters {
			if f.file == nil {
				continue
			}
			worst := exposure.Score(0)
			unknown := false
			for _, cell := range exposure.Of(&f.Entry, exposure.Machine{Seccomp: e.Allows}).Cells {
				worst = max(worst, cell.Score)
				unknown = unknown || cell.Score == exposure.NotAssessed
			}
			found := func(right func(Finding) bool) bool {
				return slices.ContainsFunc(all, func(g Finding) bool { return g.Path == f.File && g.Line == f.Line && right(g) })
			}
			if exposure.Band(worst) == "root" && !found(func(g Finding) bool { return g.Rule.Severity >= Warning }) {
				t.Errorf("audit has %v, check does not warn: %s in %s", worst, f.Name, text)
			}
			if unknown && !found(func(g Finding) bool { return g.Rule.ID == "not-assessed" }) {
				t.Errorf("audit has not assessed it, and check does not say so: %s in %s", f.Name, text)
			}
		}
	}
}
