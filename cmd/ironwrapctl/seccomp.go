package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"

	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
	"ironwrap/sandbox/seccomp/probe"
	"ironwrap/sandbox/seccomp/profile"
)

// The kernel is asked by this program, started again.
func init() { probe.Child() }

func seccompCommand() *cobra.Command {
	var caps []string
	c := &cobra.Command{
		Use:   "seccomp",
		Short: "compile seccomp profiles, and tell what they allow",
		Long: `A seccomp profile lists the system calls that a command may make. It is a JSON
file as container runtimes have them (the "seccomp" object of the OCI runtime
specification, with what Docker adds). A profile is given as the NAME of a shipped
one, or as the path of a file that ends with .json.

ironwrap reads no JSON: it loads the program that "compile" leaves beside the
profile, and runs nothing if there is none, or the profile has changed since.`,
		Example: `  ironwrapctl seccomp compile /etc/ironwrap/backup.json
  ironwrapctl seccomp test storage mount`,
	}
	c.PersistentFlags().StringSliceVar(&caps, "capabilities", nil, `the capabilities the command may have, for rules with "includes" or "excludes": CAP_NET_ADMIN,... (none if not given)`)
	c.AddCommand(seccompCompile(&caps), seccompShow(&caps), seccompDiff(&caps), seccompTest(&caps))
	return c
}

// profileSource is a profile as it is on disk, resolved for this machine.
type profileSource struct {
	path, program string
	data          []byte
	rules         *specs.LinuxSeccomp
	machine       profile.Machine
}

// openProfile reads the profile that arg names.
func openProfile(arg string, caps []string) (*profileSource, error) {
	for _, name := range caps {
		if !strings.HasPrefix(name, "CAP_") {
			return nil, fmt.Errorf("%q is not the name of a capability, such as CAP_NET_ADMIN", name)
		}
	}
	value := arg
	if strings.Contains(arg, "/") || strings.HasSuffix(arg, ".json") {
		var err error
		if value, err = filepath.Abs(arg); err != nil {
			return nil, err
		}
	}
	s := new(profileSource)
	var err error
	if s.path, s.program, err = seccomp.Locate(value); err != nil {
		return nil, err
	}
	file, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if s.data, err = io.ReadAll(io.LimitReader(file, profile.MaxSize+1)); err != nil {
		return nil, err
	}
	if s.machine, err = compile.ThisMachine(caps); err != nil {
		return nil, err
	}
	parsed, err := profile.Parse(s.data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	if s.rules, err = parsed.Resolve(s.machine); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return s, nil
}

// compiled is the program of s. The notes go to stderr.
func (s *profileSource) compiled(stderr io.Writer) (*seccomp.Program, error) {
	p, notes, err := compile.Program(s.data, s.machine)
	for _, n := range notes {
		fmt.Fprintf(stderr, "%s: note: %s\n", s.path, n)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return p, nil
}

func seccompCompile(caps *[]string) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "compile [--output FILE] PROFILE...",
		Short: "make the programs that ironwrap loads",
		Long: `Compile makes a program for this machine out of each PROFILE, and puts it beside
the profile with .bpf for .json, or at FILE. It must be done again when a profile
has changed. A profile under which nothing could be started is refused.`,
		Example: `  ironwrapctl seccomp compile /etc/ironwrap/backup.json
  ironwrapctl seccomp compile --capabilities CAP_SYS_ADMIN --output /tmp/x.bpf storage`,
		Args: needs("PROFILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if output != "" && len(args) > 1 {
				return errors.New("--output is for one profile")
			}
			for _, arg := range args {
				s, err := openProfile(arg, *caps)
				if err != nil {
					return err
				}
				p, err := s.compiled(c.ErrOrStderr())
				if err != nil {
					return err
				}
				to := s.program
				if output != "" {
					to = output
				}
				if err := replaceFile(to, p.Encode()); err != nil {
					return fmt.Errorf("cannot write %s: %w", to, err)
				}
			}
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "where to put the program")
	return c
}

