#!/usr/bin/python3
"""Puts a staged tree of files and links in place, and gives back what was there."""

DOCUMENTATION = r"""
module: ironwrap_tree
short_description: Put a tree of files and links in place, and give back what was there
description:
  - Puts each file and link below I(src) at the same path below C(/), each by one rename(2),
    files before links, and keeps what was there before.
  - What it put in an earlier run and is not in I(src) any more is given back.
  - A path that somebody else has changed since is theirs. It is kept as the original when
    it is put again, and left alone when it would be given back.
  - A program of a Debian package is diverted by dpkg-divert(1) to PATH.oslo, so that an
    upgrade of the package does not undo the link.
options:
  src:
    description: The staged tree. Needed for I(state=present).
    type: path
  store:
    description: Where originals and the state are kept.
    type: path
    required: true
  state:
    description:
      - C(present) puts the tree in place. A run that was broken off before is undone first.
      - C(undone) takes back the last C(present) that is not settled.
      - C(settled) makes the last C(present) final.
      - C(absent) gives back everything.
    choices: [present, undone, settled, absent]
    default: present
"""

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile

from ansible.module_utils.basic import AnsibleModule


def look(path):
    """What is at path, as a word that can be compared; None for nothing."""
    try:
        st = os.lstat(path)
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise
    if stat.S_ISLNK(st.st_mode):
        return "link " + os.readlink(path)
    if not stat.S_ISREG(st.st_mode):
        raise ValueError("%s is neither a file nor a link" % path)
    with open(path, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    return "file %o %d %d %s" % (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, digest)


def walk(top):
    """The paths below top, as they are on the host."""
    return sorted(
        os.path.join(d, n)[len(top):]
        for d, dirs, files in os.walk(top)
        for n in files + [n for n in dirs if os.path.islink(os.path.join(d, n))]
    )


def copy(src, dst):
    """Puts src at dst by one rename."""
    fd, new = tempfile.mkstemp(prefix=".ironwrap-", dir=os.path.dirname(dst))
    os.close(fd)
    try:
        if os.path.islink(src):
            os.unlink(new)
            os.symlink(os.readlink(src), new)
        else:
            st = os.stat(src)
            shutil.copyfile(src, new)
            os.chown(new, st.st_uid, st.st_gid)
            shutil.copystat(src, new)  # after chown(2), which clears set-user-id bits
        os.rename(new, dst)
    except BaseException:
        if os.path.lexists(new):
            os.unlink(new)
        raise


def owned(path):
    """Whether path is a file of a Debian package."""
    try:
        return subprocess.run(["dpkg-query", "-S", path], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def divert(path, how):
    subprocess.run(
        ["dpkg-divert", "--local", "--quiet", "--no-rename", "--divert", path + ".oslo", how, path],
        capture_output=True, check=True,
    )


class Tree:
    def __init__(self, module):
        self.module, self.store = module, module.params["store"]
        self.was, self.undo = self.store + "/was", self.store + "/undo"
        self.state = self.load("state.json")

    def load(self, name):
        try:
            with open(os.path.join(self.store, name)) as f:
                return json.load(f)
        except IOError as e:
            if e.errno != errno.ENOENT:
                raise
        return {"put": {}, "diverted": [], "directories": []}

    def save(self, name="state.json"):
        fd, new = tempfile.mkstemp(dir=self.store)
        with os.fdopen(fd, "w") as f:
            json.dump(self.state, f, indent=1, sort_keys=True)
            f.flush()
            os.fsync(f.fileno())
        os.rename(new, os.path.join(self.store, name))

    def keep(self, path, where):
        """Keeps a copy of path, or that there is none."""
        kept = where + path
        if os.path.lexists(kept):
            os.unlink(kept)
        if os.path.lexists(path):
            self.directories(kept, False)
            copy(path, kept)

    def restore(self, path, where):
        if os.path.lexists(where + path):
            self.directories(path, False)
            copy(where + path, path)
        elif os.path.lexists(path):
            os.unlink(path)

    def directories(self, path, note):
        """Makes the directories above path."""
        above = os.path.dirname(path)
        if os.path.isdir(above):
            return
        self.directories(above, note)
        os.mkdir(above)
        os.chmod(above, 0o755 if note else 0o700)
        if note:
            self.state["directories"].append(above)

    def changes(self, src):
        """What there is to do: what is given back, and what is put."""
        put, wanted = self.state["put"], walk(src) if src else []
        back = [p for p in put if p not in wanted]
        new = [p for p in wanted if look(p) != look(src + p)]
        # Links to programs go first, and come last.
        back.sort(key=lambda p: (not put[p].startswith("link"), p))
        new.sort(key=lambda p: (os.path.islink(src + p), p))
        return back, new

    def begin(self, src, paths):
        """Keeps what undoes the run, whole before the first change."""
        draft = self.undo + ".new"
        shutil.rmtree(draft, ignore_errors=True)
        os.makedirs(draft, 0o700)
        links = [p for p in paths if os.path.islink(p) or os.path.islink(src + p)]
        paths = paths + [p + ".oslo" for p in links]
        for path in paths:
            self.keep(path, draft + "/files")
        with open(draft + "/paths.json", "w") as f:
            json.dump(paths, f)
        for name in ("was", "state.json"):
            if os.path.lexists(os.path.join(self.store, name)):
                subprocess.run(["cp", "-a", os.path.join(self.store, name), draft], check=True)
        os.rename(draft, self.undo)

    def put(self, src, path):
        ours = self.state["put"].get(path)
        if look(path) != ours:
            self.keep(path, self.was)  # the host's own, or what somebody has put since
        self.directories(path, True)
        if os.path.islink(src + path) and path not in self.state["diverted"] and owned(path):
            copy(path, path + ".oslo")
            divert(path, "--add")
            self.state["diverted"].append(path)
        self.state["put"][path] = look(src + path)
        self.save()
        copy(src + path, path)
        self.module.set_default_selinux_context(path, False)

    def give_back(self, path):
        """Gives path back, unless it is somebody else's by now. Tells whether it did."""
        ours = self.state["put"].pop(path)
        mine = look(path) in (ours, None)
        if path in self.state["diverted"]:
            self.state["diverted"].remove(path)
            if mine and os.path.lexists(path + ".oslo"):
                os.rename(path + ".oslo", path)
            elif mine and os.path.lexists(path):
                os.unlink(path)  # its package is gone
            divert(path, "--remove")
        elif mine:
            self.restore(path, self.was)
        if os.path.lexists(self.was + path):
            os.unlink(self.was + path)
        self.save()
        return mine

    def present(self, src):
        broken = os.path.isdir(self.undo)
        if broken and not self.module.check_mode:
            self.undone()
        back, new = self.changes(src)
        if self.module.check_mode or not back + new:
            return broken or bool(back + new), back + new, []
        os.makedirs(self.store, 0o700, exist_ok=True)
        self.begin(src, back + new)
        left = [p for p in back if not self.give_back(p)]
        for path in new:
            self.put(src, path)
        self.tidy()
        return True, back + new, left

    def undone(self):
        if not os.path.isdir(self.undo):
            return False, [], []
        with open(self.undo + "/paths.json") as f:
            paths = json.load(f)
        if self.module.check_mode:
            return True, paths, []
        now = self.state
        self.state = self.load("undo/state.json")
        for path in paths:
            self.restore(path, self.undo + "/files")
        for path in set(now["diverted"]) - set(self.state["diverted"]):
            divert(path, "--remove")
        for path in set(self.state["diverted"]) - set(now["diverted"]):
            divert(path, "--add")
        shutil.rmtree(self.was, ignore_errors=True)
        if os.path.isdir(self.undo + "/was"):
            subprocess.run(["cp", "-a", self.undo + "/was", self.was], check=True)
        made = [d for d in now["directories"] if d not in self.state["directories"]]
        self.save()
        self.clear(made)
        self.settled()
        if not self.state["put"]:
            shutil.rmtree(self.store)
        return True, paths, []

    def settled(self):
        there = os.path.isdir(self.undo)
        if there and not self.module.check_mode:
            gone = self.undo + ".done"
            os.rename(self.undo, gone)
            shutil.rmtree(gone)
        return False, [], []

    def absent(self):
        if os.path.isdir(self.undo) and not self.module.check_mode:
            self.undone()
        back, _ = self.changes(None)
        if self.module.check_mode or not os.path.isdir(self.store):
            return bool(back), back, []
        left = [p for p in back if not self.give_back(p)]
        self.tidy()
        shutil.rmtree(self.store)
        return True, back, left

    def tidy(self):
        """Removes directories of ours that are empty."""
        if not self.state["put"]:
            self.clear(self.state["directories"])
        self.save()

    def clear(self, directories):
        for d in sorted(directories, reverse=True):
            try:
                os.rmdir(d)
            except OSError:
                continue  # somebody uses it
            if d in self.state["directories"]:
                self.state["directories"].remove(d)


def main():
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path"},
            "store": {"type": "path", "required": True},
            "state": {"choices": ["present", "undone", "settled", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["src"])],
        supports_check_mode=True,
    )
    tree, state = Tree(module), module.params["state"]
    try:
        if state == "present":
            changed, paths, left = tree.present(module.params["src"].rstrip("/"))
        else:
            changed, paths, left = getattr(tree, state)()
    except (OSError, ValueError, subprocess.CalledProcessError) as e:
        module.fail_json(msg="cannot change the files of ironwrap (%s): %s" % (state, e))
    module.exit_json(changed=changed, paths=paths, left=left)


if __name__ == "__main__":
    main()
