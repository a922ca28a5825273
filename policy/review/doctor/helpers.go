package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ironwrap/filters"
)

// usual is where programs are looked for without secure_path.
var usual = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

const helper = "root helper"

// helpers asks who answers each call of the service.
func (e *examination) helpers() {
	e.gather()
	for i := range e.calls {
		e.follow(&e.calls[i])
	}
	if !slices.ContainsFunc(e.calls, func(c call) bool { return !strings.HasSuffix(c.key, "helper_command") }) {
		e.silent()
	}
}

// silent is for a service whose configuration names no root helper: what has the usual
// name is looked at, and what the service calls is not known.
func (e *examination) silent() {
	e.say(helper, "helper-unnamed", Unknown, "say in the service's configuration: root_helper = sudo "+path.Base(e.report.Service)+"-rootwrap "+filters.Show(e.report.Config),
		"not assessed: no file that was read sets root_helper, without which some services call sudo and no wrapper")
	for _, suffix := range []string{"-rootwrap", "-rootwrap-daemon"} {
		if found, err := e.host.Find(e.report.Service+suffix, e.search()); err == nil {
			e.calls = append(e.calls, call{key: "usual name", daemon: suffix != "-rootwrap", sudo: true, paths: []string{found}, config: e.report.Config})
			e.answers(&e.calls[len(e.calls)-1], found)
		}
	}
}

// search is where sudo looks for a program.
func (e *examination) search() []string {
	if e.sudo.SecurePath != nil {
		return e.sudo.SecurePath
	}
	return usual
}

// follow takes a call apart, finds its program, and asks who that is.
func (e *examination) follow(c *call) {
	line := filters.Line(filters.Words(c.words))
	told := c.key + " (" + c.from + "): " + line
	if strings.ContainsAny(strings.Join(c.words, ""), `"'\$`) {
		e.say(helper, "helper-line", Unknown, "", "not assessed: %s: it has quotes or variables", told)
		return
	}
	rest, ok := behindSudo(c.words)
	c.sudo = len(rest) < len(c.words)
	switch {
	case !ok:
		e.say(helper, "helper-line", Unknown, "", "not assessed: %s: an option of sudo's or a variable that is not known here", told)
		return
	case len(rest) == 0:
		e.say(helper, "helper-bare", Problem, "name the wrapper: sudo "+filters.Show(e.report.Service)+"-rootwrap "+filters.Show(e.report.Config), "%s: sudo without any wrapper", told)
		return
	case path.Base(rest[0]) == "privsep-helper":
		e.say(helper, "helper-privsep", Problem, "set it to the wrapper: sudo "+filters.Show(e.report.Service)+"-rootwrap "+filters.Show(e.report.Config)+" privsep-helper, with the options that stand there",
			"%s: privsep-helper without any wrapper", told)
		return
	}
	found, err := e.locate(rest[0])
	if errors.Is(err, fs.ErrNotExist) {
		e.say(helper, "helper-missing", Problem, "install it, or correct the line", "%s: there is no such program in %s", told, strings.Join(e.search(), ":"))
		return
	}
	if err != nil {
		e.unknown(helper, "helper-missing", told, err)
		return
	}
	c.paths = append(c.paths, found)
	if len(rest) > 1 {
		c.config = rest[1]
	}
	e.say(helper, "helper-line", Note, "", "%s", told)
	e.answers(c, found)
	e.named(c)
}

// behindSudo is what stands behind sudo and its options. It is ok where all of them are
// such as change nothing here.
func behindSudo(words []string) (rest []string, ok bool) {
	if path.Base(words[0]) != "sudo" {
		return words, true
	}
	rest = words[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		switch {
		case slices.Contains([]string{"-n", "-E", "-H", "--non-interactive", "--preserve-env", "--set-home"}, rest[0]):
			rest = rest[1:]
		case len(rest) > 1 && (rest[0] == "-u" || rest[0] == "--user") && rest[1] == "root":
			rest = rest[2:]
		default:
			return rest, false
		}
	}
	return rest, len(rest) == 0 || !strings.Contains(rest[0], "=")
}

