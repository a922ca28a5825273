package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
	"ironwrap/sandbox/record/audited"
)

// auditSource is where the kernel's records are, and which of them count.
type auditSource struct {
	journal bool
	since   string   // for journalctl
	files   []string // - is standard input

	programs []string // beside the command's own: absolute paths
	users    []string // beside the run-as user
	add      []string // system calls that are added though they need a look
	profile  string   // the file to write; "" for none
}

func (s *auditSource) usable() error {
	if s.journal == (len(s.files) > 0) {
		return errors.New("which records? write --journal, or FILE before the two dashes (- for standard input)")
	}
	if s.since != "" && !s.journal {
		return errors.New("--since is for --journal")
	}
	for _, p := range s.programs {
		if !filepath.IsAbs(p) {
			return fmt.Errorf("--exe %s is not an absolute path, which a record has", filters.Show(p))
		}
	}
	return nil
}

// learnFromAudit tells what a command's profile and Landlock rules would have to allow
// beside what they do, by the kernel's records. The command is not run.
func learnFromAudit(c *cobra.Command, config string, argv []filters.Untrusted, s auditSource) error {
	p, err := policy.Load(config, trust.Object, inifile.Parse)
	if err != nil {
		return refuse(97, "Incorrect configuration file: %v", err)
	}
	d := p.Decide(policy.Request{Argv: argv, Machine: machine.New(p.ExecDirs, p.Trust)})
	if d.Verdict != policy.Allowed {
		return unallowed(d, argv)
	}
	box, err := tried(d)
	if err != nil {
		return err
	}
	log := &audited.Log{Users: map[uint32]bool{}, Maker: makes}
	for _, name := range append([]string{d.RunAs}, s.users...) {
		u, err := account.Lookup(name)
		if err != nil {
			return err
		}
		log.Users[u.UID] = true
	}
	if err := s.read(c.InOrStdin(), log); err != nil {
		return err
	}

	t := &trial{box: box, log: log, programs: append(programsOf(d), s.programs...), wanted: s.add}
	if err := t.assess(); err != nil {
		return err
	}
	if s.profile != "" && len(t.added) > 0 {
		if err := writeNew(s.profile, func(w io.Writer) error { _, err := w.Write(t.extended); return err }); err != nil {
			return err
		}
	}
	t.print(c.OutOrStdout(), d, s.profile)
	return nil
}

// boxed is a sandbox section that is in force for a command.
type boxed struct {
	whose string // "filter dd"
	*policy.Sandbox
}

// tried is the one section that the records can be about.
func tried(d policy.Decision) (boxed, error) {
	var all, logging []boxed
	for _, c := range d.Confinements() {
		b := boxed{c.Whose, c.Sandbox}
		if b.profiled() || b.landlocked() {
			all = append(all, b)
		}
		if b.profiled() && b.SeccompLog || b.landlocked() && b.LandlockLog {
			logging = append(logging, b)
		}
	}
	if len(logging) > 0 {
		all = logging
	}
	switch len(all) {
	case 0:
		return boxed{}, fmt.Errorf("no sandbox section of filter %s names a seccomp profile or has Landlock rules: there is nothing to extend; ironwrapctl learn without --from-audit makes a first one", filters.Show(d.Filter.Name))
	case 1:
		return all[0], nil
	}
	return boxed{}, fmt.Errorf("the sections of %s and of %s hold for the command, and a record does not tell which it is about: try one at a time", all[0].whose, all[1].whose)
}

func (b boxed) profiled() bool { return b.Seccomp != "" && b.Seccomp != "none" }

func (b boxed) landlocked() bool {
	return b.LandlockRO != nil || b.LandlockRW != nil || b.LandlockBind != nil || b.LandlockConnect != nil || b.LandlockScope != nil
}

// makes tells that a program restricts itself by Landlock to become a command. One of
// that name that is not root's is somebody's own.
func makes(exe string) bool {
	if base := filepath.Base(exe); base != "ironwrap" && base != "ironwrap-launch" {
		return false
	}
	_, err := trust.Regular(exe, trust.Object)
	return err == nil
}

// programsOf are the files that the kernel executes for a command, as its records name
// them.
func programsOf(d policy.Decision) (list []string) {
	for _, p := range d.Programs {
		for _, path := range []string{p.ELF, p.Path} {
			if path != "" && !slices.Contains(list, path) {
				list = append(list, path)
			}
		}
	}
	return list
}

func (s *auditSource) read(stdin io.Reader, log *audited.Log) error {
	if s.journal {
		return s.readJournal(log)
	}
	return readFiles(stdin, s.files, log.Read)
}

// readJournal takes what came over the audit subsystem, and where that is nothing what
// the kernel printed: where both are, they are the same records twice. Nobody else can
// write under these transports.
func (s *auditSource) readJournal(log *audited.Log) error {
	for _, transport := range []string{"audit", "kernel"} {
		if err := readJournal(transport, s.since, log.Read, "--output=cat"); err != nil {
			return err
		}
		if len(log.Calls)+len(log.Refusals)+log.Others+log.Orphans > 0 {
			return nil
		}
	}
	return nil
}

// sorted are the keys of a map in the order that less has.
func sorted[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), compare)
}
