package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/trust"
)

// venv looks at the virtual environment that a Python belongs to, if it does: its
// pyvenv.cfg says where the standard library is, and its site-packages have files that
// run before any script, also with -I (site in Python's library reference). Python looks
// beside the path that it is called by, and in the directory above.
func (c *chain) venv(python string) error {
	dir := path.Dir(python)
	above := path.Dir(dir)
	for _, place := range []string{dir, above} {
		config := place + "/pyvenv.cfg"
		if c.Road.Absent(config) {
			continue
		}
		id, err := c.Road.Regular(config, c.Level, c.Owners...)
		switch {
		case err == nil:
			c.note(config, id)
			if err := c.base(config); err != nil {
				return err
			}
			return c.site(above)
		case hidden(err):
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("it runs Python code as %s says, which others than root could put there: install it where all directories are root's", filters.Show(config))
		default:
			return about("it runs Python code as it is said in", config, err)
		}
	}
	return nil
}

// base looks at where the Python that an environment was made from lies.
func (c *chain) base(config string) error {
	text, err := trust.File(config, c.Level)
	if err != nil && !errors.Is(err, trust.ErrUntrusted) && !hidden(err) { // the run-as user's has been noted
		return about("cannot read", config, err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, "=")
		home := strings.TrimSpace(value)
		if !strings.EqualFold(strings.TrimSpace(key), "home") || home == "" {
			continue
		}
		if err := c.directory(home, nil, deepest); err != nil {
			return about("it takes Python's library (pyvenv.cfg) from", home, err)
		}
	}
	return nil
}

// site looks at the directories of an environment whose files Python runs when it
// starts, and at those files.
func (c *chain) site(prefix string) error {
	for _, pattern := range []string{"lib*/python*/*-packages", "local/lib*/python*/*-packages"} {
		found, err := fs.Glob(os.DirFS(prefix), pattern)
		if err != nil {
			return err
		}
		for _, dir := range found {
			dir = path.Join(prefix, dir)
			if err := c.packages(dir); err != nil {
				return about("it runs Python code from", dir, err)
			}
		}
	}
	return nil
}

func (c *chain) packages(dir string) error {
	d, err := c.Road.Dir(dir, c.Level)
	if err != nil {
		if hidden(err) {
			return nil
		}
		return err
	}
	names, err := d.Names()
	d.Close()
	if err != nil {
		return err
	}
	var run []string
	for _, name := range names {
		if strings.HasSuffix(name, ".pth") || strings.HasPrefix(name, "sitecustomize.") || strings.HasPrefix(name, "usercustomize.") {
			run = append(run, name)
		}
	}
	return c.directory(dir, run, deepest)
}
