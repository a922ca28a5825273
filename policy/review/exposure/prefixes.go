package exposure

// prefixes are programs before a command that change what the command is, or what it
// does, without naming it.
var prefixes = []way{
	{Code, "env sudo", "LD_PRELOAD={mine} {cmd} …", "the library is loaded into the program (ld.so(8))", ""},
	{Code, "env sudo", "LD_AUDIT={mine} {cmd} …", "the library is loaded into the program (ld.so(8))", ""},
	{Code, "env sudo", "LD_LIBRARY_PATH={mine} {cmd} …", "libraries are looked for there first (ld.so(8))", ""},
	{Run, "env", "PATH={mine} {cmd} …", "the program is looked for in a directory of the caller's (env(1))", ""},
	{Run, "env", "-S {mine} …", "the text is split into a command (env(1))", ""},
	{Run, "chroot", "{mine} {cmd} …", "the program is that of the caller's directory, and runs as root (chroot(8))", "cap_sys_chroot"},
	{Run, "unshare", "-R {mine} {cmd} …", "the program is that of the caller's directory, and runs as root (unshare(1))", "cap_sys_chroot"},
	{Run, "nsenter", "-t {pid} -m {cmd} …", "the program is that of the caller's mount namespace, and runs as root (nsenter(1))", "cap_sys_admin"},
	{Run, "nsenter", "--mount={any} {cmd} …", "the program is that of the caller's mount namespace, and runs as root (nsenter(1))", "cap_sys_admin"},
}
