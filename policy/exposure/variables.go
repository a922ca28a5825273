package exposure

import "slices"

// variable is a row about the environment: what a variable of the caller's choice
// does to some programs.
type variable struct {
	power    string
	name     string
	programs string // base names, "*" for all
	how      string
}

var variables = []variable{
	{Code, "LD_PRELOAD", "*", "the library is loaded into the program (ld.so(8))"},
	{Code, "LD_AUDIT", "*", "the library is loaded into the program (ld.so(8))"},
	{Code, "LD_LIBRARY_PATH", "*", "libraries are looked for there first (ld.so(8))"},
	{Code, "PYTHONPATH", "python python3", "modules are looked for there first (python3(1))"},
	{Code, "PERL5LIB", "perl", "modules are looked for there first (perlrun(1))"},
	{Code, "PERL5OPT", "perl", "options, -M for one, load a module (perlrun(1))"},
	{Code, "BASH_ENV", "bash", "a script reads the file first (bash(1))"},
	{Code, "RUBYOPT", "ruby", "options, -r for one, load a file (ruby(1))"},
	{Code, "NODE_OPTIONS", "node", "--require loads a file (node(1))"},
	{Code, "JAVA_TOOL_OPTIONS", "java", "-javaagent loads code"},
	{Code, "OPENSSL_CONF", "openssl curl", "the configuration names libraries to load (config(5ssl))"},
	{Code, "IP_LIB_DIR", "ip", "ip link loads libraries from there (iproute2)"},
	{Code, "TC_LIB_DIR", "tc", "tc loads libraries from there (iproute2)"},
	{Run, "PATH", "sh bash dash env xargs find make python python3 perl fsck", "programs that it starts by name are the caller's (environ(7))"},
	{Run, "PAGER", "man git systemctl journalctl less", "the pager is run"},
	{Run, "EDITOR", "crontab vipw systemctl git", "the editor is run"},
	{Run, "VISUAL", "crontab vipw systemctl git", "the editor is run"},
	{Write, "LVM_SYSTEM_DIR", "lvs vgs pvs lvcreate lvextend lvremove lvchange lvconvert lvrename lvdisplay lvreduce vgremove pvremove", "lvm.conf there sets log/file, a file that it then writes with words of the caller's (lvm(8))"},
}

// loads tells whether a variable makes some program load or run a file.
func loads(name string) bool {
	return slices.ContainsFunc(variables, func(v variable) bool { return v.name == name })
}
