package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/review/collected"
	"ironwrap/policy/review/usage"
	"ironwrap/policy/trust"
)

func usageCommand() *cobra.Command {
	var format, since, patch, expectations, root string
	var journal bool
	c := &cobra.Command{
		Use:                   "usage [--format text|json] [--patch FILE] [--expectations FILE] [--root DIR] CONFIG --journal [--since TIME] | FILE...",
		DisableFlagsInUseLine: true,
		Short:                 "tell from the records which filters were used, and what would have sufficed",
		Long: `Usage reads the records of ironwrap, and those of oslo.rootwrap: in the journal, in
files of a system log (gzip too), in audit_file. It tells which of the filters that CONFIG leads
to were used, how often and by whom, which never were, and what was refused. Where
narrower filters would have allowed all that was recorded it proposes them, as a patch:
if the engine allows each recorded command with them in force, and if they are part
of the old ones. Nothing is executed but journalctl, and no file of the policy changed.

With --root CONFIG lies in the tree at DIR, whoever owns its files; the patch is for it.
No path leads through a link there.

docs/usage.md says what is generalised, and what a record is worth.

exit status: 0 told, 2 wrong use, or CONFIG or the records cannot be read.`,
		Example: `  ironwrapctl usage /etc/nova/rootwrap.conf --journal --since -30days
  ironwrapctl usage /etc/nova/rootwrap.conf /var/log/auth.log /var/log/auth.log.1
  ironwrapctl usage --patch narrower.diff --expectations nova.yaml /etc/nova/rootwrap.conf /var/lib/ironwrap/audit.log`,
		Args: needs("CONFIG"),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case journal == (len(args) > 1):
				return errors.New("which records? give --journal, or FILE (- for standard input)")
			case since != "" && !journal:
				return errors.New("--since is for --journal")
			case format != "text" && format != "json":
				return fmt.Errorf("format %q is neither text nor json", format)
			}
			e, err := usageEngine(root, args[0])
			if err != nil {
				return err
			}
			debug.SetGCPercent(200) // what is read is kept: there is little to collect
			var records usage.Collector
			take := func(in io.Reader) error { return records.Reading.Read(in, records.Take) }
			if journal {
				err = readJournal("syslog", since, take, "--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_UID")
			} else {
				err = readFiles(c.InOrStdin(), args[1:], take)
			}
			if err != nil {
				return err
			}
			r := records.Report(e)
			if r.Patch == "" && patch+expectations != "" {
				fmt.Fprintln(c.ErrOrStderr(), "ironwrapctl: nothing narrower is proposed: no file was written")
				patch, expectations = "", ""
			}
			return printUsage(c.OutOrStdout(), r, format, patch, expectations)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "how to print: text or json")
	c.Flags().BoolVar(&journal, "journal", false, "read the records from the journal")
	c.Flags().StringVar(&since, "since", "", "from the journal only what is not older than TIME (journalctl --since)")
	c.Flags().StringVar(&patch, "patch", "", "write the proposals to FILE, which must not exist, as a unified diff")
	c.Flags().StringVar(&expectations, "expectations", "", `write expectations that keep them to FILE, which must not exist, for "ironwrapctl test"`)
	c.Flags().StringVar(&root, "root", "", "CONFIG lies in the tree at `DIR`")
	words(c, "format", "text", "json")
	return c
}

// usageEngine is the engine for one configuration, also with other texts in the place of
// its files.
func usageEngine(root, config string) (usage.Engine, error) {
	if root != "" {
		return treeEngine(root, config)
	}
	path, err := filepath.Abs(config)
	if err != nil {
		return usage.Engine{}, err
	}
	p, err := policy.Load(path, trust.Object, inifile.Parse)
	if err != nil {
		return usage.Engine{}, err
	}
	return usage.Engine{
		Policy:  p,
		Machine: newAssuming(p),
		Read:    os.ReadFile,
		Patched: func(texts map[string][]byte) (*policy.Policy, error) {
			return policy.Load(path, trust.Object, patched(texts))
		},
	}, nil
}

// treeEngine is usageEngine for a configuration in a tree.
func treeEngine(root, config string) (usage.Engine, error) {
	s, err := side(root, config)
	if err != nil {
		return usage.Engine{}, err
	}
	tree, err := collected.Open(root)
	if err != nil {
		return usage.Engine{}, err
	}
	return usage.Engine{
		Policy:  s.Policy,
		Machine: s.Machine(),
		Root:    root,
		Read:    tree.Read,
		Patched: func(texts map[string][]byte) (*policy.Policy, error) { return tree.Load(config, patched(texts)) },
	}, nil
}

// patched reads other texts in the place of files.
func patched(texts map[string][]byte) policy.Parser {
	return func(file string, data []byte, mode document.Mode) (*document.Document, error) {
		if text, ok := texts[file]; ok {
			data = text
		}
		return inifile.Parse(file, data, mode)
	}
}

func printUsage(w io.Writer, r usage.Report, format, patch, expectations string) error {
	if patch != "" {
		if err := writeNew(patch, func(w io.Writer) error { _, err := io.WriteString(w, r.Patch); return err }); err != nil {
			return err
		}
	}
	if expectations != "" {
		err := writeNew(expectations, func(w io.Writer) error {
			return r.Expectations.Write(w, "What ironwrapctl usage proposes allows these, and refuses what its filters need not allow.")
		})
		if err != nil {
			return err
		}
	}
	if format == "json" {
		out, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", out)
		return err
	}
	return r.Text(w, patch == "")
}

// writeNew writes a file that is not there yet: a name in a directory of others may be
// a link of theirs.
func writeNew(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
