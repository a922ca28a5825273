package account

import (
	"slices"
	"sync"

	"ironwrap/policy/trust"
)

// Database is for a process that looks up the same users over and over: it remembers
// those of /etc/passwd while that file and /etc/group are as they were. Of what a name
// service says it remembers nothing. Many goroutines may use one; without one (nil)
// nothing is remembered.
type Database struct {
	mu    sync.Mutex
	files files // PasswdFile and GroupFile, as they were when users were looked up
	users map[string]User
}

// files are the identities of PasswdFile and GroupFile.
type files [2]trust.Identity

// settled is trust.Settled, but in tests.
var settled = trust.Settled

// Lookup is like the function Lookup.
func (d *Database) Lookup(name string) (User, error) {
	if d == nil {
		return Lookup(name)
	}
	files, known := look()
	if u, ok := d.remembered(name, files); ok && known {
		return u, nil
	}
	u, local, err := lookup(name)
	if err != nil || !local || !known || !files.old() {
		return u, err
	}
	if after, _ := look(); after == files {
		d.remember(u, files)
	}
	return u, nil
}

func (d *Database) remembered(name string, files files) (u User, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if files != d.files {
		return User{}, false
	}
	u, known = d.users[name]
	u.Groups = slices.Clone(u.Groups)
	return u, known
}

func (d *Database) remember(u User, files files) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if files != d.files || d.users == nil {
		d.files, d.users = files, make(map[string]User)
	}
	u.Groups = slices.Clone(u.Groups)
	d.users[u.Name] = u
}

// old tells that a change from now on shows.
func (f files) old() bool {
	now, err := trust.Now()
	return err == nil && f[0].Local && f[1].Local && now.Sub(f[0].Changed()) > settled && now.Sub(f[1].Changed()) > settled
}

// look returns what both files are; known tells that they are such as lookup reads.
func look() (f files, known bool) {
	for i, name := range []string{PasswdFile, GroupFile} {
		var err error
		if f[i], err = trust.Look(name, trust.Parent); err != nil {
			return files{}, false
		}
	}
	return f, true
}
