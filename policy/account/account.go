// Package account looks up users and groups in /etc/passwd and /etc/group
// (passwd(5), group(5)), and those that stand in neither by getent(1). It loads no
// name service itself: a static program has no plug-ins, and no file of a caller's
// can take part.
package account

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ironwrap/policy/trust"
)

// The databases. Variables so that tests can put others in their place.
var (
	PasswdFile = "/etc/passwd"
	GroupFile  = "/etc/group"
)

// ErrUnknown tells that neither the files nor a name service have the name.
var ErrUnknown = errors.New("no such")

// User is one line of passwd(5), with the groups that group(5) adds.
type User struct {
	Name        string
	UID, GID    uint32
	Home, Shell string
	Groups      []uint32 // supplementary groups with the primary one first; only from Lookup
}

// Lookup returns the user of that name, or an error that wraps ErrUnknown. A user
// who stands in /etc/passwd has the groups of /etc/group, any other those that the
// name services say.
func Lookup(name string) (User, error) {
	u, _, err := lookup(name)
	return u, err
}

func lookup(name string) (u User, local bool, err error) {
	u, local, err = user(name)
	if err != nil {
		return User{}, local, err
	}
	if local {
		u.Groups, err = groups(u)
	} else {
		u.Groups, err = serviceGroups(u)
	}
	if err != nil {
		return User{}, local, err
	}
	return u, local, nil
}

// UID returns the id of the user of that name, or an error that wraps ErrUnknown.
func UID(name string) (uint32, error) {
	u, _, err := user(name)
	return u.UID, err
}

// user finds a user without their groups. local tells that it is one of
// /etc/passwd, which no name service can speak against.
func user(name string) (u User, local bool, err error) {
	if name == "" || strings.ContainsAny(name, ":\n\x00") {
		return User{}, false, fmt.Errorf("%w user %q", ErrUnknown, name)
	}
	u, err = find(func(called, _ []byte) bool { return string(called) == name })
	if !errors.Is(err, ErrUnknown) {
		return u, true, err
	}
	u, err = serviceUser(name)
	return u, false, err
}

// Name returns the name of uid, or the number where it has none.
func Name(uid uint32) string {
	want := strconv.FormatUint(uint64(uid), 10)
	u, err := find(func(_, id []byte) bool { return string(id) == want })
	if err != nil {
		return want
	}
	return u.Name
}

// find returns the first user whose name and id, as they are written, satisfy want.
func find(want func(name, id []byte) bool) (User, error) {
	data, err := trust.File(PasswdFile, trust.Parent)
	if err != nil {
		return User{}, fmt.Errorf("cannot read the user database: %w", err)
	}
	for line := range bytes.Lines(data) {
		if f, n := fields(line); n == 7 && want(f[0], f[2]) {
			return parse(f, PasswdFile)
		}
	}
	return User{}, ErrUnknown
}

// parse reads the seven fields of a line that stands in, or comes from, source.
func parse(f row, source string) (User, error) {
	uid, err := id(f[2])
	if err != nil {
		return User{}, fmt.Errorf("user id of %q in %s: %w", f[0], source, err)
	}
	gid, err := id(f[3])
	if err != nil {
		return User{}, fmt.Errorf("group id of %q in %s: %w", f[0], source, err)
	}
	return User{Name: string(f[0]), UID: uid, GID: gid, Home: string(f[5]), Shell: string(f[6])}, nil
}

// groups returns the groups that initgroups(3) would set.
func groups(u User) ([]uint32, error) {
	data, err := trust.File(GroupFile, trust.Parent)
	if err != nil {
		return nil, fmt.Errorf("cannot read the group database: %w", err)
	}
	list := []uint32{u.GID}
	name := []byte(u.Name)
lines:
	for line := range bytes.Lines(data) {
		if !bytes.Contains(line, name) {
			continue // as most groups
		}
		f, n := fields(line)
		if n != 4 || !member(f[3], u.Name) {
			continue
		}
		gid, err := id(f[2])
		if err != nil {
			return nil, fmt.Errorf("group id of %q in %s: %w", f[0], GroupFile, err)
		}
		for _, g := range list {
			if g == gid {
				continue lines
			}
		}
		list = append(list, gid)
	}
	return list, nil
}

// GID returns the id of the group of that name, or an error that wraps ErrUnknown.
func GID(name string) (uint32, error) {
	if name == "" || strings.ContainsAny(name, ":\n\x00") {
		return 0, fmt.Errorf("%w group %q", ErrUnknown, name)
	}
	data, err := trust.File(GroupFile, trust.Parent)
	if err != nil {
		return 0, fmt.Errorf("cannot read the group database: %w", err)
	}
	for line := range bytes.Lines(data) {
		if f, n := fields(line); n == 4 && string(f[0]) == name {
			gid, err := id(f[2])
			if err != nil {
				return 0, fmt.Errorf("group id of %q in %s: %w", f[0], GroupFile, err)
			}
			return gid, nil
		}
	}
	return serviceGroup(name)
}

// row is the fields of a line: as many as passwd(5) has, the most of both databases.
type row [7][]byte

// fields splits one line of a database into n fields, of which those beyond the row are
// not in it; a comment has none.
func fields(line []byte) (f row, n int) {
	if bytes.HasPrefix(line, []byte("#")) {
		return f, 0
	}
	rest, more := bytes.TrimSuffix(line, []byte("\n")), true
	for ; more; n++ {
		var field []byte
		if field, rest, more = bytes.Cut(rest, []byte(":")); n < len(f) {
			f[n] = field
		}
	}
	return f, n
}

// member looks for a name in a list. Blanks before a name do not count, as in the
// C library.
func member(members []byte, name string) bool {
	for m := range bytes.SplitSeq(members, []byte(",")) {
		if string(bytes.TrimLeft(m, " \t")) == name {
			return true
		}
	}
	return false
}

// id reads a user or group id. The largest, (uid_t)-1, means "unchanged" to
// setresuid(2) and is nobody's (CVE-2019-14287).
func id(field []byte) (uint32, error) {
	n, err := strconv.ParseUint(string(field), 10, 32)
	if err != nil || n == 1<<32-1 {
		return 0, fmt.Errorf("%q is not an id", field)
	}
	return uint32(n), nil
}
