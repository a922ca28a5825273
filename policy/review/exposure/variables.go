package exposure

import (
	"slices"
	"strings"

	"ironwrap/policy/environ"
)

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
	{Code, "PYTHONHOME", "python python3", "the library is loaded from there (python3(1))"},
	{Code, "PYTHONSTARTUP", "python python3", "the file is run, where no script is named (python3(1))"},
	{Code, "PYTHONINSPECT", "python python3", "commands are read after a script (python3(1))"},
	{Code, "PYTHONUSERBASE", "python python3", "modules are loaded from there (python3(1))"},
	{Code, "PERLLIB", "perl", "modules are looked for there first (perlrun(1))"},
	{Code, "PERL5DB", "perl", "it is run, with the option -d (perlrun(1))"},
	{Code, "ENV", "sh dash ksh", "an interactive shell reads the file first (sh(1))"},
	{Code, "PS4", "bash", "it is expanded, where the shell traces (bash(1))"},
	{Code, "SHELLOPTS", "bash", "it has the shell trace, and expand PS4 (bash(1))"},
	{Code, "RUBYLIB", "ruby", "libraries are looked for there first (ruby(1))"},
	{Code, "NODE_PATH", "node", "modules are looked for there (node(1))"},
	{Code, "GCONV_PATH", "iconv", "the C library loads modules from there (iconv(3))"},
	{Code, "OPENSSL_MODULES", "openssl curl", "modules are loaded from there (openssl-env(7))"},
	{Code, "OPENSSL_ENGINES", "openssl curl", "modules are loaded from there (openssl-env(7))"},
	{Run, "GETCONF_DIR", "getconf", "programs are run from there"},
	{Run, "SYSTEMD_PAGER", "systemctl journalctl", "the pager is run (systemctl(1))"},
	{Run, "SYSTEMD_EDITOR", "systemctl", "the editor is run (systemctl(1))"},
	{Run, "MANPAGER", "man", "the pager is run (man(1))"},
	{Run, "LESSOPEN", "less", "the command is run (less(1))"},
	{Run, "LESSCLOSE", "less", "the command is run (less(1))"},
	{Run, "BROWSER", "man", "the browser is run (man(1))"},
	{Run, "SSH_ASKPASS", "ssh scp sftp", "the program is run to ask for a password (ssh(1))"},
	{Run, "SUDO_ASKPASS", "sudo", "the program is run to ask for a password (sudo(8))"},
	{Run, "TAR_OPTIONS", "tar", "options are taken from it, --checkpoint-action for one (tar(1))"},
	{Run, "RSYNC_RSH", "rsync", "the remote shell is run (rsync(1))"},
	{Run, "GIT_SSH", "git", "it is run to connect (git(1))"},
	{Run, "GIT_SSH_COMMAND", "git", "it is run to connect (git(1))"},
	{Run, "GIT_EXTERNAL_DIFF", "git", "it is run to compare (git(1))"},
	{Run, "GIT_EDITOR", "git", "the editor is run (git(1))"},
	{Run, "GIT_PAGER", "git", "the pager is run (git(1))"},
	{Run, "GIT_CONFIG_GLOBAL", "git", "the configuration names programs to run (git-config(1))"},
	{Write, "LVM_SYSTEM_DIR", "lvs vgs pvs lvcreate lvextend lvremove lvchange lvconvert lvrename lvdisplay lvreduce vgremove pvremove", "lvm.conf there sets log/file, a file that it then writes with words of the caller's (lvm(8))"},
}

// scripts are programs that another one interprets, by its name: they obey the variables
// of that one.
var scripts = func() map[string]string {
	all := map[string]string{}
	for interpreter, programs := range map[string]string{
		"perl":    "addgroup adduser cpan debconf-communicate debconf-set-selections debconf-show delgroup deluser dpkg-reconfigure pam-auth-update pg_archivecleanup pg_basebackup pg_dump pg_dumpall pg_isready pg_receivewal pg_restore prove psql shasum ucfq update-rc.d validlocale",
		"python3": "pdb pdb3 pip pip3",
		"bash":    "gcore ldd tzselect",
		"sh":      "gettextize icu-config lspgpot ncurses5-config ncurses6-config nspr-config nss-config pg_config scsi_mandat scsi_readcap scsi_ready scsi_satl scsi_temperature which x86_64-linux-gnu-pkg-config xfs_info xml2-config xslt-config",
	} {
		for _, name := range strings.Fields(programs) {
			all[name] = interpreter
		}
	}
	return all
}()

// besideScripts are variables that an interpreter obeys without a script; and PATH: what
// a script starts by name nobody has looked at.
var besideScripts = fieldSet("ENV PYTHONSTARTUP PATH")

// obeyed tells that a program does what a row says.
func (v variable) obeyed(program string) bool {
	list := strings.Fields(v.programs)
	if v.programs == "*" || slices.Contains(list, family(program)) {
		return true
	}
	by := scripts[program]
	return by != "" && slices.Contains(list, by) && !besideScripts[v.name]
}

// anybody tells that programs of all kinds may obey a variable. Others are of one program,
// or of one interpreter and its scripts.
func anybody(name string) bool {
	if strings.HasPrefix(name, "GCONV_") || strings.HasPrefix(name, "OPENSSL_") {
		return true
	}
	return environ.Loads(name) != "" && !slices.ContainsFunc(variables, func(v variable) bool { return v.name == name && v.programs != "*" })
}

// Loads tells what a variable makes some program load or run; "" for nothing that is
// known. What env_keep refuses besides is for environ.Danger.
func Loads(name string) string {
	for _, v := range variables {
		if v.name == name {
			return v.how
		}
	}
	return environ.Loads(name)
}
