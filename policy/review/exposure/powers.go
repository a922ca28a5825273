package exposure

import (
	"cmp"
	"encoding/json"
	"fmt"
)

// Power is something that a filter may give away: a column of the matrix.
type Power struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Weight Score  `json:"weight"` // score of a filter that gives it away whole, as root, unconfined
	About  string `json:"about"`  // what whoever has it can do, and why the weight
}

// The powers. Weight 10 is for those that are root by another name: each can be
// turned into any other within minutes, by means that need nothing unusual on the
// machine.
const (
	Run       = "run"
	Write     = "write"
	Read      = "read"
	Owner     = "owner"
	Destroy   = "destroy"
	Code      = "code"
	Kernel    = "kernel"
	Device    = "device"
	Mount     = "mount"
	Network   = "network"
	Signal    = "signal"
	Namespace = "namespace"
	Users     = "users"
	Services  = "services"
	Arguments = "arguments"
)

var powers = []Power{
	{Run, "Run programs", 10, "runs a program, or a script, of the caller's choice: nothing is left to protect"},
	{Code, "Load code", 10, "a variable, an option or a configuration file makes the program load code of the caller's choice"},
	{Write, "Write files", 10, "writes contents of the caller's choice to any file: /etc/passwd, /etc/cron.d, a library"},
	{Owner, "Change owners", 10, "gives any file to the caller, or makes a program of theirs set-user-id"},
	{Users, "Change users", 10, "changes accounts, groups or passwords, or runs something as another user"},
	{Kernel, "Load kernel code", 10, "loads a module or a BPF program, changes kernel settings that run programs, or boots another kernel"},
	{Device, "Write disks", 10, "reads or writes raw block devices, below all file permissions"},
	{Mount, "Change mounts", 9, "mounts over any directory: a /etc or a library of the caller's own, a file system with set-user-id programs"},
	{Read, "Read files", 7, "reads any file: password hashes, private keys, tokens"},
	{Destroy, "Destroy files", 7, "deletes, empties or overwrites any file, file system or volume"},
	{Services, "Steer services", 6, "starts, stops or reconfigures other services"},
	{Namespace, "Enter namespaces", 6, "acts in the namespaces of containers and routers"},
	{Network, "Change the network", 5, "changes addresses, routes, firewalls or switches, or listens to traffic"},
	{Signal, "Signal processes", 5, "stops or kills processes of others"},
	{Arguments, "Choose arguments", 3, "chooses words of a program that is not known to give away more, but was not written to be called by somebody less trusted"},
}

// PowerIDs are the ids of all powers.
func PowerIDs() (ids []string) {
	for _, p := range powers {
		ids = append(ids, p.ID)
	}
	return ids
}

func power(id string) Power {
	for _, p := range powers {
		if p.ID == id {
			return p
		}
	}
	panic("no power is called " + id)
}

// Score tells how bad something is, from 0 to 10; or that it is not known: NotAssessed.
type Score float64

// NotAssessed is the score of what nobody has looked at.
const NotAssessed Score = -1

// Gate is the number that counts for those who let nothing pass above a limit: what was
// not assessed is the most it could be.
func (s Score) Gate() float64 {
	if s == NotAssessed {
		return 10
	}
	return float64(s)
}

func (s Score) String() string {
	if s == NotAssessed {
		return Unknown
	}
	return fmt.Sprintf("%.1f", float64(s))
}

// MarshalJSON writes a number, or null for what was not assessed.
func (s Score) MarshalJSON() ([]byte, error) {
	if s == NotAssessed {
		return []byte("null"), nil
	}
	return json.Marshal(float64(s))
}

// compare is positive where s is worse than o. Of the same, that which is known comes
// before what could be as bad.
func (s Score) compare(o Score) int {
	return cmp.Or(cmp.Compare(s.Gate(), o.Gate()), cmp.Compare(s, o))
}

// Unknown is the band of what was not assessed.
const Unknown = "not assessed"

// Band is a score in one word.
func Band(s Score) string {
	switch {
	case s == NotAssessed:
		return Unknown
	case s >= 9:
		return "root"
	case s >= 7:
		return "high"
	case s >= 4:
		return "medium"
	case s >= 1:
		return "low"
	}
	return "little"
}

// Bands lists the words of Band, the worst first.
var Bands = []string{"root", Unknown, "high", "medium", "low", "little"}

// Title is the name of a power, for people.
func Title(id string) string { return power(id).Title }
