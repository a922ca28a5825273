// Command ironwrapctl is for people: it tells what a policy does.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is set by the build.
var version = "unknown"

// status is the exit status that a command ends with, all having been said.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func main() {
	err := newRoot().Execute()
	var s status
	switch {
	case errors.As(err, &s):
		os.Exit(int(s))
	case err != nil:
		fmt.Fprintln(os.Stderr, "ironwrapctl:", err)
		os.Exit(2)
	}
}

// newRoot is the command line.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ironwrapctl",
		Short: "tell what an ironwrap policy does",
		Long: `Ironwrapctl reads the configuration of ironwrap (oslo.rootwrap's rootwrap.conf and
filter files) with the executor's own engine, and tells what it does. It changes
nothing, but for what "compile", "seccomp compile" and "learn" make.`,
		Example: `  ironwrapctl check /etc/nova/rootwrap.conf
  ironwrapctl explain /etc/neutron/rootwrap.conf ip netns list
  ironwrapctl seccomp show storage`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(auditCommand())
	root.AddCommand(checkCommand())
	root.AddCommand(compileCommand())
	root.AddCommand(diffCommand())
	root.AddCommand(doctorCommand())
	root.AddCommand(explainCommand())
	root.AddCommand(seccompCommand())
	root.AddCommand(sudoersCommand())
	root.AddCommand(learnCommand(), learnBecomeCommand(), learnGuardCommand())
	root.AddCommand(testCommand())
	root.AddCommand(usageCommand())
	root.AddCommand(manCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.HasSubCommands() {
			onlyFor(c)
		}
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return badFlag(err) })
	return root
}

// onlyFor makes a command that is there for its subcommands alone refuse any other word.
func onlyFor(c *cobra.Command) {
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return fmt.Errorf("%s has no %q: there is %s", c.Name(), args[0], strings.Join(names, ", "))
	}
}

// badFlag says of a value that a flag does not take what it takes.
func badFlag(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err
	}
	what, known := map[string]string{
		"bool": "true or false", "float64": "a number", "int": "a whole number", "stringSlice": "a list with commas between, such as a,b",
	}[bad.GetFlag().Value.Type()]
	if !known {
		return err
	}
	return fmt.Errorf("--%s %q is not %s", bad.GetFlag().Name, bad.GetValue(), what)
}

// needs demands at least one argument for each name, which are named in the error.
func needs(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= len(names) {
			return nil
		}
		missing, is := strings.Join(names[len(args):], " and "), "is"
		if len(names)-len(args) > 1 {
			is = "are"
		}
		return fmt.Errorf("%s %s missing: %s", missing, is, useLine(c))
	}
}

// takes demands one argument for each name, and no more.
func takes(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return fmt.Errorf("%q is one too many: %s", args[len(names)], useLine(c))
		}
		return needs(names...)(c, args)
	}
}

func useLine(c *cobra.Command) string { return strings.TrimSuffix(c.UseLine(), " [flags]") }
