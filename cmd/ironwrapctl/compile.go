package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/compiled"
	"ironwrap/policy/inifile"
	"ironwrap/policy/store"
	"ironwrap/policy/trust"
)

func compileCommand() *cobra.Command {
	var remove, look bool
	c := &cobra.Command{
		Use:                   "compile [--status|--remove] CONFIG...",
		DisableFlagsInUseLine: true,
		Short:                 "read policies ahead of the calls",
		Long: `Compile reads each CONFIG (a rootwrap.conf) with its filters, and keeps what it has
read in ` + store.Dir + `, where the calls that follow find it. A call
obeys what is kept only while each file and directory is what it was; else it reads the
files. No decision is kept, and none becomes another.

Calls by root, as all are that go through sudo, keep what they have read themselves.
Calls by others, where ironwrap is setuid, never do: for them compile is to be run, at
each start of the machine, after each change of the files and each new ironwrap. Name
CONFIG by the very path that they name. It takes root, and a /run on a tmpfs.

What was changed a moment ago is waited for, some seconds.

exit status: 0 all is kept (with --status: and holds; with --remove: nothing is), 1 some
is not, and why is said, 2 wrong use.`,
		Example: `  ironwrapctl compile /etc/ironwrap/nova/rootwrap.conf
  ironwrapctl compile --status /etc/ironwrap/*/rootwrap.conf`,
		Args: needs("CONFIG"),
		RunE: func(c *cobra.Command, args []string) error {
			if os.Geteuid() != 0 {
				return errors.New("cannot keep a policy, nor see what is kept: run this as root")
			}
			do := keep
			switch {
			case remove:
				do = forget
			case look:
				do = holds
			}
			var failed error
			for _, arg := range args {
				path, err := callersPath(arg)
				if err != nil {
					return err
				}
				said, err := do(path)
				if err != nil {
					fmt.Fprintf(c.ErrOrStderr(), "ironwrapctl: %s: %v\n", filters.Show(path), err)
					failed = status(1)
				} else {
					fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", filters.Show(path), said)
				}
			}
			return failed
		},
	}
	c.Flags().BoolVar(&look, "status", false, "tell whether what is kept holds for the files as they are, and write nothing")
	c.Flags().BoolVar(&remove, "remove", false, "remove what is kept")
	c.MarkFlagsMutuallyExclusive("status", "remove")
	return c
}

// callersPath is arg as a call would have it: what is kept goes by the path that is
// named, and not by where it leads.
func callersPath(arg string) (string, error) {
	if filepath.IsAbs(arg) {
		return arg, nil
	}
	return filepath.Abs(arg)
}

// compilation is a policy as it is read now.
type compilation struct {
	filters int
	text    *compiled.Policy
	data    []byte
	began   time.Time
}

func compilePolicy(path string) (c compilation, err error) {
	if c.began, err = trust.Now(); err != nil {
		return c, err
	}
	p, text, err := policy.Read(path, trust.Object, inifile.Parse)
	if err != nil {
		return c, err
	}
	for _, f := range p.Filters {
		if f.File != "" { // the implicit one stands in none
			c.filters++
		}
	}
	c.text = text
	c.data, err = compiled.Encode(text)
	return c, err
}

func (c compilation) String() string {
	return fmt.Sprintf("%s, %s in %s", many(c.filters, "filter"), many(len(c.data), "byte"), filters.Show(store.Path(c.text.Path)))
}

func keep(path string) (said string, err error) {
	for attempt := 1; ; attempt++ {
		c, err := compilePolicy(path)
		if err == nil {
			err = store.Keep(c.text, c.data, c.began)
		}
		switch {
		case err == nil:
			return "kept: " + c.String(), nil
		case errors.Is(err, store.ErrTooNew) && attempt < 3:
			time.Sleep(trust.Settled)
		case errors.Is(err, store.ErrNotKept):
			return "", err
		default: // which may begin with the path, as each line does already
			return "", errors.New("not kept: " + strings.TrimPrefix(err.Error(), filters.Show(path)+": "))
		}
	}
}

// holds looks at what is kept as a call does, and then whether all of it is there.
func holds(path string) (said string, err error) {
	k, err := store.Open(path, nil)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrNone) {
		return "", errors.New("nothing is kept")
	}
	if err != nil {
		return "", fmt.Errorf("nothing is kept that a call obeys: %w", err)
	}
	defer k.Close()
	if _, err := policy.Open(k.Book, path, trust.Object, nil, nil); err != nil {
		return "", fmt.Errorf("what is kept does not hold: %w", err)
	}
	c, err := compilePolicy(path)
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(store.Path(path))
	if err != nil {
		return "", err
	}
	if !bytes.Equal(data, c.data) {
		return "", errors.New("what is kept is damaged, and calls read the files: compile it again")
	}
	return "holds: " + c.String(), nil
}

func forget(path string) (said string, err error) {
	if err := store.Remove(path); err != nil {
		return "", err
	}
	return "nothing is kept", nil
}