// locate finds a program as sudo does, or a shell.
func (e *examination) locate(word string) (string, error) {
	if strings.Contains(word, "/") {
		dir, name := path.Split(word)
		return e.host.Find(name, []string{filepath.Clean(dir)})
	}
	return e.host.Find(word, e.search())
}

// answers says who answers at a path.
func (e *examination) answers(c *call, at string) {
	p, err := e.host.Program(at)
	if err != nil {
		e.unknown(helper, "helper-program", filters.Show(at), err)
		return
	}
	where := filters.Show(at)
	if p.Real != at {
		where += " -> " + filters.Show(p.Real)
	}
	c.kind, c.real = p.Kind, p.Real
	switch {
	case p.Distrust != nil:
		e.say(helper, "helper-writable", Problem, "give it, and every directory above it, to root", "%s can be changed by somebody besides root, who is root thereby: %v", where, p.Distrust)
	case p.Kind == Original:
		e.say(helper, "helper-original", Problem, e.replacing(at, c.daemon), "%s is oslo.rootwrap: ironwrap is not asked", where)
	case p.Kind == Other:
		e.say(helper, "helper-other", Unknown, "look what it is", "not assessed: %s is %s", where, p.Kind)
	case c.daemon != (p.Kind == Daemon || p.Kind == Attach):
		e.say(helper, "helper-kind", Problem, e.turned(at, p, c), "%s is %s, which does not serve calls by %s", where, p.Kind, c.key)
	default:
		c.good = true
		e.say(helper, "helper-program", Fine, "", "%s is %s%s", where, p.Kind, version(p))
		e.ours(c, p, where)
		e.kept(at)
	}
}

func version(p Program) string {
	if p.Version == "" {
		return ""
	}
	return " " + filters.Show(p.Version)
}

// ours looks whether a program of ironwrap's can do its work.
func (e *examination) ours(c *call, p Program, where string) {
	switch {
	case p.Version == "" && p.Kind != Attach:
		e.say(helper, "helper-version", Unknown, "", "not assessed: %s does not say its version", where)
	case p.Version != "" && p.Version != e.host.Build():
		e.say(helper, "helper-version", Warning, "install both of one version", "%s is of version %s, and ironwrapctl of %s: what is said of the policy here is said by another engine", where, filters.Show(p.Version), filters.Show(e.host.Build()))
	}
	switch {
	case c.sudo:
		e.sudoWorks()
	case p.Kind == Caller || p.Kind == Attach:
	case p.NoSuid:
		e.say(helper, "helper-nosuid", Problem, "install it elsewhere, or mount that file system without nosuid", "%s lies on a file system that ignores set-user-id bits (nosuid), and is called without sudo: it has no rights", where)
	case !p.Setuid:
		e.say(helper, "helper-setuid", Problem, "write sudo before it; docs/configuration.md tells what it takes to do without sudo", "%s has no set-user-id bit, and is called without sudo: it has no rights", where)
	}
}

// sudoWorks looks at sudo itself, once.
func (e *examination) sudoWorks() {
	if slices.ContainsFunc(e.report.Answers, func(a Answer) bool { return a.ID == "sudo-program" }) {
		return
	}
	at, err := e.host.Find("sudo", usual)
	var p Program
	if err == nil {
		p, err = e.host.Program(at)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.say("sudo", "sudo-program", Problem, "install the package sudo", "there is no sudo: the service cannot call its root helper")
	case err != nil:
		e.unknown("sudo", "sudo-program", "sudo", err)
	case p.NoSuid || !p.Setuid:
		e.say("sudo", "sudo-program", Problem, "install the package sudo anew", "%s does not become root: it has no set-user-id bit, or lies on a file system that ignores it (nosuid)", filters.Show(at))
	case p.Distrust != nil:
		e.say("sudo", "sudo-program", Problem, "give it, and every directory above it, to root", "%s can be changed by somebody besides root: %v", filters.Show(at), p.Distrust)
	default:
		e.say("sudo", "sudo-program", Fine, "", "%s becomes root", filters.Show(at))
	}
}

