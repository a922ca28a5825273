"""Calls the root helper as a service does, through sudo, until the file STOP is there:
    calls.py oneshot|daemon STOP RESULT WRAPPER CONFIG COMMAND...
and writes to RESULT, a line a call: its exit status, how long it took in seconds, and
what it said on standard error."""

import os
import subprocess
import sys
import time

how, stop, result, wrapper, config = sys.argv[1:6]
command = sys.argv[6:]

if how == "daemon":
    from oslo_rootwrap import client

    client = client.Client(["sudo", wrapper, config])

    def call():
        status, _, err = client.execute(command)
        return status, err
else:

    def call():
        r = subprocess.run(["sudo", "-n", wrapper, config] + command, capture_output=True, text=True)
        return r.returncode, r.stderr


with open(result, "w") as f:
    while not os.path.exists(stop):
        began = time.monotonic()
        try:
            status, err = call()
        except Exception as e:
            status, err = -1, repr(e)
        print(status, "%.2f" % (time.monotonic() - began), err.strip().replace("\n", " "), file=f, flush=True)
