package exec

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy/account"
	"ironwrap/sandbox"
)

// Caller is who wants the command run, as far as the kernel and sudo say.
type Caller struct {
	UID     int                 // real user id
	GID     int                 // real group id
	Groups  []int               // supplementary groups
	SudoUID int                 // SUDO_UID, believed only when the real user is root; -1 for none
	SudoGID int                 // SUDO_GID, likewise
	LoginID int                 // /proc/self/loginuid (pam_loginuid(8)); -1 for none. See Look
	Dir     filters.Untrusted   // working directory. See Look
	Env     []filters.Untrusted // the environment that the caller gave

	Client   *Client           // of a daemon that the caller started; else nil
	Accounts *account.Database // a daemon's; else nil
	Guards   []sandbox.Limit   // that a client of a daemon has around it; else those of this process hold

	unseen bool // LoginID and Dir are to be looked at
}

// Client is who asks a daemon, as the kernel says (SO_PEERCRED, unix(7)).
type Client struct{ PID, UID, GID int }

// Take learns who the caller is, all but what Look does, and takes the process out of
// their hands. From here on the environment is empty, so that nothing acts upon it by
// accident.
func Take() (Caller, error) {
	c := Caller{UID: unix.Getuid(), GID: unix.Getgid(), SudoUID: -1, SudoGID: -1, LoginID: -1, Env: filters.Words(os.Environ()), unseen: true}
	os.Clearenv()
	if c.UID == 0 {
		c.SudoUID, c.SudoGID = c.number("SUDO_UID"), c.number("SUDO_GID")
	}
	groups, err := unix.Getgroups()
	if err == nil {
		c.Groups = groups
	}
	if err := sandbox.Begin(); err != nil {
		return c, err
	}
	if err != nil {
		return c, fmt.Errorf("cannot read the caller's groups: %w", err)
	}
	return c, nil
}

// Look learns what only records say, once: LoginID and Dir. Both are the process's own,
// which nobody else can change, so that a call without a record need not look.
func (c *Caller) Look() {
	if !c.unseen {
		return
	}
	c.unseen = false
	c.LoginID = loginID()
	if dir, err := unix.Getwd(); err == nil {
		c.Dir = filters.Untrusted(dir)
	}
}

// loginID reads the id that pam_loginuid(8) set; the kernel says 4294967295 where
// nothing did.
func loginID() int {
	fd, err := unix.Open("/proc/self/loginuid", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	defer unix.Close(fd)
	var buf [16]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return -1
	}
	id, err := strconv.ParseUint(strings.TrimSpace(string(buf[:n])), 10, 32)
	if err != nil || id == 1<<32-1 {
		return -1
	}
	return int(id)
}

// Getenv returns the caller's value of a variable: the first, where an
// environment names it twice.
func (c Caller) Getenv(name string) (filters.Untrusted, bool) {
	for _, v := range c.Env {
		if value, ok := strings.CutPrefix(string(v), name+"="); ok {
			return filters.Untrusted(value), true
		}
	}
	return "", false
}

func (c Caller) number(name string) int {
	v, ok := c.Getenv(name)
	if !ok {
		return -1
	}
	n, err := strconv.ParseUint(string(v), 10, 32)
	if err != nil || n == 1<<32-1 { // (uid_t)-1 is nobody
		return -1
	}
	return int(n)
}

// Owner is whom this process belongs to when it has nothing to do any more but to say
// why: the real user, or the one who called sudo. It is root where root called.
func (c Caller) Owner() sandbox.Owner {
	if c.UID == 0 {
		if c.SudoUID <= 0 || c.SudoGID < 0 {
			return sandbox.Owner{}
		}
		return sandbox.Owner{UID: uint32(c.SudoUID), GID: uint32(c.SudoGID)}
	}
	o := sandbox.Owner{UID: uint32(c.UID), GID: uint32(c.GID)}
	for _, g := range c.Groups {
		o.Groups = append(o.Groups, uint32(g))
	}
	return o
}

// Account is the user id that the request is accounted to: the client of a
// daemon, else who called sudo, else the real user.
func (c Caller) Account() int {
	if c.Client != nil {
		return c.Client.UID
	}
	if c.SudoUID >= 0 {
		return c.SudoUID
	}
	return c.UID
}

// root tells that nobody else has had a hand in this process: who called, who called
// sudo, and who asks the daemon.
func (c Caller) root() bool {
	return c.UID == 0 && c.SudoUID <= 0 && (c.Client == nil || c.Client.UID == 0)
}
