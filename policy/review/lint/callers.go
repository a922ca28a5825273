package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/review/collected"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/sudoers/grants"
)

// Callers are those who may call ironwrap with a policy: whom it names, and whom sudoers
// does. Their directories are those that this machine, or a tree, knows to be theirs.
func Callers(p *policy.Policy, tree *collected.Tree, sudoers []grants.Who) exposure.Callers {
	c := exposure.Callers{}.Of(p)
	members := grants.Members
	if tree != nil {
		members = func(group string) []string { return entry(tree, "/etc/group", group, 3) }
	}
	for _, w := range sudoers {
		if w.User != "" {
			c.Users = append(c.Users, w.User)
		}
		if w.Group != "" {
			c.Users = append(c.Users, members(w.Group)...)
		}
	}
	for _, group := range p.AllowGroups {
		c.Users = append(c.Users, members(group)...)
	}
	slices.Sort(c.Users)
	c.Users = slices.DeleteFunc(slices.Compact(c.Users), func(name string) bool { return name == "root" || name == "" })
	if tree != nil { // it does not tell who owns what
		for _, name := range c.Users {
			c.Dirs = append(c.Dirs, homes(entry(tree, "/etc/passwd", name, 5))...)
		}
		return c
	}
	c.Dirs = owned(c.Users)
	return c
}

// entry is the names in one field of the line of passwd(5) or group(5) for a name.
func entry(tree *collected.Tree, path, name string, n int) []string {
	data, _ := tree.Read(path)
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); f[0] == name && len(f) > n {
			return strings.Split(f[n], ",")
		}
	}
	return nil
}

// homes are those that can be a user's own: daemons are given /, /usr/sbin and the like.
func homes(list []string) []string {
	return slices.DeleteFunc(list, func(dir string) bool {
		return !slices.ContainsFunc([]string{"/home/", "/var/", "/srv/", "/opt/", "/mnt/", "/data/"}, func(base string) bool {
			return strings.HasPrefix(dir, base) && len(dir) > len(base)
		})
	})
}

// bases are where the directories of services lie, and maxOwned is how many are looked at.
var bases = []string{"/var/lib", "/var/log", "/var/cache", "/var/spool", "/run", "/srv", "/opt", "/home", "/mnt", "/etc"}

const maxOwned = 20_000

// owned are the directories in which one of these users may exchange files, down to the
// second level of bases.
func owned(users []string) (dirs []string) {
	uids, gids := map[uint32]bool{}, map[uint32]bool{}
	var look []string
	for _, name := range users {
		u, err := account.Lookup(name)
		if err != nil || u.UID == 0 {
			continue
		}
		uids[u.UID] = true
		for _, g := range u.Groups {
			gids[g] = g != 0
		}
		look = append(look, u.Home)
	}
	if len(uids) == 0 {
		return nil
	}
	for _, base := range bases {
		first, _ := filepath.Glob(base + "/*")
		second, _ := filepath.Glob(base + "/*/*")
		look = append(look, append(first, second...)...)
	}
	for _, dir := range look[:min(len(look), maxOwned)] {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !filepath.IsAbs(dir) {
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		if uids[st.Uid] || gids[st.Gid] && info.Mode()&0o020 != 0 {
			dirs = append(dirs, filepath.Clean(dir))
		}
	}
	slices.Sort(dirs)
	dirs = slices.Compact(dirs)
	var outer []string // what lies in one of them is in it
	for _, dir := range dirs {
		if !slices.ContainsFunc(outer, func(o string) bool { return strings.HasPrefix(dir, o+"/") }) {
			outer = append(outer, dir)
		}
	}
	return outer
}
