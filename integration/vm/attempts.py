"""Attempts of an unprivileged user on a setuid ironwrap, for real: what pkexec, sudo,
doas, su and others fell to, and what a Go program might. Prints lines of two columns:
the attempt, and what it got. CONF names this user in allow_users, OTHER does not."""

import ctypes
import errno
import fcntl
import os
import pty
import re
import resource
import select
import signal
import stat
import subprocess
import sys
import termios
import time

PROGRAM, CONF, OTHER = sys.argv[1:4]
HOME = os.environ["HOME"]
libc = ctypes.CDLL(None, use_errno=True)
RENAME_EXCHANGE = 2


def execve(argv, env=()):
    """execve(2) with anything: no argv, names twice."""
    def vector(words):
        words = [os.fsencode(w) for w in words]
        return (ctypes.c_char_p * (len(words) + 1))(*words, None)
    libc.execve(os.fsencode(PROGRAM), vector(argv), vector(env))
    os._exit(111)


def run(argv, env=(), before=None, wait=30, stdin=None):
    """What a call printed, its complaint, and its status."""
    out, err = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(out[1], 1)
        os.dup2(err[1], 2)
        if stdin is not None:
            os.dup2(stdin, 0)
        os.closerange(3, 64)
        if before:
            before()
        execve(argv, env)
    os.close(out[1])
    os.close(err[1])
    said = {out[0]: b"", err[0]: b""}
    end, left = time.time() + wait, set(said)
    while left and time.time() < end:
        for fd in select.select(list(left), [], [], 1)[0]:
            data = os.read(fd, 65536)
            said[fd] += data
            if not data:
                left.remove(fd)
    if left:
        os.kill(pid, signal.SIGKILL)
    for fd in said:
        os.close(fd)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return os.fsdecode(said[out[0]]), os.fsdecode(said[err[0]]), status, bool(left)


def call(*words, **how):
    return run(("ironwrap", CONF) + words, **how)


def got(result):
    """An outcome in words."""
    out, err, status, hung = result
    if hung:
        return "it hung"
    if status in (96, 97, 98, 99) and not out and err.count("\n") == 1 and err[:-1].isprintable():
        return "refused (%d)" % status
    if status < 0:
        return "killed by signal %d" % -status
    return ("ran: " + " ".join(out.split())) if status == 0 else "status %d: %s" % (status, err[:80])


def variables(env):
    out, err, status, hung = call("env", env=env)
    names = [line.split("=")[0] for line in out.splitlines()]
    return " ".join(names) if status == 0 and not hung else got((out, err, status, hung))


def limited(which, value):
    """A lowered limit: the command ran as a whole, or not at all."""
    made = HOME + "/made"
    if os.path.exists(made):
        os.unlink(made)
    out, err, status, hung = call("touch", made, before=lambda: resource.setrlimit(which, (value, value)))
    ran = os.path.exists(made)
    if ran:
        st = os.stat(made)
        if (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) != (0, 0, 0o644):
            return "made a file %d:%d %o" % (st.st_uid, st.st_gid, st.st_mode)
    if hung or ran != (status == 0):
        return "half of it: ran %s, status %d, %s" % (ran, status, err)
    return "the whole command, or nothing"


def swapped():
    """Exchanging a directory below a PathFilter's for a link to root's, meanwhile."""
    base = HOME + "/images"
    os.makedirs(base + "/d", exist_ok=True)
    open(base + "/d/root-only", "w").write("m")
    if not os.path.islink(base + "/l"):
        os.symlink("/root", base + "/l")
    # In a process of its own: a thread would wait for this one.
    pid = os.fork()
    while pid == 0:
        libc.renameat2(-100, os.fsencode(base + "/d"), -100, os.fsencode(base + "/l"), RENAME_EXCHANGE)
    try:
        read = [call("head", "-c1", base + "/d/root-only")[0] for _ in range(100)]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return "%d of 100 outside of the directory, and %s inside" % (read.count("r"), "some" if "m" in read else "none")


def hold():
    """A command of root's that runs: whether its caller has any hold of it."""
    pid = os.fork()
    if pid == 0:
        execve(["ironwrap", CONF, "sleep", "20"])
    for _ in range(200):
        try:
            if open("/proc/%d/comm" % pid).read() == "sleep\n":
                break
        except OSError:
            pass
        time.sleep(0.05)
    held = []
    for s in signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGUSR1:
        try:
            os.kill(pid, s)
            held.append("signal %d" % s)
        except PermissionError:
            pass
    for name in "environ", "mem", "maps", "fd":
        try:
            os.listdir("/proc/%d/fd" % pid) if name == "fd" else open("/proc/%d/%s" % (pid, name), "rb").read(1)
            held.append(name)
        except PermissionError:
            pass
    if libc.ptrace(16, pid, 0, 0) == 0:
        held.append("ptrace")
    try:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3))
        held.append("prlimit")
    except PermissionError:
        pass
    return "no hold" if not held else "hold by " + ", ".join(held)


