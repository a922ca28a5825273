package main

import (
	"fmt"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/privsep"
	"ironwrap/policy/review/exposure"
)

// contextOf is the context that a command asks oslo.privsep's helper for; "" for any other
// command.
func contextOf(d policy.Decision) string {
	if d.Helper == nil {
		return ""
	}
	return d.Helper.Context
}

// shows are system calls without which a power of a context cannot have been made use of.
// Those that every process makes (open, execve) show nothing.
var shows = map[string][]string{
	exposure.Destroy:   {"rmdir", "umount2", "unlink", "unlinkat"},
	exposure.Mount:     {"fsmount", "mount", "move_mount", "umount2"},
	exposure.Namespace: {"setns", "unshare"},
	exposure.Network:   {"bind", "sendmsg", "sendto"},
	exposure.Owner:     {"chmod", "chown", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "lchown"},
	exposure.Signal:    {"kill", "pidfd_send_signal", "tgkill"},
}

// unseen says what a context is good for of which nothing was recorded, and that the rest
// may have been made use of in part.
func (l learned) unseen() (notes []string) {
	if l.Context == "" {
		return nil
	}
	c := privsep.Find(l.Context)
	if c == nil {
		return []string{fmt.Sprintf("context %s is not one that is known: whether its functions were all called is for you to say", filters.Show(l.Context))}
	}
	var never, unknown []string
	for _, power := range strings.Fields(c.Powers) {
		title := exposure.Title(power)
		calls := shows[power]
		switch {
		case calls == nil:
			unknown = append(unknown, title)
		case !slices.ContainsFunc(calls, func(call string) bool { _, ok := l.Calls[call]; return ok }):
			never = append(never, title)
		}
	}
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if len(never) > 0 {
		say("of what context %s can do nothing was seen of: %s; the profile refuses it", l.Context, strings.Join(never, "; "))
	}
	if len(unknown) > 0 {
		say("system calls do not tell whether context %s was seen at: %s", l.Context, strings.Join(unknown, "; "))
	}
	say("context %s: %s; what its service did not ask for meanwhile was not recorded", l.Context, c.How)
	return notes
}

// keepNotes leaves the notes of a recorder beside what it has recorded.
func (l learned) keepNotes(dir string, notes []string) error {
	var b strings.Builder
	for _, n := range notes {
		fmt.Fprintln(&b, filters.Prose(n))
	}
	path := l.path(dir, ".notes")
	if err := replaceFile(path, []byte(b.String())); err != nil {
		return fmt.Errorf("cannot write %s: %w", filters.Untrusted(path), err)
	}
	return nil
}
