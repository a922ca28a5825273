"""functional.py NAME...

Runs those of neutron's functional tests, modules or single ones, and prints one JSON object
a line: a test and what came of it.
"""

import io
import json
import sys
import time
import unittest


class Result(unittest.TestResult):
    def startTest(self, test):
        self.begun = time.monotonic()

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


out, sys.stdout = sys.stdout, io.StringIO()
unittest.TestLoader().loadTestsFromNames(sys.argv[1:]).run(Result())
