package filters

import (
	"slices"
	"testing"
)

func TestCommand(t *testing.T) {
	check(t, newFilter(t, "CommandFilter, /usr/bin/id, root"), nil, []row{
		{"id", ""},
		{"/usr/bin/id", ""},
		{"id -u root", ""},
		{"id  <n>", ""}, // any argument
		{"", "is not /usr/bin/id"},
		{"/bin/id", "is not /usr/bin/id"},
		{"./id", "is not"},
		{"bin/id", "is not"},
		{"/usr/bin/id/", "is not"},
		{"//usr/bin/id", "is not"},
		{"/usr/bin/../bin/id", "is not"},
		{"id<n>", `the command is not`},
		{"ID", "is not"},
		{"i", "is not"},
		{"idx", "is not"},
		{"env id", "is not"},
	})
	check(t, newFilter(t, "CommandFilter, id, root"), nil, []row{
		{"id", ""},
		{"/usr/bin/id", "is not id"}, // where exec_dirs has it does not count
		{"./id", "is not id"},
	})
	check(t, newFilter(t, "CommandFilter, /usr/bin/, root"), nil, []row{
		{"/usr/bin/", ""}, // no program is found for it
		{"bin", "is not"},
		{"/usr/bin", "is not"},
	})
	m := newFilter(t, "CommandFilter, id, root").Match(argv("id -u  x"), nil)
	if !slices.Equal(m.Args, argv("-u  x")) || m.Env != nil || m.Nested != 0 || m.Signal != nil {
		t.Errorf("the match is %+v", m)
	}
}