// kept tells whether an upgrade of a package would put another program at a path.
func (e *examination) kept(at string) {
	owner, err := e.host.Package(at)
	switch {
	case err != nil:
		e.unknown(helper, "helper-upgrade", "whether an upgrade replaces "+filters.Show(at), err)
	case owner.System == "":
		e.say(helper, "helper-upgrade", Note, "", "%s: this machine has no dpkg; if a package owns that path, its next upgrade puts the original back", filters.Show(at))
	case owner.Name != "" && !owner.Diverted:
		e.say(helper, "helper-upgrade", Warning, command("dpkg-divert --local --no-rename --divert %s --add %s", e.free(at), at),
			"%s belongs to package %s, whose next upgrade puts the original back", filters.Show(at), filters.Show(owner.Name))
	default:
		e.say(helper, "helper-upgrade", Fine, "", "no upgrade of a package replaces %s", filters.Show(at))
	}
}

// wrapperName is what a service calls its wrapper. A path that has another name may be any
// program of root's, which the service has named for us to replace.
var wrapperName = regexp.MustCompile(`^[a-z0-9_-]+-rootwrap(-daemon)?$`)

// turned is how a name comes to lead to the right one of ironwrap's programs.
func (e *examination) turned(at string, p Program, c *call) string {
	if at == p.Real || !wrapperName.MatchString(path.Base(at)) {
		return "correct that line: name the service's wrapper"
	}
	return e.relink(at, c.daemon)
}

// replacing is how ironwrap comes to stand at a path.
func (e *examination) replacing(at string, daemon bool) string {
	link := e.relink(at, daemon)
	owner, err := e.host.Package(at)
	switch {
	case e.installed("ironwrap") == "":
		return "install ironwrap (make install, or its package) first"
	case link == "" || !wrapperName.MatchString(path.Base(at)):
		return "let the service, and sudoers, name a wrapper that leads to ironwrap"
	case err == nil && owner.Name != "" && !owner.Diverted:
		return command("dpkg-divert --local --rename --divert %s --add %s", e.free(at), at) + " && " + link
	}
	return command("mv -n %s %s", at, e.free(at)) + " && " + link
}

// free is a name beside a path that nothing has.
func (e *examination) free(at string) string {
	name := at + ".oslo"
	for n := 1; e.host.There(name); n++ {
		name = fmt.Sprintf("%s.oslo.%d", at, n)
	}
	return name
}

// relink is the command that makes a path ironwrap's; "" where a shell would not take
// the path as it stands.
func (e *examination) relink(at string, daemon bool) string {
	program := "ironwrap"
	if daemon {
		program = "ironwrap-daemon"
	}
	return command("ln -sfn %s %s", e.installed(program), at)
}

// parts are those that belong to what answers.
func (e *examination) parts() []Part {
	for _, c := range e.calls {
		if c.kind == Ironwrap || c.kind == Daemon {
			return e.host.Parts(path.Dir(c.real))
		}
	}
	return e.host.Parts("")
}

// installed is where a program of ironwrap's lies; "" for nowhere.
func (e *examination) installed(name string) string {
	for _, p := range e.parts() {
		if p.Name == name && p.Err == nil {
			return p.Path
		}
	}
	at, err := e.host.Find(name, usual)
	if err != nil {
		return ""
	}
	return at
}

// named tells whether the call names the configuration that is looked at.
func (e *examination) named(c *call) {
	switch {
	case c.config != "" && !strings.Contains(c.config, "/"): // an instance, of ironwrap-call or ironwrap-attach
		if c.config != e.report.Service {
			e.say(helper, "helper-instance", Unknown, "", "not assessed: it names the daemon of %s", filters.Show(c.config))
		}
	case c.config == "":
		e.say(helper, "helper-configuration", Problem, "add "+filters.Show(e.report.Config), "%s (%s) names no configuration", c.key, c.from)
	case filepath.Clean(c.config) != filepath.Clean(e.report.Config) && !e.host.Same(c.config, e.report.Config):
		e.say(helper, "helper-configuration", Unknown, command("ironwrapctl doctor %s", c.config), "not assessed: %s (%s) names another configuration, %s", c.key, c.from, filters.Show(c.config))
	}
}
