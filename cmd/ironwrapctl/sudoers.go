package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/review/sudoers"
	"ironwrap/policy/trust"
)

func sudoersCommand() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use:   "sudoers --user NAME CONFIG",
		Short: "say with sudo alone what a policy allows",
		Long: `Sudoers prints a sudoers file that lets NAME run, through sudo alone, what the
filters that CONFIG leads to allow: for the day when ironwrap has to be out of the way
(nova's disable_rootwrap). It never allows more than the policy. Filters that sudo has
no words for are left out, and listed with the reason in the file and on standard
error.

exit status: 0 the file is printed, 2 wrong use or CONFIG cannot be used.`,
		Example: `  ironwrapctl sudoers --user nova /etc/nova/rootwrap.conf > /etc/sudoers.d/nova-fallback.tmp
  visudo -c -f /etc/sudoers.d/nova-fallback.tmp`,
		Args: takes("CONFIG"),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			p, err := policy.Load(path, trust.Object, inifile.Parse)
			if err != nil {
				return err
			}
			f, err := sudoers.New(p, user, machine.New(p.ExecDirs, p.Trust), func(name string) bool {
				_, err := account.Lookup(name)
				return err == nil
			})
			if err != nil {
				return err
			}
			for _, l := range f.Left {
				fmt.Fprintf(c.ErrOrStderr(), "left out: %s\n", l)
			}
			return f.Write(c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&user, "user", "", "who is to be let")
	if err := c.MarkFlagRequired("user"); err != nil {
		panic(err)
	}
	return c
}
