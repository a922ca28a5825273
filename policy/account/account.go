// Package account looks up users and groups in /etc/passwd and /etc/group
// (passwd(5), group(5)). It asks no name service: a static program loads no
// plug-ins, and no file of a caller's can take part.
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

// ErrUnknown tells that no line of the database has the name or id.
var ErrUnknown = errors.New("no such user")

// User is one line of passwd(5), with the groups that group(5) adds.
type User struct {
	Name        string
	UID, GID    uint32
	Home, Shell string
	Groups      []uint32 // supplementary groups with the primary one first; only from Lookup
}

// Lookup returns the user of that name, or an error that wraps ErrUnknown.
func Lookup(name string) (User, error) {
	if name == "" || strings.ContainsAny(name, ":\n\x00") {
		return User{}, fmt.Errorf("%w %q", ErrUnknown, name)
	}
	u, err := find(func(f [][]byte) bool { return string(f[0]) == name })
	if errors.Is(err, ErrUnknown) {
		return User{}, fmt.Errorf("%w %q in %s", err, name, PasswdFile)
	}
	if err != nil {
		return User{}, err
	}
	if u.Groups, err = groups(u); err != nil {
		return User{}, err
	}
	return u, nil
}

// Name returns the name of uid, or the number where it has none.
func Name(uid uint32) string {
	want := strconv.FormatUint(uint64(uid), 10)
	u, err := find(func(f [][]byte) bool { return string(f[2]) == want })
	if err != nil {
		return want
	}
	return u.Name
}

// find returns the first user whose seven fields satisfy want.
func find(want func([][]byte) bool) (User, error) {
	data, err := trust.File(PasswdFile, trust.Parent)
	if err != nil {
		return User{}, fmt.Errorf("cannot read the user database: %w", err)
	}
	for line := range bytes.Lines(data) {
		f := fields(line)
		if len(f) != 7 || !want(f) {
			continue
		}
		uid, err := id(f[2])
		if err != nil {
			return User{}, fmt.Errorf("user id of %q in %s: %w", f[0], PasswdFile, err)
		}
		gid, err := id(f[3])
		if err != nil {
			return User{}, fmt.Errorf("group id of %q in %s: %w", f[0], PasswdFile, err)
		}
		return User{Name: string(f[0]), UID: uid, GID: gid, Home: string(f[5]), Shell: string(f[6])}, nil
	}
	return User{}, ErrUnknown
}

// groups returns the groups that initgroups(3) would set.
func groups(u User) ([]uint32, error) {
	data, err := trust.File(GroupFile, trust.Parent)
	if err != nil {
		return nil, fmt.Errorf("cannot read the group database: %w", err)
	}
	list := []uint32{u.GID}
lines:
	for line := range bytes.Lines(data) {
		f := fields(line)
		if len(f) != 4 || !member(f[3], u.Name) {
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

// GroupName returns the name of gid, or the number where it has none.
func GroupName(gid uint32) string {
	want := strconv.FormatUint(uint64(gid), 10)
	data, err := trust.File(GroupFile, trust.Parent)
	if err != nil {
		return want
	}
	for line := range bytes.Lines(data) {
		f := fields(line)
		if len(f) == 4 && string(f[2]) == want {
			return string(f[0])
		}
	}
	return want
}

// fields splits one line of a database; a comment has none.
func fields(line []byte) [][]byte {
	if line[0] == '#' {
		return nil
	}
	return bytes.Split(bytes.TrimSuffix(line, []byte("\n")), []byte(":"))
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
