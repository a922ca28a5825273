// Command ironwrapctl is for people: it tells what a policy does.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
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
	root.AddCommand(explainCommand())
	root.AddCommand(seccompCommand())
	root.AddCommand(sudoersCommand())
	root.AddCommand(learnCommand(), learnBecomeCommand(), learnGuardCommand())
	root.AddCommand(manCommand())
	return root
}
