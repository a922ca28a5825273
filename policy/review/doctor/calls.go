package doctor

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ironwrap/filters"
)

// call is a command line by which the service becomes root.
type call struct {
	key    string // of the service's configuration
	from   string // FILE:LINE, or why it is known otherwise
	words  []string
	sudo   bool
	daemon bool     // it has the protocol of the daemon
	paths  []string // of the program, as far as it was found
	config string
	kind   Kind   // of what answers
	real   string // where that lies
	good   bool   // it is the right program of ironwrap's
}

// known are services that make the command line themselves. Neutron has no wrapper
// unless root_helper names one.
var known = []struct{ service, oneShot string }{
	{"cinder", "sudo cinder-rootwrap CONFIG"},
	{"designate", "sudo designate-rootwrap CONFIG"},
	{"ironic", "sudo ironic-rootwrap CONFIG"},
	{"manila", "sudo manila-rootwrap CONFIG"},
	{"nova", "sudo nova-rootwrap CONFIG"},
}

// option is a line of a service's configuration that is about its root helper.
type option struct{ section, key, value, from string }

// options are the keys that say how a service becomes root.
var options = []string{"root_helper", "root_helper_daemon", "helper_command", "rootwrap_config", "use_rootwrap_daemon", "disable_rootwrap"}

// scan reads a configuration as far as oslo.config would read those keys: sections, KEY = VALUE
// (or a colon), lines that go on indented, comments.
func scan(file string, text []byte) (found []option) {
	section, last := "DEFAULT", -1
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		plain := strings.TrimSpace(line)
		switch {
		case plain == "":
			last = -1
		case plain[0] == '#' || plain[0] == ';':
		case line[0] == ' ' || line[0] == '\t':
			if last >= 0 {
				found[last].value += " " + plain
			}
		case line[0] == '[':
			section, last = strings.Trim(plain, "[]"), -1
		default:
			last = -1
			i := strings.IndexAny(line, "=:")
			if i < 0 || !slices.Contains(options, strings.TrimSpace(line[:i])) {
				continue
			}
			found = append(found, option{section, strings.TrimSpace(line[:i]), unquote(strings.TrimSpace(line[i+1:])), fmt.Sprintf("%s:%d", filters.Show(file), number)})
			last = len(found) - 1
		}
	}
	return found
}

// unquote takes away the quotes that oslo.config takes away.
func unquote(value string) string {
	if n := len(value); n > 1 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
		return value[1 : n-1]
	}
	return value
}

func isTrue(value string) bool {
	return slices.Contains([]string{"true", "1", "on", "yes"}, strings.ToLower(value))
}

// configured reads what the service's configuration says.
func (e *examination) configured() (found []option) {
	dirs := []string{path.Dir(e.report.Config), "/etc/" + e.report.Service, "/usr/share/" + e.report.Service}
	slices.Sort(dirs)
	files, err := e.host.Texts(slices.Compact(dirs)...)
	if err != nil {
		e.unknown("root helper", "helper-configuration", "a part of the service's configuration", err)
	}
	for _, file := range files {
		if e.host.Same(file, e.report.Config) {
			continue
		}
		text, err := e.host.Read(file)
		if err != nil {
			e.unknown("root helper", "helper-configuration", "the service's configuration", err)
			continue
		}
		found = append(found, scan(file, text)...)
	}
	return found
}

// gather makes the calls of what is configured, and of what the service does otherwise.
func (e *examination) gather() {
	template, daemonFrom, configured := "", "", e.configured()
	for _, k := range known {
		if k.service == e.report.Service {
			template = k.oneShot
		}
	}
	config, from := e.report.Config, "as "+e.report.Service+" makes it"
	for _, o := range configured {
		switch o.key {
		case "root_helper":
			e.add(o.key, o.from, o.value, false)
		case "root_helper_daemon":
			e.add(o.key, o.from, o.value, true)
		case "helper_command":
			e.add("["+o.section+"] "+o.key, o.from, o.value, false)
		case "rootwrap_config":
			config, from = o.value, o.from
		case "use_rootwrap_daemon":
			if isTrue(o.value) {
				daemonFrom = o.from
			}
		case "disable_rootwrap":
			if isTrue(o.value) {
				e.say("root helper", "helper-disabled", Problem, "take that line out, and start the service again", "%s sets disable_rootwrap: the service calls sudo without any wrapper", o.from)
			}
		}
	}
	if template == "" {
		return
	}
	if !slices.ContainsFunc(e.calls, func(c call) bool { return c.key == "root_helper" }) {
		e.add("root_helper", from, strings.Replace(template, "CONFIG", config, 1), false)
	}
	if daemonFrom != "" {
		e.add("use_rootwrap_daemon", daemonFrom, strings.Replace(template, "-rootwrap CONFIG", "-rootwrap-daemon "+config, 1), true)
	}
}

// add adds a call, once for each command line.
func (e *examination) add(key, from, line string, daemon bool) {
	c := call{key: key, from: from, words: strings.Fields(line), daemon: daemon}
	if len(c.words) == 0 || slices.ContainsFunc(e.calls, func(o call) bool { return o.daemon == daemon && slices.Equal(o.words, c.words) }) {
		return
	}
	e.calls = append(e.calls, c)
}
