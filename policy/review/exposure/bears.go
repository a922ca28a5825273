package exposure

import (
	"regexp"
	"slices"
	"strings"
)

// What a row says of a word that does not bear its effect is an example: -cf {dest} of tar
// needs some file there, be it the caller's or the policy's. So {mine} and {dest} are any
// word where something else in the row is what the caller has to choose.

// loosened is the form of a row with other placeholders for what does not bear its effect:
// {some} for what is read, {readable} for a copy, {word} for the rest.
func (w way) loosened() string {
	first := true
	return placeholder.ReplaceAllStringFunc(w.form, func(p string) string {
		bears := w.bears(p[1:len(p)-1], first)
		if p == "{mine}" {
			first = false
		}
		switch {
		case bears:
			return p
		case p == "{mine}":
			return "{some}"
		case w.power == Read:
			return "{readable}"
		}
		return "{word}"
	})
}

// bears tells whether a placeholder is one that the effect comes from. first is for the
// first {mine} of a form.
func (w way) bears(name string, first bool) bool {
	switch name {
	case "dest":
		return w.power == Read && keepsMode(w.programs)
	case "package":
		return !strings.Contains(w.form, "{mine}") && !strings.Contains(w.form, "{file}")
	case "mine":
		switch w.power {
		case Run, Code:
			return !coded(w.form) && (first || needsBoth[w.programs])
		case Read, Destroy:
			return !targeted.MatchString(w.form)
		case Owner:
			return !targeted.MatchString(w.form) || !strings.Contains(w.form, "{user}") && !strings.Contains(w.form, "{mode}")
		}
	}
	return true
}

// targeted is what is in a row that is about files which are not the caller's.
var targeted = regexp.MustCompile(`\{(file|name|dir|new|disk)\}`)

// coded tells that a form has a text which is run.
func coded(form string) bool {
	return slices.ContainsFunc(placeholder.FindAllString(form, -1), func(p string) bool {
		name := strings.Trim(p, "{}")
		return name == "shell" || name == "linker" || name == "proxycommand" || texts[name]
	})
}

// needsBoth are programs that need two paths of the caller's: a socket is one.
var needsBoth = map[string]bool{"neutron-vpn-netns-wrapper": true, "qemu-storage-daemon": true}

// keepsMode tells that copies of a program are as secret as what is copied: they can be
// read only where there is a file of the caller's.
func keepsMode(programs string) bool {
	return slices.ContainsFunc(strings.Fields(programs), func(p string) bool { return keepers[p] })
}

var keepers = fieldSet("cp busybox cmake rsync scp mv")

// policys begins what is said of the rows that overwriting makes.
const policys = "contents that need not be the caller's take the place of any file's: "

// overwriting are rows of what rows that write do with contents that are not the caller's.
func overwriting(rows []way) (list []way) {
	for _, w := range rows {
		if w.power != Write || !strings.Contains(w.form, "{mine}") || !strings.Contains(w.form, "{file}") && !strings.Contains(w.form, "{name}") {
			continue
		}
		w.power = Destroy
		w.how = policys + w.how
		if !slices.ContainsFunc(rows, func(o way) bool { return o.power == Destroy && o.form == w.form }) {
			list = append(list, w)
		}
	}
	return list
}
