package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Fields reads the lines of /proc/PID/status.
func Fields(status string) map[string]string {
	f := map[string]string{}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		f[name] = strings.Join(strings.Fields(value), " ")
	}
	return f
}

// Identity is the part of /proc/PID/status that says with what rights, and in
// which state as to signals, a process runs.
func Identity(status string) map[string]string {
	all, f := Fields(status), map[string]string{}
	for _, name := range []string{
		"Uid", "Gid", "Groups", "Umask", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters",
		"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "Threads",
	} {
		f[name] = all[name]
	}
	return f
}

// Signalled tells whether a process got a deadly signal, be it still on its way.
func Signalled(t *testing.T, pid int) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := Fields(string(status))
	return !strings.HasPrefix(f["State"], "S") && !strings.HasPrefix(f["State"], "R") || strings.Trim(f["ShdPnd"]+f["SigPnd"], "0") != ""
}

func Children(pid int) (pids []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for word := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(word)
			if err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

var Status = []string{"cat", "/proc/self/status", "/proc/self/limits", "/proc/self/oom_score_adj"}

// LimitsOf reads /proc/PID/limits: soft and hard.
func LimitsOf(out string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(line, "Max "); ok && len(rest) > 44 {
			m[strings.TrimSpace(rest[:22])] = strings.Join(strings.Fields(rest[22:])[:2], " ")
		}
	}
	return m
}

// limitCase is a limit of a caller's: soft and hard, in prlimit(1)'s words, and what the
// command must have. With "" nothing may run where it cannot be raised.
type limitCase struct{ Option, Name, Want, Without string }

// LimitCases are for the machine's process 1.
func LimitCases(t *testing.T) []limitCase {
	first := LimitsOf(string(Must(os.ReadFile("/proc/1/limits"))))
	hard := func(name string) string {
		return strings.Fields(LimitsOf(string(Must(os.ReadFile("/proc/self/limits"))))[name])[1]
	}
	list := []limitCase{
		{"--cpu=60:60", "cpu time", "60 60", "60 60"},
		{"--cpu=15:60", "cpu time", "60 60", "60 60"},
		{"--cpu=2:unlimited", "cpu time", "unlimited unlimited", "unlimited unlimited"},
		{"--cpu=9:9", "cpu time", "unlimited unlimited", ""},
		{"--as=1073741824:1073741824", "address space", "1073741824 1073741824", "1073741824 1073741824"},
		{"--as=1073741824:2147483648", "address space", "2147483648 2147483648", "2147483648 2147483648"},
		{"--nproc=1:1", "processes", first["processes"], ""},
		{"--nproc=1:500", "processes", first["processes"], "500 500"},
		{"--nproc=1:" + hard("processes"), "processes", first["processes"], hard("processes") + " " + hard("processes")},
		{"--sigpending=0:0", "pending signals", first["pending signals"], ""},
		{"--sigpending=70:2000", "pending signals", first["pending signals"], "2000 2000"},
		{"--nofile=8:8", "open files", "1024 1024", ""},
		{"--nofile=10:100", "open files", "1024 1024", "100 100"},
		{"--nofile=10:5000", "open files", "1024 5000", "1024 5000"},
		{"--memlock=0:0", "locked memory", first["locked memory"], "0 0"},
		{"--memlock=0:65536", "locked memory", first["locked memory"], "65536 65536"},
		{"--msgqueue=0:0", "msgqueue size", first["msgqueue size"], "0 0"},
		{"--locks=0:0", "file locks", first["file locks"], "0 0"},
		{"--rss=4096:4096", "resident set", first["resident set"], "4096 4096"},
		{"--rttime=5:5", "realtime timeout", first["realtime timeout"], "5 5"},
	}
	return list
}

// FirstProcesses tells whether this process is in the machine's own pid namespace, and not
// in a container's: some calls of the kernel's are for that one alone.
func FirstProcesses() bool {
	const first = "pid:[4026531836]" // PROC_PID_INIT_INO of the kernel
	link, _ := os.Readlink("/proc/self/ns/pid")
	return link == first
}
