package exposure

// shells are programs whose arguments are programs: shells, and the interpreters of
// languages.
var shells = []way{
	{Run, "bash dash ash ksh mksh csh fish", "-c {shell}", "the words after -c are commands (sh(1))", ""},
	{Run, "bash dash ash ksh mksh csh fish", "!-n {mine} …", "a script is run (sh(1))", ""},
	{Run, "busybox", "sh -c {shell}", "busybox is a shell too (busybox(1))", ""},
	{Run, "lua luajit", "-e {lua} …", "-e runs Lua (lua(1))", ""},
	{Run, "lua luajit expect bun deno guile", "{mine} …", "a script is run", ""},
	{Run, "bun deno", "-e {node} …", "-e runs JavaScript (node(1))", ""},
	{Run, "expect", "-c {tcl} …", "-c runs Tcl, with exec (expect(1))", ""},
	{Run, "guile", "-c {guile} …", "-c runs Scheme (guile(1))", ""},
	{Run, "java", "-jar {mine} …", "a program of the caller's is run (java(1))", ""},
	{Run, "java", "-cp {mine} {any} …", "a program of the caller's is run (java(1))", ""},
	{Run, "awk mawk gawk", "{awk} …", "system() runs a command (awk(1))", ""},
	{Run, "awk mawk gawk", "-f {mine} …", "a program of the caller's is run, with system() (awk(1))", ""},
}

// commanders are programs with commands of their own that run others.
var commanders = []way{
	{Run, "gsed", "{sed} {file}", "the command e runs a program (GNU sed's manual)", ""},
	{Run, "gsed", "-n {sed} {file}", "the command e runs a program (GNU sed's manual)", ""},
	{Run, "gsed", "-f {mine} {file}", "a script of the caller's is run, with the command e (GNU sed's manual)", ""},
	{Run, "ex", "-c {vim} …", "-c runs an editor's command, :! for one (vim(1))", ""},
	{Run, "ex emacs", "…", "an editor starts a shell at the press of a key", ""},
	{Run, "ed joe jed mcedit", "…", "an editor runs commands at the press of a key, and writes any file", ""},
	{Run, "less more most", "…", "a pager on a terminal starts a shell with ! (less(1))", ""},
	{Run, "man", "-P {mine} …", "-P names the pager (man(1))", ""},
	{Run, "man", "…", "the pager on a terminal starts a shell with ! (less(1))", ""},
	{Run, "git", "-c {gitalias} x …", "an alias that begins with ! is a command (git-config(1))", ""},
	{Run, "gdb", "-batch -ex {gdb} …", "! runs a command (gdb(1))", ""},
	{Run, "make gmake", "-f {mine} …", "a makefile is commands (make(1))", ""},
	{Run, "make gmake", "-C {mine} …", "a makefile is commands (make(1))", ""},
}

// launchers are programs that run the program they are given.
var launchers = []way{
	{Run, "env ltrace firejail eatmydata fakeroot ionice linux32 linux64 catchsegv dbus-launch", "{mine} …", "the command it is given is run", ""},
	{Run, "doas gosu", "{mine} …", "the command it is given is run; root may run it as anybody", ""},
	{Run, "ionice", "-c {num} {mine} …", "the command is run (ionice(1))", ""},
	{Run, "choom", "-n 0 -- {mine} …", "the command is run (choom(1))", ""},
	{Run, "numactl", "-N 0 {mine} …", "the command is run (numactl(8))", ""},
	{Run, "dbus-run-session", "-- {mine} …", "the command is run (dbus-run-session(1))", ""},
	{Run, "ionice", "-c3 {mine} …", "the command is run (ionice(1))", ""},
	{Run, "chrt", "-o 0 {mine} …", "the command is run (chrt(1))", ""},
	{Run, "flock", "{dest} {mine} …", "the command is run (flock(1))", ""},
	{Run, "linux32 linux64", "-R {mine} …", "the command is run (setarch(8))", ""},
	{Run, "cgexec", "-g {any} {mine} …", "the command is run (cgexec(1))", ""},
	{Run, "chroot", "{any} {mine} …", "the command is run; root leaves a chroot as it likes (chroot(8))", "cap_sys_chroot"},
	{Run, "capsh", "-- -c {shell}", "the shell is run (capsh(1))", ""},
	{Run, "find", "{file} -exec {mine} ;", "-exec runs a program for each file (find(1))", ""},
	{Run, "find", "{file} -exec {mine} {} ;", "-exec runs a program for each file (find(1))", ""},
	{Run, "gcc cc g++ c++", "-wrapper {mine} -x c {file} …", "-wrapper names a program that starts the compiler's own (gcc(1))", ""},
	{Run, "gcc cc g++ c++", "-wrapper {mine} {file} …", "-wrapper names a program that starts the compiler's own (gcc(1))", ""},
	{Run, "file-rename", "{perl} {file}", "the expression is Perl (rename(1p))", ""},
	{Run, "crontab", "{mine}", "a crontab is commands (crontab(1))", ""},
	{Run, "crontab", "-u {user} {mine}", "a crontab is commands (crontab(1))", ""},
	{Run, "at", "-f {mine} now", "the file is commands (at(1))", ""},
	{Run, "logrotate", "{mine}", "postrotate in the configuration is a script (logrotate(8))", ""},
	{Run, "logrotate", "-f {mine}", "postrotate in the configuration is a script (logrotate(8))", ""},
	{Run, "dpkg", "-i {mine}", "a package has scripts that are run (dpkg(1))", ""},
	{Run, "apt apt-get aptitude", "-o APT::Update::Pre-Invoke::={mine} update", "the hook is run (apt.conf(5))", ""},
	{Run, "dnf microdnf", "install {mine} …", "a package has scripts that are run", ""},
	{Run, "gem", "install {mine}", "a package's setup is run", ""},
	{Run, "ctr", "run --privileged --mount type=bind,src=/,dst=/host,options=rbind {any} {any} …", "a container may have the machine's / mounted (ctr(8))", ""},
	{Run, "crun", "run -b {mine} {any}", "the configuration in the bundle says what is run, and with what of the machine (runc-run(8))", ""},
	{Run, "invoke-rc.d", "{initd} {any}", "an action that systemd does not know is left to the script of that path, below /etc/init.d (service(8))", ""},
	{Run, "bwrap", "--dev-bind / / {mine} …", "the command is run (bwrap(1))", ""},
	{Run, "machinectl", "shell …", "a shell is started (machinectl(1))", ""},
}
