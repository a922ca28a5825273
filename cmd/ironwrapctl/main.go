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
	root := &cobra.Command{
		Use:           "ironwrapctl",
		Short:         "tell what an ironwrap policy does",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(explainCommand())
	root.AddCommand(seccompCommand())
	root.AddCommand(learnCommand(), learnBecomeCommand(), learnGuardCommand())

	err := root.Execute()
	var s status
	switch {
	case errors.As(err, &s):
		os.Exit(int(s))
	case err != nil:
		fmt.Fprintln(os.Stderr, "ironwrapctl:", err)
		os.Exit(2)
	}
}