def storm():
    """Signals from the first moment on: it dies before the command, or is out of reach."""
    results = set()
    for delay in range(40):
        out = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(out[1], 1)
            execve(["ironwrap", CONF, "id", "-u"])
        os.close(out[1])
        time.sleep(delay * 0.002)
        try:
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGTERM)
        except PermissionError:
            pass
        said = os.read(out[0], 100).decode().strip()
        os.close(out[0])
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        results.add({("0", 0): "whole", ("", -15): "nothing"}.get((said, status), "%s, %d" % (said, status)))
    return "the whole command, or nothing" if results <= {"whole", "nothing"} else str(results)


def typed():
    """A command of another user's types into the terminal of its caller (TIOCSTI)."""
    def on_terminal(argv):
        master, slave = pty.openpty()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in 0, 1, 2:
                os.dup2(slave, fd)
            execve(argv) if argv[0] == "ironwrap" else os.execv(argv[0], argv)
        os.close(slave)
        said = b""
        try:
            while data := os.read(master, 65536):
                said += data
        except OSError:
            pass
        os.waitpid(pid, 0)
        return re.search(r"\[(.*)\]", said.decode()).group(1)
    code = ["/usr/bin/python3", "-I", "-c", "import fcntl, termios\n"
            "try:\n fcntl.ioctl(0, termios.TIOCSTI, b'x'); print('[typed]')\n"
            "except OSError as e: print('[refused]')"]
    return "as nobody by ironwrap: %s; by itself: %s" % (on_terminal(["ironwrap", CONF] + code), on_terminal(code))


def linked():
    """A hard link to the program, kept until a hole is found in it."""
    try:
        os.link(PROGRAM, HOME + "/kept")
    except OSError as e:
        return errno.errorcode[e.errno]
    os.unlink(HOME + "/kept")
    return "linked"


def written():
    """The program itself, while it runs and while it does not."""
    for path in PROGRAM, "/proc/self/exe":
        try:
            open(path, "r+b").close()
            return "opened " + path
        except OSError:
            pass
    return "cannot be written"


def fifo():
    path = HOME + "/fifo"
    if not os.path.exists(path):
        os.mkfifo(path)
    return path


def descriptors():
    def before():
        fd = os.open(HOME, os.O_RDONLY)
        for n in 3, 7, 9, 50:
            os.dup2(fd, n)
            os.set_inheritable(n, True)
    return " ".join(sorted(call("env", "ls", "/proc/self/fd", before=before)[0].split()))


def without_descriptors():
    def before():
        for n in 0, 1, 2:
            os.close(n)
    made = HOME + "/made"
    if os.path.exists(made):
        os.unlink(made)
    call("touch", made, before=before)
    return "%d bytes in the file that the command made" % os.stat(made).st_size


def in_user_namespace(*flags):
    r = subprocess.run(["unshare", *flags, PROGRAM, CONF, "id", "-u"], capture_output=True, text=True)
    return "refused (97)" if r.returncode == 97 and not r.stdout else got((r.stdout, r.stderr, r.returncode, False))


def timers():
    def before():
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        for s in range(1, 32):
            if s not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(s, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM})
        os.nice(10)
        os.umask(0o777)
    out = call("env", "grep", "-E", "^Sig(Blk|Ign|Pnd):", "/proc/self/status", before=before)[0]
    return " ".join(out.split())


def groups():
    out = call("env", "grep", "-E", "^(Uid|Gid|Groups|CapInh|CapAmb):", "/proc/self/status")[0]
    return " ".join(out.split())


def run_under_trace():
    """PTRACE_TRACEME before execve(2): the bit has no effect then."""
    out, err = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(out[1], 1)
        os.dup2(err[1], 2)
        libc.ptrace(0, 0, 0, 0)
        execve(["ironwrap", CONF, "id", "-u"])
    os.close(out[1])
    os.close(err[1])
    status = None
    while status is None:
        _, ws = os.waitpid(pid, 0)
        if os.WIFSTOPPED(ws):
            libc.ptrace(7, pid, 0, 0 if os.WSTOPSIG(ws) == signal.SIGTRAP else os.WSTOPSIG(ws))
        else:
            status = os.waitstatus_to_exitcode(ws)
    return os.read(out[0], 4096).decode(), os.read(err[0], 4096).decode(), status, False


