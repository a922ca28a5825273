"""functional.py [--list] NAME...

Runs those of neutron's functional tests, modules or single ones, and prints one JSON object
a line: a test and what came of it. --list prints their names alone, a line each.
"""

import io
import json
import os
import signal
import sys
import time
import unittest


PATIENCE = 150  # seconds, for a test


class Result(unittest.TestResult):
    def startTest(self, test):
        self.begun, self.test = time.monotonic(), test
        signal.signal(signal.SIGALRM, self.late)
        signal.alarm(PATIENCE)

    def stopTest(self, test):
        signal.alarm(0)

    def late(self, number, frame):
        """Gives up a test that does not come to its end, and begins anew with the next."""
        self.say(self.test, "failed", (None, "it takes longer than %d s" % PATIENCE))
        names = sys.argv[1:]
        while names and self.test.id() != names[0] and not self.test.id().startswith((names[0] + "(", names[0] + ".")):
            names.pop(0)
        if len(names) < 2:
            os._exit(0)
        os.execv(sys.executable, [sys.executable, __file__, *names[1:]])

    def say(self, test, outcome, error=None, details=None):
        why = str(error[1]) if error else "".join(d.as_text() for d in (details or {}).values())
        print(json.dumps({"test": test.id(), "outcome": outcome, "why": why[-2000:],
                          "seconds": round(time.monotonic() - self.begun, 1)}), file=out, flush=True)

    def addSuccess(self, test, details=None):
        self.say(test, "ok")

    def addSkip(self, test, reason=None, details=None):
        self.say(test, "skipped")

    def addFailure(self, test, err=None, details=None):
        self.say(test, "failed", err, details)

    def addError(self, test, err=None, details=None):
        self.say(test, "failed", err, details)

    def addExpectedFailure(self, test, err=None, details=None):
        self.say(test, "expected failure")

    def addUnexpectedSuccess(self, test, details=None):
        self.say(test, "unexpected success")


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test.id()


out, sys.stdout = sys.stdout, io.StringIO()
load = unittest.TestLoader().loadTestsFromNames
if sys.argv[1] == "--list":
    print("\n".join(each(load(sys.argv[2:]))), file=out)
else:
    load(sys.argv[1:]).run(Result())
