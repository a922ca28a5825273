package main

import (
	"os"
	"strings"
	"testing"

	"ironwrap/policy/review/lint"
	"ironwrap/policy/review/sudoers/grants"
)

// sudoOf puts files of a test's in the place of sudo's.
func sudoOf(t *testing.T, sudoers, conf, switched string) {
	t.Helper()
	dir := t.TempDir()
	old := []string{machineSudoers, sudoConf, nsswitch}
	t.Cleanup(func() { machineSudoers, sudoConf, nsswitch = old[0], old[1], old[2] })
	machineSudoers, sudoConf, nsswitch = dir+"/none", dir+"/none", dir+"/none"
	for _, f := range []struct {
		at   *string
		name string
		text string
	}{{&machineSudoers, "sudoers", sudoers}, {&sudoConf, "sudo.conf", conf}, {&nsswitch, "nsswitch.conf", switched}} {
		if f.text != "" {
			*f.at = write(t, dir, f.name, f.text)
		}
	}
}

// TestMachineSudoers: what of the machine's own cannot be read is told, and where there
// is no sudo nothing is.
func TestMachineSudoers(t *testing.T) {
	read := func() *lint.Sudoers {
		t.Helper()
		s, err := readSudoers("", nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	sudoOf(t, "", "", "sudoers: sss\n")
	if s := read(); s != nil {
		t.Errorf("no sudo: %+v", s)
	}
	if s, err := readSudoers("", []string{"nova"}); err != nil || s == nil || len(s.Unread) == 0 {
		t.Errorf("no sudo, and a user is named: %+v, %v", s, err)
	}
	if _, err := os.Stat(grants.Program); err != nil {
		t.Skipf("%s is not there (make testdeps installs it): no sudoers file was read", grants.Program)
	}

	sudoOf(t, "nova ALL = ALL\n", "# Plugin x_policy x.so\nPlugin sudoers_policy sudoers.so\nSet disable_coredump false\n", "# sudoers: ldap\nsudoers: files\npasswd: files sss\n")
	if s := read(); s.Rules == nil || len(s.Unread) > 0 || s.Named || len(s.Lines) != 1 {
		t.Errorf("all is read: %+v", s)
	}
	sudoOf(t, "nova ALL = ALL\n", "Plugin sudoers_policy sudoers.so sudoers_file=/etc/other\nPlugin y_policy y.so\n", "sudoers: files [SUCCESS=return] sss ldap\n")
	if s := read(); s.Rules == nil || len(s.Unread) != 4 {
		t.Errorf("other sources: %+v", s)
	}
	sudoOf(t, "Defaults nosuchoption\n", "", "")
	if s := read(); s.Rules == nil || len(s.Unread) != 1 || !strings.Contains(s.Unread[0], "nosuchoption") {
		t.Errorf("an option that is passed over: %+v", s)
	}
	sudoOf(t, "nova ALL = (\n", "", "")
	if s := read(); s.Rules != nil || s.Err == nil {
		t.Errorf("refused: %+v", s)
	}
}
