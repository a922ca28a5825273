package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ironwrap/policy/account"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/difference"
	"ironwrap/policy/review/difference/page"
	"ironwrap/policy/review/exposure"
	"ironwrap/sandbox/seccomp"
)

// diffOptions is what diff was called with.
type diffOptions struct {
	format, failOn   string
	oldRoot, newRoot string
	package_         bool
	archives         []string
	accepted         string
}

func diffCommand() *cobra.Command {
	var o diffOptions
	c := &cobra.Command{
		Use:                   "diff [--format text|json|html|accepted] [--fail-on any|wider] [--accepted FILE] [--old-root DIR] [--new-root DIR] OLD NEW | --against-package [--archive FILE]... NEW",
		DisableFlagsInUseLine: true,
		Short:                 "tell what one policy decides otherwise than another",
		Long: `Diff compares two configurations by what they mean, not by how they are written: which
commands NEW allows that OLD did not, and the reverse, and which run as another user, in
another sandbox, with another environment or as another program. Each difference has a
shortest command that shows it, which both policies were asked about with the executor's
own engine. It compares rootwrap.conf as well. Where no command is decided differently it
says so; that is a proof. What could not be found out is listed, and counts as different.
Nothing is executed.

OLD and NEW are paths of configurations. With --old-root and --new-root they are paths in
a tree that was collected from some host, and so are all paths that they name. With
--against-package OLD is what the packages that own NEW's files brought, where dpkg or rpm
knows them; a file that was changed is taken from FILE.dpkg-dist or FILE.rpmnew, from the
cache of apt, or from a package given with --archive.

What --accepted FILE accepts is shown and does not count. --format accepted prints an
entry for all else, to be filled in: docs/accepted.md describes the file.

Both are asked about the same machine: programs are where they are here, or in the trees;
those that neither side has are taken for present. No path leads through a link.

exit status: 0 the same, 1 different (with --fail-on wider, only where NEW may allow
more), 2 wrong use or OLD or NEW cannot be used.`,
		Example: `  ironwrapctl diff /etc/nova/rootwrap.conf /root/new/rootwrap.conf
  ironwrapctl diff --fail-on wider --format json old/rootwrap.conf new/rootwrap.conf
  ironwrapctl diff --old-root /srv/host1 --new-root /srv/host2 /etc/nova/rootwrap.conf /etc/nova/rootwrap.conf
  ironwrapctl diff --against-package --format html /etc/neutron/rootwrap.conf > changes.html`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case o.package_ && len(args) != 1:
				return errors.New("--against-package takes one configuration, NEW")
			case o.package_:
				return nil
			}
			return takes("OLD", "NEW")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			print := map[string]func(io.Writer, difference.Report) error{
				"text": diffText, "json": diffJSON, "accepted": diffAccepted,
				"html": func(w io.Writer, r difference.Report) error { return page.Write(w, r, version) },
			}[o.format]
			if print == nil {
				return fmt.Errorf("format %q is none of text, json, html and accepted", o.format)
			}
			if o.failOn != "any" && o.failOn != "wider" {
				return fmt.Errorf("--fail-on %q is neither any nor wider", o.failOn)
			}
			risks, err := readAccepted(o.accepted)
			if err != nil {
				return err
			}
			old, new, err := o.sides(args)
			if err != nil {
				return err
			}
			r := difference.Compare(old, new, exposure.Machine{
				UID:     func(name string) (uint32, error) { u, err := account.Lookup(name); return u.UID, err },
				Seccomp: profiles{}.allows,
				Profile: seccomp.Locate,
			})
			if o.package_ {
				r.Old = "the packages' own files"
			}
			r.Accept(risks)
			if err := print(c.OutOrStdout(), r); err != nil {
				return err
			}
			if r.Fails(o.failOn == "wider") {
				return status(1)
			}
			return nil
		},
	}
	c.Flags().StringVar(&o.format, "format", "text", "how to print: text, json, html or accepted")
	c.Flags().StringVar(&o.accepted, "accepted", "", "what `FILE` accepts is shown and does not count")
	c.Flags().StringVar(&o.failOn, "fail-on", "any", "exit with 1 for any difference, or only for what may be wider")
	c.Flags().StringVar(&o.oldRoot, "old-root", "", "OLD lies in the tree at `DIR`")
	c.Flags().StringVar(&o.newRoot, "new-root", "", "NEW lies in the tree at `DIR`")
	c.Flags().BoolVar(&o.package_, "against-package", false, "OLD is what the packages of NEW's files brought")
	c.Flags().StringArrayVar(&o.archives, "archive", nil, "take a changed file's original from this package `FILE` (.deb, .rpm)")
	c.MarkFlagsMutuallyExclusive("against-package", "old-root")
	c.MarkFlagsMutuallyExclusive("against-package", "new-root")
	words(c, "format", "text", "json", "html", "accepted")
	words(c, "fail-on", "any", "wider")
	return c
}

// sides loads both policies.
func (o diffOptions) sides(args []string) (old, new *difference.Side, err error) {
	if o.package_ {
		return packaged(args[0], o.archives)
	}
	if old, err = side(o.oldRoot, args[0]); err != nil {
		return nil, nil, err
	}
	new, err = side(o.newRoot, args[1])
	return old, new, err
}

// side loads one policy: in a tree its path is from the tree's own root directory.
func side(root, config string) (*difference.Side, error) {
	var err error
	if root == "" {
		if config, err = filepath.Abs(config); err != nil {
			return nil, err
		}
		return difference.Load("", config)
	}
	if root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	return difference.Load(root, filepath.Clean("/"+strings.TrimPrefix(config, "/")))
}

func diffAccepted(w io.Writer, r difference.Report) error {
	return accepted.Propose(w, r.Unaccepted())
}

func diffJSON(w io.Writer, r difference.Report) error {
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}
