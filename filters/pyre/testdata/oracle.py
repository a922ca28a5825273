"""What CPython makes of a pattern and an argument, asked by pyre's tests.

Says its version first.
One JSON request a line: {"p": pattern, "a": [argument in hex, ...]}.
One JSON answer a line:  {"c": whether the pattern alone compiles, "v": [...]}
with one list for each argument, or null for one that took too long:

  peer    rootwrap's question: re.match(pattern + '$', argument)
  whole   the same with the pattern anchored as a whole
  ends    and with $ being the very end
  exact   and with classes and (?i) being those of ASCII, but never wider:
          what pyre has to answer
  unknown whether a character of the argument is not assigned

{"chars": [character, ...]} and then {"all": pattern} ask which of the characters
a pattern for one character matches; the answer lists those.
"""
import json, signal, sys, unicodedata, warnings
import re
from re import _compiler, _parser
from re._constants import *

warnings.simplefilter('ignore')
I, M, A = re.I.value, re.M.value, re.A.value
TYPES = re.A.value | re.U.value | re.L.value
DIGIT, WORD, SPACE = [(48, 57)], [(48, 57), (65, 90), (95, 95), (97, 122)], [(9, 13), (32, 32)]


def others(ranges):
    out, at = [], 0
    for lo, hi in ranges:
        if at < lo:
            out.append((at, lo - 1))
        at = hi + 1
    return out + [(at, 0x10ffff)]


SURE = {CATEGORY_DIGIT: DIGIT, CATEGORY_WORD: WORD, CATEGORY_SPACE: SPACE}
MAYBE = {CATEGORY_NOT_DIGIT: others(DIGIT), CATEGORY_NOT_WORD: others(WORD), CATEGORY_NOT_SPACE: others(SPACE)}


def members(items, flags, maybe):
    """The members of a class, widened (maybe) or narrowed to what pyre takes."""
    out = []
    for op, av in items:
        if op is CATEGORY:
            ranges = (MAYBE if maybe else SURE).get(av)
            if ranges is None or flags & A:
                out.append((op, av))
            else:
                out += [(RANGE, r) for r in ranges]
            continue
        lo, hi = (av, av) if op is LITERAL else av
        out.append((RANGE, (lo, hi)))
        if flags & I:
            for c in range(128):
                if lo <= c <= hi and chr(c).isalpha():
                    out.append((LITERAL, c ^ 32))
                    if maybe and not flags & A:
                        out += [(LITERAL, x) for x in {'k': [0x212a], 's': [0x17f], 'i': [0x130, 0x131]}.get(chr(c | 32), [])]
    return out


def rewrite(sub, flags, negated, classes):
    """Narrows the $, and with classes the classes, of a parsed pattern."""
    down = lambda p, f=flags, n=negated: rewrite(p, f, n, classes)
    data = []
    for op, av in sub.data:
        if op is AT and av is AT_END and not flags & M and not negated:
            av = AT_END_STRING
        elif op is BRANCH:
            av = (av[0], [down(p) for p in av[1]])
        elif op is SUBPATTERN:
            group, add, rem, p = av
            inner = ((flags & ~TYPES if add & TYPES else flags) | add) & ~rem
            av = (group, add & ~I, rem & ~I, down(p, inner)) if classes else (group, add, rem, down(p, inner))
        elif op in (MAX_REPEAT, MIN_REPEAT, POSSESSIVE_REPEAT):
            av = (av[0], av[1], down(av[2]))
        elif op is ASSERT:
            av = (av[0], down(av[1]))
        elif op is ASSERT_NOT:
            av = (av[0], down(av[1], n=not negated))
        elif op is ATOMIC_GROUP:
            av = down(av)
        elif op is GROUPREF_EXISTS:
            av = (av[0], down(av[1]), av[2] and down(av[2]))
        elif classes and op in (LITERAL, NOT_LITERAL, IN):
            items = av if op is IN else [(LITERAL, av)]
            complement = op is NOT_LITERAL or items[0][0] is NEGATE
            items = members([i for i in items if i[0] is not NEGATE], flags, negated != complement)
            op, av = IN, ([(NEGATE, None)] if complement else []) + items
        data.append((op, av))
    return _parser.SubPattern(sub.state, data)


def variant(pattern, narrow):
    parsed = _parser.parse(pattern)
    if narrow:
        flags = parsed.state.flags
        parsed = rewrite(parsed, flags, False, narrow == 'classes')
        if narrow == 'classes':
            parsed.state.flags = flags & ~I
    parsed.insert(0, (AT, AT_BEGINNING_STRING))
    parsed.append((AT, AT_END_STRING))
    return _compiler.compile(parsed)


class Slow(Exception):
    pass


def slow(*_):
    if hurry:
        raise Slow


hurry = False


def answer(request):
    global chars, hurry
    if 'chars' in request:
        chars = ''.join(map(chr, request['chars']))
        return True
    if 'all' in request:
        return [ord(c) for c in re.findall(request['all'], chars)]
    pattern = request['p']
    compiled = peer = whole = ends = exact = None
    try:
        compiled = re.compile(pattern)
        whole, ends, exact = (variant(pattern, n) for n in (None, 'ends', 'classes'))
    except Exception:
        pass
    try:
        peer = re.compile(pattern + '$')
    except Exception:
        pass
    verdicts = []
    for arg in request['a']:
        arg = bytes.fromhex(arg).decode('utf-8', 'surrogateescape')
        try:
            hurry = True
            signal.setitimer(signal.ITIMER_VIRTUAL, 1)
            verdict = [bool(p and p.match(arg)) for p in (peer, whole, ends, exact)]
            verdict.append(any(unicodedata.category(c) == 'Cn' for c in arg))
            hurry = False
        except Slow:
            verdict = None
        hurry = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        verdicts.append(verdict)
    return {'c': compiled is not None, 'v': verdicts}


signal.signal(signal.SIGVTALRM, slow)
print('%d.%d' % sys.version_info[:2], flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
