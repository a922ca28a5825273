package account

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ironwrap/policy/trust"
)

// Getent is the C library's program that asks the name services of
// nsswitch.conf(5), such as sssd or LDAP. Without it there are none.
var Getent = "/usr/bin/getent"

// serviceUser asks for a user who does not stand in /etc/passwd. Root is not such
// a user: who runs a directory server does not thereby run this machine.
func serviceUser(name string) (User, error) {
	line, err := service("user", PasswdFile, "passwd", name)
	if err != nil {
		return User{}, err
	}
	f, err := only(line, name, 7)
	if err != nil {
		return User{}, fmt.Errorf("cannot use what getent says of user %q: %w", name, err)
	}
	u, err := parse(f, "the answer of getent")
	if err == nil && u.UID == 0 {
		err = fmt.Errorf("cannot use what getent says of user %q: uid 0 is only for users in %s", name, PasswdFile)
	}
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// serviceGroup asks for a group that does not stand in /etc/group. Of group 0 the
// same is true as of root.
func serviceGroup(name string) (uint32, error) {
	line, err := service("group", GroupFile, "group", name)
	if err != nil {
		return 0, err
	}
	f, err := only(line, name, 4)
	if err != nil {
		return 0, fmt.Errorf("cannot use what getent says of group %q: %w", name, err)
	}
	gid, err := id(f[2])
	if err == nil && gid == 0 {
		err = fmt.Errorf("gid 0 is only for groups in %s", GroupFile)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot use what getent says of group %q: %w", name, err)
	}
	return gid, nil
}

// serviceGroups asks for the groups that initgroups(3) would set: getent prints
// the name, and those besides the primary one (getent(1), initgroups).
func serviceGroups(u User) ([]uint32, error) {
	line, err := service("user", PasswdFile, "initgroups", u.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot find the groups of user %q: %w", u.Name, err)
	}
	rest, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte(u.Name))
	if !ok || bytes.IndexByte(rest, '\n') >= 0 || len(rest) > 0 && rest[0] != ' ' {
		return nil, fmt.Errorf("cannot use what getent says of the groups of user %q: it is not one line about them", u.Name)
	}
	list := []uint32{u.GID}
	for field := range bytes.FieldsSeq(rest) {
		gid, err := id(field)
		if err != nil {
			return nil, fmt.Errorf("cannot use what getent says of the groups of user %q: %w", u.Name, err)
		}
		if !slices.Contains(list, gid) {
			list = append(list, gid)
		}
	}
	return list, nil
}

// only returns the fields of an answer that is one line, about that very name:
// a name service may take another spelling for the same.
func only(line []byte, name string, n int) (row, error) {
	text, whole := bytes.CutSuffix(line, []byte("\n"))
	f, got := fields(line)
	if !whole || bytes.IndexByte(text, '\n') >= 0 || got != n || string(f[0]) != name {
		return row{}, errors.New("it is not one line about that name")
	}
	return f, nil
}

// service returns the answer about a name that does not stand in file. What getent
// would take for an option, or for the number of somebody else, is no name.
func service(what, file, database, name string) ([]byte, error) {
	unknown := fmt.Errorf("%w %s %q in %s", ErrUnknown, what, name, file)
	if name[0] == '-' || len(name) > 256 || strings.Trim(name, "0123456789") == "" || strings.ContainsAny(name, " \t\r\v\f") {
		return nil, unknown
	}
	if _, err := trust.Executable(Getent, trust.Fixed); errors.Is(err, fs.ErrNotExist) {
		return nil, unknown
	} else if err != nil {
		return nil, fmt.Errorf("cannot ask a name service for %s %q: %w", what, name, err)
	}
	line, err := ask(database, name)
	if errors.Is(err, errNotFound) {
		return nil, fmt.Errorf("%w, and no name service has one", unknown)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot ask a name service for %s %q: %w", what, name, err)
	}
	return line, nil
}
