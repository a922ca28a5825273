// Package environ knows which environment variables make programs load, run, read or
// write what their value names, or obey options in it. It is pure data.
//
// There is no list of all of them, since each program may have its own. So a name is
// dangerous when it is a known one, when it belongs to a program or library that has
// such variables (a family, by the beginning of the name), or when it is made as such
// names are made ("..._PATH", "...OPTIONS"). Sources: ld.so(8) and glibc's
// unsecvars.h, sudoers(5) (env_delete, env_check), environ(7), and the manuals of the
// programs.
package environ

import "strings"

// Name tells whether a variable can be called so: as a shell can, which leaves out
// bash's exported functions ("BASH_FUNC_x%%").
func Name(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// Loads returns what a variable of a known name or family does; "" for nothing that is
// known.
func Loads(name string) string {
	if harmless(name) {
		return ""
	}
	upper := strings.ToUpper(name)
	for _, k := range known[:] { // not a copy
		if k.name == upper {
			return k.how
		}
	}
	for _, f := range families[:] {
		if strings.HasPrefix(upper, f.prefix) {
			return "programs obey it: " + f.of
		}
	}
	return ""
}

// Danger is Loads, and judges other names by how they are made.
func Danger(name string) string {
	if how := Loads(name); how != "" || harmless(name) {
		return how
	}
	upper := strings.ToUpper(name)
	for word := range strings.SplitSeq(upper, "_") {
		if among(words, word) {
			return "names with " + word + " in them stand for what programs load, run, read or write"
		}
	}
	for _, ending := range endings {
		if strings.HasSuffix(upper, ending) {
			return "names that end in " + ending + " stand for what programs load, run, read or write"
		}
	}
	return ""
}

// Carries tells whether a value of the caller's may be passed on for a variable that
// is not dangerous itself. What stands in the way of sudo's env_check does here too:
// a locale or terminal with a slash or a percent sign (translations are formats for
// printf), a time zone that names a file outside of the zones. A value that begins
// with "()" may be a function to an old bash (CVE-2014-6271).
func Carries(name, value string) bool {
	if strings.HasPrefix(value, "()") {
		return false
	}
	switch {
	case name == "TZ":
		return timeZone(value)
	case name == "DEBIAN_FRONTEND": // debconf evaluates it as Perl
		return strings.Trim(strings.ToLower(value), "abcdefghijklmnopqrstuvwxyz") == ""
	case harmless(name) && !strings.HasSuffix(strings.ToUpper(name), "PROXY"):
		return !strings.ContainsAny(value, "/%")
	}
	return true
}

func timeZone(value string) bool {
	value = strings.TrimPrefix(value, ":")
	if len(value) > 4096 || strings.Contains(value, "..") {
		return false
	}
	for i := 0; i < len(value); i++ {
		if value[i] <= ' ' || value[i] > '~' {
			return false
		}
	}
	return !strings.HasPrefix(value, "/") || strings.HasPrefix(value, "/usr/share/zoneinfo/")
}

// harmless are names that tell programs of language, terminal and network, whatever
// the rules below say of how they are made.
func harmless(name string) bool {
	switch name {
	case "LANG", "LANGUAGE", "LINGUAS", "TERM", "COLORTERM", "TZ", "COLUMNS", "LINES", "NO_COLOR", "DEBIAN_FRONTEND",
		"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY":
		return true
	}
	return strings.HasPrefix(name, "LC_")
}

func among(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}
