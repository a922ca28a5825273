package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the man pages of all commands, for make install.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIRECTORY",
		Short:   "write the man pages of all commands into a directory",
		Hidden:  true,
		Example: "  ironwrapctl man /usr/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			c.Root().DisableAutoGenTag = true // it has the day, and packages are to be reproducible
			header := doc.GenManHeader{Section: "1", Source: "ironwrap " + version, Manual: "ironwrap"}
			return doc.GenManTree(c.Root(), &header, args[0])
		},
	}
}
