"""The peer, asked by differential_test.go: one JSON object a line in, one out.

It is oslo.rootwrap's own code, loaded from where Debian installs it. Two things
of it are changed, so that neither hides what the filters decide:
  - a program given by an absolute path counts as present;
  - a directory is listed in sorted order, as ironwrap does (os.listdir has none).

Words travel as hex digits of their bytes, decoded as Python decodes argv.
"""
import json
import os
import random
import re
import sys

from oslo_rootwrap import filters, wrapper

listdir, get_exec = os.listdir, filters.CommandFilter.get_exec
os.listdir = lambda path: sorted(listdir(path))


def present(self, exec_dirs=None):
    if os.path.isabs(self.exec_path):
        return self.exec_path
    return get_exec(self, exec_dirs)


filters.CommandFilter.get_exec = present


def unhex(words):
    return [os.fsdecode(bytes.fromhex(w)) for w in words]


def tohex(words):
    return [os.fsencode(w).hex() for w in words]


def load(conf):
    parser = wrapper.configparser.RawConfigParser()
    parser.read(conf)
    config = wrapper.RootwrapConfig(parser)
    return config, wrapper.load_filters(config.filters_path)


def describe(f):
    args = [f.file_path] if isinstance(f, filters.ReadFileFilter) else list(f.args)
    return {"name": f.name, "class": type(f).__name__, "exec": f.exec_path,
            "runas": f.run_as, "args": args}


def variables(f, userargs):
    """The value that each variable named in userargs has for the command."""
    env = f.get_environment(list(userargs)) or {}
    names = {w.partition("=")[0] for w in userargs if "=" in w}
    return {tohex([n])[0]: tohex([env[n]])[0] for n in names if n in env}


def ask(every, exec_dirs, argv):
    userargs = list(argv)
    try:
        f = wrapper.match_filter(every, userargs, exec_dirs)
    except wrapper.NoFilterMatched:
        return {"verdict": "deny"}
    except wrapper.FilterMatchNotExecutable as e:
        return {"verdict": "not-executable", "filter": every.index(e.match)}
    except Exception as e:  # a traceback: the peer runs nothing
        return {"verdict": "crash", "error": repr(e)}
    answer = {"verdict": "allow", "filter": every.index(f)}
    # userargs is what match_filter left of it, as in start_subprocess.
    try:
        answer["command"] = tohex(f.get_command(userargs, exec_dirs))
        answer["env"] = variables(f, userargs)
    except Exception as e:
        return {"verdict": "crash", "error": repr(e)}
    if isinstance(f, filters.ChainingFilter):
        # What the leaf would run: the peer does not ask it.
        nested = f.exec_args(userargs)
        leaves = [leaf for leaf in every if leaf.run_as == f.run_as
                  and not isinstance(leaf, filters.ChainingFilter)]
        leaf = wrapper.match_filter(leaves, nested, exec_dirs)
        answer["leaf"] = every.index(leaf)
        answer["leaf_command"] = tohex(leaf.get_command(nested, exec_dirs))
        answer["env"] = variables(leaf, nested)
    return answer


def generate(parsed, rnd, groups):
    """A string that a parsed pattern matches, its look-arounds aside."""
    out = []
    for op, av in parsed:
        op = str(op)
        if op == "LITERAL":
            out.append(chr(av))
        elif op == "NOT_LITERAL":
            out.append(rnd.choice([c for c in "aZ0/. -" if ord(c) != av]))
        elif op == "ANY":
            out.append(rnd.choice("abcXYZ019/._-= :,'\"$*\u00e9"))
        elif op == "IN":
            out.append(member(av, rnd))
        elif op == "BRANCH":
            out.append(generate(rnd.choice(av[1]), rnd, groups))
        elif op == "SUBPATTERN":
            text = generate(av[-1], rnd, groups)
            groups[av[0]] = text
            out.append(text)
        elif op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, what = av
            for _ in range(rnd.randint(low, min(int(high), low + 4))):
                out.append(generate(what, rnd, groups))
        elif op == "GROUPREF":
            out.append(groups.get(av, ""))
        elif op == "ATOMIC_GROUP":
            out.append(generate(av, rnd, groups))
        elif op not in ("AT", "ASSERT", "ASSERT_NOT"):
            raise ValueError("cannot generate for " + op)
    return "".join(out)


def member(items, rnd):
    """One character of a set."""
    classes = {"CATEGORY_DIGIT": "0123456789", "CATEGORY_SPACE": " \t",
               "CATEGORY_WORD": "aZ_0", "CATEGORY_NOT_DIGIT": "aZ-/",
               "CATEGORY_NOT_SPACE": "aZ0/_-", "CATEGORY_NOT_WORD": " -/."}
    if str(items[0][0]) == "NEGATE":
        barred = set()
        for op, av in items[1:]:
            if str(op) == "LITERAL":
                barred.add(chr(av))
            elif str(op) == "RANGE":
                barred.update(map(chr, range(av[0], av[1] + 1)))
        return rnd.choice([c for c in "abcXYZ019/._-= " if c not in barred])
    op, av = rnd.choice(items)
    if str(op) == "LITERAL":
        return chr(av)
    if str(op) == "RANGE":
        return chr(rnd.randint(av[0], av[1]))
    return rnd.choice(classes[str(av)])


def strings(pattern, count, rnd):
    """Up to count strings that match pattern, and some that its tree suggests."""
    found = []
    try:
        parsed = re._parser.parse(pattern)
    except re.error:
        return [pattern]
    for _ in range(count):
        text = generate(parsed, rnd, {})
        if "\0" not in text and text not in found:
            found.append(text)
    found.sort(key=lambda s: not re.match(pattern + "$", s))
    return found


def main():
    config, every = load(sys.argv[1])
    print(json.dumps({"filters": [describe(f) for f in every],
                      "exec_dirs": config.exec_dirs}), flush=True)
    loaded = {sys.argv[1]: (config, every)}
    for line in sys.stdin:
        request = json.loads(line)
        conf = request.get("conf") or sys.argv[1]
        if conf not in loaded:
            loaded[conf] = load(conf)
        config, every = loaded[conf]
        if "pattern" in request:
            rnd = random.Random(request["seed"])
            answer = tohex(strings(request["pattern"], request["count"], rnd))
        else:
            answer = ask(every, config.exec_dirs, unhex(request["argv"]))
        print(json.dumps(answer), flush=True)


main()
