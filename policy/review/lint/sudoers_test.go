package lint

import (
	"os"
	"path/filepath"
	"testing"

	"ironwrap/policy/review/sudoers/grants"
)

// Sudoers has the real cvtsudoers read what the example has for sudoers.
func (e example) Sudoers() *Sudoers {
	if e.sudoers == "" {
		return nil
	}
	path := filepath.Join(e.dir, "sudoers")
	s := &Sudoers{Path: path, Named: true, Whole: true}
	if e.unread != "" {
		s.Unread = []string{e.unread}
	}
	out, complaints, err := grants.Convert(path)
	if err != nil {
		s.Err = err
		return s
	}
	s.Unread = append(s.Unread, complaints...)
	if s.Rules, err = grants.Read(out); err != nil {
		s.Err = err
	}
	s.Lines = SudoersLines(path)
	return s
}

// withSudo skips what needs cvtsudoers, where that is not installed.
func withSudo(t *testing.T, e example) {
	t.Helper()
	if _, err := os.Stat(grants.Program); err != nil && e.sudoers != "" {
		t.Skipf("%s is not there (make testdeps installs it): no sudoers rule was checked", grants.Program)
	}
}
