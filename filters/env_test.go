package filters

import (
	"slices"
	"testing"
)

func TestEnv(t *testing.T) {
	for _, c := range []struct {
		definition string
		rows       []row
	}{
		{"EnvFilter, env, root, LC_ALL=C, LVM_SYSTEM_DIR=, /sbin/lvs", []row{
			{"env LC_ALL=C LVM_SYSTEM_DIR=/x lvs", ""},
			{"LC_ALL=C LVM_SYSTEM_DIR=/x lvs", ""},
			{"env LVM_SYSTEM_DIR=/x LC_ALL=C lvs", ""},
			{"env LC_ALL=C LVM_SYSTEM_DIR= lvs", ""},
			{"env LC_ALL=C LVM_SYSTEM_DIR=a=b lvs", ""},
			{"env LC_ALL=C LVM_SYSTEM_DIR=<n> lvs", ""},
			{"env LC_ALL=C LVM_SYSTEM_DIR=/x /sbin/lvs", ""},
			{"env LC_ALL=C LVM_SYSTEM_DIR=/x lvs -o name A=B", ""}, // no pattern: any argument
			{"env LC_ALL=de LVM_SYSTEM_DIR=/x lvs", "variable LC_ALL must be C"},
			{"env LC_ALL= LVM_SYSTEM_DIR=/x lvs", "variable LC_ALL must be C"},
			{"env LC_ALL=C<n> LVM_SYSTEM_DIR=/x lvs", "variable LC_ALL must be C"},
			{"env LC_ALL=C lvs", "variable LVM_SYSTEM_DIR is not given"},
			{"env lvs", "variable LC_ALL is not given"},
			{"lvs", "variable LC_ALL is not given"},
			{"env LC_ALL=C LC_ALL=C lvs", "variable LC_ALL is given twice"},
			{"env LC_ALL=C LVM_SYSTEM_DIR=/x LC_ALL=C lvs", "given twice"},
			{"env LC_ALL=C LVM_SYSTEM_DIR=/x LD_PRELOAD=/x lvs", "does not name variable LD_PRELOAD"},
			{"env LC_ALL=C LVM_SYSTEM_DIR=/x =y lvs", "does not name variable "},
			{"env lc_all=C LVM_SYSTEM_DIR=/x lvs", "does not name variable lc_all"},
			{"env LC_ALL=C LVM_SYSTEM_DIR lvs", "the command after the variables is not /sbin/lvs"},
			{"env LC_ALL=C LVM_SYSTEM_DIR=/x", "the command after the variables is not"},
			{"env", "the command after the variables is not"},
			{"env LC_ALL=C LVM_SYSTEM_DIR=/x vgs", "the command after the variables is not"},
			{"env LC_ALL=C LVM_SYSTEM_DIR=/x /tmp/lvs", "the command after the variables is not"},
			{"env env LC_ALL=C LVM_SYSTEM_DIR=/x lvs", "the command after the variables is not"},
			{"env -i LC_ALL=C LVM_SYSTEM_DIR=/x lvs", "the command after the variables is not"},
			{"/usr/bin/env LC_ALL=C LVM_SYSTEM_DIR=/x lvs", "the command after the variables is not"},
			{"LC_ALL=C env LVM_SYSTEM_DIR=/x lvs", "the command after the variables is not"},
			{" env LC_ALL=C LVM_SYSTEM_DIR=/x lvs", "the command after the variables is not"},
		}},
		{"EnvFilter, env, root, PROCESS_TAG=, haproxy, -f, .*", []row{
			{"env PROCESS_TAG=x haproxy -f /etc/x", ""},
			{"PROCESS_TAG=x haproxy -f ", ""},
			{"env PROCESS_TAG=x haproxy -f", "1 argument, not 2"},
			{"env PROCESS_TAG=x haproxy -f x -D", "3 arguments, not 2"},
			{"env PROCESS_TAG=x haproxy -c x", `does not match pattern "-f"`},
			{"env PROCESS_TAG=x haproxy", "0 arguments, not 2"},
		}},
		// The older form names the program first.
		{"EnvFilter, /usr/sbin/dnsmasq, root, CONFIG_FILE=, NETWORK_ID=", []row{
			{"env CONFIG_FILE=/x NETWORK_ID=1 dnsmasq -k", ""},
			{"CONFIG_FILE=/x NETWORK_ID=1 /usr/sbin/dnsmasq", ""},
			{"env NETWORK_ID=1 dnsmasq", "variable CONFIG_FILE is not given"},
			{"dnsmasq", "is not given"},
		}},
		{"EnvFilter, env, root, ls", []row{{"env ls", "the filter names no variable"}, {"ls", "names no variable"}, {"A=b ls", "names no variable"}, {"env", "is not ls"}}},
		{"EnvFilter, env, root, A=", []row{{"env A=b env", ""}, {"env A=b", "is not env"}, {"A=b env sh", ""}}}, // as written: env is the program
		{"EnvFilter, env, root, A=x, A=y, ls", []row{{"A=x ls", ""}, {"A=y ls", "must be x"}}},
	} {
		for line, m := range check(t, newFilter(t, c.definition), nil, c.rows) {
			if line == "env LVM_SYSTEM_DIR=/x LC_ALL=C lvs" && !slices.Equal(m.Env, []Var{{"LVM_SYSTEM_DIR", "/x"}, {"LC_ALL", "C"}}) {
				t.Errorf("%q: variables %v", line, m.Env)
			}
			if line == "env LC_ALL=C LVM_SYSTEM_DIR=a=b lvs" && m.Env[1].Value != "a=b" {
				t.Errorf("%q: variables %v", line, m.Env)
			}
			if line == "env LC_ALL=C LVM_SYSTEM_DIR=/x lvs -o name A=B" && !slices.Equal(m.Args, argv("-o name A=B")) {
				t.Errorf("%q: arguments %q", line, m.Args)
			}
		}
	}
}