ATTEMPTS = [
    ("no arguments at all", lambda: got(run([]))),
    ("no arguments, a command in the environment", lambda: got(run([], env=[CONF, "id", "PATH=GCONV_PATH=."]))),
    ("argv[0] with a format and a line break", lambda: got(run(["%n%s\nroot: forged", CONF, "bash"]))),
    ("argv[0] of 100 kB", lambda: got(run(["x" * 100000, CONF, "bash"]))),
    ("arguments of 1 MB that end in backslashes", lambda: got(run(["ironwrap", CONF] + ["\\" * 100000] * 10))),
    ("another user's policy", lambda: got(run(["ironwrap", OTHER, "id", "-u"]))),
    ("another user's policy, their name in the environment", lambda: got(run(["ironwrap", OTHER, "id", "-u"], env=["USER=nova", "LOGNAME=nova", "SUDO_USER=nova", "SUDO_UID=0"]))),
    ("a configuration by /proc/self/cwd", lambda: got(run(["ironwrap", "/proc/self/cwd/rootwrap.conf", "id"]))),
    ("a configuration by dots", lambda: got(run(["ironwrap", os.path.dirname(CONF) + "/../../.." + HOME + "/rootwrap.conf", "id"]))),
    ("a file of root's as configuration", lambda: got(run(["ironwrap", "/etc/shadow", "id"]))),
    ("an option before the configuration", lambda: got(run(["ironwrap", "--config", HOME + "/x", "id"]))),
    ("variables of the loader and of interpreters", lambda: variables(["LD_PRELOAD=" + HOME + "/x.so", "LD_AUDIT=x", "LD_LIBRARY_PATH=" + HOME, "GLIBC_TUNABLES=x=1", "GCONV_PATH=.", "BASH_ENV=x", "ENV=x", "IFS=/", "PYTHONPATH=.", "PATH=" + HOME])),
    ("variables twice", lambda: variables(["PATH=/a", "PATH=/b", "HOME=/a", "HOME=/b"])),
    ("variables of Go's runtime", lambda: variables(["GODEBUG=gctrace=1,inittrace=1", "GOGC=1", "GOMEMLIMIT=1", "GOTRACEBACK=crash", "GOMAXPROCS=1"])),
    ("TZ is a FIFO", lambda: got(call("id", "-u", env=["TZ=" + fifo()]))),
    ("TZ is a file of root's", lambda: got(call("id", "-u", env=["TZ=:/etc/shadow"]))),
    ("descriptors left open, as ls sees them (3 is its own)", descriptors),
    ("descriptors 0 to 2 closed", without_descriptors),
    ("signals ignored and blocked, a timer, umask, nice", timers),
    ("ids, groups and capabilities of the command", groups),
    ("signals while it starts", storm),
    ("a hold of the running command", hold),
    ("a limit on memory", lambda: limited(resource.RLIMIT_AS, 50 << 20)),
    ("a limit on data", lambda: limited(resource.RLIMIT_DATA, 1 << 20)),
    ("a limit on the stack", lambda: limited(resource.RLIMIT_STACK, 8192)),
    ("a limit on descriptors", lambda: limited(resource.RLIMIT_NOFILE, 6)),
    ("a limit on file size", lambda: limited(resource.RLIMIT_FSIZE, 0)),
    ("a limit on CPU time", lambda: limited(resource.RLIMIT_CPU, 1)),
    ("a limit on processes", lambda: limited(resource.RLIMIT_NPROC, 0)),
    ("a limit on pending signals", lambda: limited(11, 0)),
    ("paths exchanged while they are checked", swapped),
    ("typing into the terminal", typed),
    ("in a user namespace", lambda: in_user_namespace("--user")),
    ("as root of a user namespace", lambda: in_user_namespace("--user", "--map-root-user")),
    ("as root of a user namespace, with mounts", lambda: in_user_namespace("--user", "--map-root-user", "--mount")),
    ("under strace", lambda: got(run_under_trace())),
    ("a hard link to the program", linked),
    ("writing to the program", written),
]


for name, attempt in ATTEMPTS:
    try:
        result = attempt()
    except Exception as e:  # an attempt that cannot be made is none
        result = "could not be tried: %s: %s" % (type(e).__name__, e)
    print(name, result, sep="\t", flush=True)
