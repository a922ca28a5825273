package sudoers

import (
	"fmt"
	"io"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
)

// Write writes the file, as sudoers(5) has it. Nothing foreign is in it but in
// comments, where it is escaped, and where it was found to be plain.
func (f *File) Write(w io.Writer) error {
	b := new(strings.Builder)
	fmt.Fprintf(b, header, f.User, filters.Untrusted(f.Config))
	fmt.Fprintf(b, defaults, f.User, strings.Join(f.ExecDirs, ":"))
	if len(f.Lines) == 0 {
		fmt.Fprintf(b, "\n# Nothing that the policy allows can be said.\n")
	}
	for _, l := range f.Lines {
		fmt.Fprintf(b, "\n# %s\n", at(l.Filter))
		if l.Narrow != "" {
			fmt.Fprintf(b, "# narrower than the filter: %s\n", l.Narrow)
		}
		fmt.Fprintf(b, "%s ALL = (%s) NOSETENV: NOPASSWD: %s\n", f.User, l.RunAs, l.Spec)
	}
	if len(f.Left) > 0 {
		fmt.Fprintf(b, "\n# Left out:\n")
		for _, l := range f.Left {
			fmt.Fprintf(b, "#   %s: %s\n", at(l.Filter), filters.Prose(l.Why))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// at names a filter in a comment.
func at(e *policy.Entry) string {
	where := "built in"
	if e.File != "" {
		where = fmt.Sprintf("%s:%d", filters.Untrusted(e.File), e.Line)
	}
	return fmt.Sprintf("%s (%s, %s)", filters.Untrusted(e.Name), filters.Untrusted(e.Class), where)
}

// String is one line for the user of the tool.
func (l Left) String() string { return at(l.Filter) + ": " + filters.Prose(l.Why) }

const header = `# What %[1]s may run through sudo alone, without ironwrap: the part of
# %[2]s
# that sudo can say, and nothing else. Made by "ironwrapctl sudoers": make it again
# after each change of the policy or of a program. Needs sudo 1.9.10.
`

const defaults = `
# No variable of the caller's reaches the command (but TERM), programs are looked for
# where ironwrap does, limits and the mask for new files are root's, and the command
# gets a terminal of its own, so that it cannot type into the caller's.
Defaults:%[1]s env_reset, !env_keep, !env_check, !setenv, always_set_home
Defaults:%[1]s secure_path="%[2]s"
Defaults:%[1]s umask=0022, umask_override, use_pty, !requiretty, !lecture
Defaults:%[1]s rlimit_fsize=infinity, rlimit_cpu=infinity, rlimit_data=infinity, rlimit_as=infinity, rlimit_core="0,0"

# NOSETENV: no variable may be set on the command line. NOPASSWD: services have none.
`