// replaceFile puts a file in place whole or not at all: a program cut short would
// stop every command under its profile.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".seccomp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func seccompShow(caps *[]string) *cobra.Command {
	var listing bool
	c := &cobra.Command{
		Use:   "show [--bpf] PROFILE|FILE.bpf",
		Short: "print what a profile does with each system call",
		Long: `Show prints a line for each rule of a profile, as it is for this machine, or for
each system call of a compiled program, of which the conditions cannot be told.
With --bpf the program follows, instruction by instruction.`,
		Example: `  ironwrapctl seccomp show storage
  ironwrapctl seccomp show --bpf /etc/ironwrap/backup.bpf`,
		Args: takes("PROFILE"),
		RunE: func(c *cobra.Command, args []string) error {
			out := c.OutOrStdout()
			if strings.HasSuffix(args[0], ".bpf") {
				p, err := readProgram(args[0])
				if err != nil {
					return err
				}
				showProgram(out, p)
				if listing {
					fmt.Fprintf(out, "\n%s", bpf.Text(p.Filter()))
				}
				return nil
			}
			s, err := openProfile(args[0], *caps)
			if err != nil {
				return err
			}
			p, err := s.compiled(c.ErrOrStderr())
			if err != nil {
				return err
			}
			for _, line := range append(ruleHeader(s.rules), ruleLines(s.rules)...) {
				fmt.Fprintln(out, line)
			}
			if listing {
				fmt.Fprintf(out, "\n%s", bpf.Text(p.Filter()))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&listing, "bpf", false, "print the program too")
	return c
}

func readProgram(path string) (*seccomp.Program, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, seccomp.MaxSize+1))
	if err != nil {
		return nil, err
	}
	p, err := seccomp.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func seccompDiff(caps *[]string) *cobra.Command {
	return &cobra.Command{
		Use:   "diff A B",
		Short: "print the rules in which two profiles differ",
		Long: `Diff prints the lines of "show" that only A has, with -, and that only B has,
with +, by system call.

exit status: 0 no difference, 1 differences, 2 a profile cannot be read.`,
		Example: "  ironwrapctl seccomp diff default /etc/ironwrap/backup.json",
		Args:    takes("A", "B"),
		RunE: func(c *cobra.Command, args []string) error {
			var have [2][]string
			var programs [2]string
			for i, arg := range args {
				s, err := openProfile(arg, *caps)
				if err != nil {
					return err
				}
				have[i] = append(ruleHeader(s.rules), ruleLines(s.rules)...)
				p, err := s.compiled(c.ErrOrStderr())
				if err != nil {
					return err
				}
				programs[i] = fmt.Sprint(p.Flags(), bpf.Text(p.Filter()))
			}
			var out []string
			for i, sign := range []string{"- ", "+ "} {
				for _, line := range have[i] {
					if !slices.Contains(have[1-i], line) {
						out = append(out, sign+line)
					}
				}
			}
			slices.SortStableFunc(out, func(a, b string) int {
				return strings.Compare(strings.Fields(a[2:])[0], strings.Fields(b[2:])[0])
			})
			for _, line := range out {
				fmt.Fprintln(c.OutOrStdout(), line)
			}
			if len(out) == 0 && programs[0] != programs[1] {
				fmt.Fprintln(c.ErrOrStderr(), "ironwrapctl: the rules read alike, and the programs made of them differ: seccomp show --bpf shows them")
			}
			if programs[0] != programs[1] || len(out) > 0 {
				return status(1)
			}
			return nil
		},
	}
}

func seccompTest(caps *[]string) *cobra.Command {
	c := &cobra.Command{
		Use:   "test PROFILE|FILE.bpf SYSCALL [ARG...]",
		Short: "ask the kernel whether a system call is allowed",
		Long: `Test loads the profile in a child process and has the kernel answer for SYSCALL,
a name or a number, with up to six arguments, numbers as in C; those not given are
0. The call itself is not made, whatever the answer. Arguments that the kernel
takes for addresses are only numbers to a filter.

exit status: 0 allowed, 1 refused, 2 the question cannot be put.`,
		Example: `  ironwrapctl seccomp test storage mount
  ironwrapctl seccomp test default ioctl 0 0x5412`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 8 {
				return fmt.Errorf("%d arguments are given, and a system call has six at most", len(args)-2)
			}
			return needs("PROFILE", "SYSCALL")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			number, err := compile.Number(args[1])
			if err != nil {
				return err
			}
			var values [6]uint64
			for i, arg := range args[2:] {
				if values[i], err = callArgument(arg); err != nil {
					return err
				}
			}
			var p *seccomp.Program
			if strings.HasSuffix(args[0], ".bpf") {
				p, err = readProgram(args[0])
			} else {
				var s *profileSource
				if s, err = openProfile(args[0], *caps); err == nil {
					p, err = s.compiled(c.ErrOrStderr())
				}
			}
			if err != nil {
				return err
			}
			v, err := probe.Ask(p, number, values)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), v)
			if !v.Allowed {
				return status(1)
			}
			return nil
		},
	}
	c.Flags().SetInterspersed(false) // -1 is an argument
	return c
}

// callArgument reads 64 bits: 12, 0x5412, 0o17, -1.
func callArgument(s string) (uint64, error) {
	if v, err := strconv.ParseUint(s, 0, 64); err == nil {
		return v, nil
	}
	v, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of 64 bits", s)
	}
	return uint64(v), nil
}
