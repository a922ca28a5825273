package rig

import (
	"net"
	"os"
	"strings"
	"testing"
)

// DevLog is what an attempt finds at /dev/log, in a mount namespace of its own:
// the machine's own log is left alone.
type DevLog string

const (
	LogHeard  DevLog = "heard"  // a system log that the test listens to
	LogAbsent DevLog = "absent" // no /dev/log at all
)

// Jail is the script that makes a /dev with such a log.
func (l DevLog) Jail(dir string) string {
	if l == "" {
		return ""
	}
	// A login id would name who runs the tests.
	script := `
		echo 4294967295 2>/dev/null >/proc/self/loginuid || :
		mkdir -p {dir}/dev
		mount -t tmpfs dev {dir}/dev
		for name in null zero full random urandom tty; do
			touch {dir}/dev/$name
			mount --bind /dev/$name {dir}/dev/$name
		done
		ln -s /proc/self/fd {dir}/dev/fd
	`
	if l == LogHeard {
		script += `
		touch {dir}/dev/log
		mount --bind {dir}/socket {dir}/dev/log
	`
	}
	return "PATH=/usr/sbin:/usr/bin\n" + strings.ReplaceAll(script+`
		mount --move {dir}/dev /dev
	`, "{dir}", dir)
}

// Journal is what came to the system log.
type Journal struct {
	t     testing.TB
	path  string
	lines chan string
}

const endOfLog = "end"

// Listen makes dir/socket, and reads from it all the time: sudo alone writes more
// than a socket holds.
func Listen(t testing.TB, dir string) *Journal {
	t.Helper()
	j := &Journal{t, dir + "/socket", make(chan string, 4096)}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: j.path, Net: "unixgram"})
	if err == nil {
		err = os.Chmod(j.path, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go func() {
		buf := make([]byte, 1<<20)
		for {
			n, err := socket.Read(buf)
			if err != nil {
				close(j.lines)
				return
			}
			j.lines <- string(buf[:n])
		}
	}()
	return j
}

// Records returns what the program itself has sent, sudo's records aside, without
// the priority and the tag.
func (j *Journal) Records() []string {
	j.t.Helper()
	mine, err := net.Dial("unixgram", j.path)
	if err != nil {
		j.t.Fatal(err)
	}
	defer mine.Close()
	if _, err := mine.Write([]byte(endOfLog)); err != nil {
		j.t.Fatal(err)
	}
	var list []string
	for line := range j.lines {
		if line == endOfLog {
			break
		}
		_, record, _ := strings.Cut(strings.TrimSuffix(line, "\x00"), ">")
		tag, text, _ := strings.Cut(record, ": ")
		if tag == "oslo-rootwrap" || strings.HasPrefix(tag, "ironwrap[") || strings.HasPrefix(tag, "ironwrap-daemon[") {
			list = append(list, text)
		}
	}
	return list
}

// DaemonRecords are those of the daemon, without the tag.
func (j *Journal) DaemonRecords() (list []string) {
	j.t.Helper()
	mine, err := net.Dial("unixgram", j.path)
	if err != nil {
		j.t.Fatal(err)
	}
	defer mine.Close()
	mine.Write([]byte(endOfLog))
	for line := range j.lines {
		if line == endOfLog {
			break
		}
		if _, record, ok := strings.Cut(line, ">ironwrap-daemon["); ok {
			_, text, _ := strings.Cut(record, "]: ")
			list = append(list, text)
		}
	}
	return list
}

// LogAll is a rootwrap.conf that has every command recorded.
const LogAll = "use_syslog=True\nsyslog_log_level=INFO"
