package filters

import "testing"

func TestReadFile(t *testing.T) {
	f := newFilter(t, "ReadFileFilter, /etc/nova/x")
	check(t, f, &fakeMachine{stable: map[string]bool{"/etc/nova/x": true}}, []row{
		{"cat /etc/nova/x", ""},
		{"cat /etc/nova/x<n>", "not: cat /etc/nova/x"},
		{"cat /etc/nova/y", "not: cat"},
		{"cat /etc/nova/../nova/x", "not: cat"},
		{"cat //etc/nova/x", "not: cat"},
		{"cat -n /etc/nova/x", "not: cat"},
		{"cat /etc/nova/x /etc/nova/x", "not: cat"},
		{"cat", "not: cat"},
		{"/bin/cat /etc/nova/x", "not: cat"}, // as the peer
		{"CAT /etc/nova/x", "not: cat"},
		{"tac /etc/nova/x", "not: cat"},
	})
	// Who owns a directory on the way could put a link to any file there.
	check(t, f, &fakeMachine{}, []row{{"cat /etc/nova/x", "is not stable"}})
	// Nothing is there, and nobody but root can put anything there.
	check(t, f, &fakeMachine{absent: map[string]bool{"/etc/nova/x": true}}, []row{{"cat /etc/nova/x", ""}, {"cat /etc/nova/y", "not: cat"}})
	check(t, newFilter(t, "ReadFileFilter, relative"), &fakeMachine{}, []row{{"cat relative", "is not stable"}})
}
