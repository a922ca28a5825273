"""Run one command over and over from several processes, for a while.

usage: client.py SOCKET KEY CLIENTS SECONDS, with SOCKET empty for a bare
subprocess. SOCKET is that of a daemon, of which the unmodified client of oslo asks
for the command. Prints JSON: how long it took, and each run's time, in seconds.
"""

import json
import multiprocessing
import resource
import subprocess
import sys
import threading
import time

COMMAND = ["true"]
START = 300  # seconds in which all clients have to be connected


def bare():
    pipe = subprocess.PIPE
    return subprocess.run(COMMAND, stdin=pipe, stdout=pipe, stderr=pipe).returncode


def through(socket, key):
    from oslo_rootwrap import client

    manager = client.ClientManager(socket, key)
    manager.connect()
    proxy = manager.rootwrap()
    return lambda: proxy.run_one_command(COMMAND, None)[0]


def work(socket, key, seconds, ready, results):
    try:
        run = through(socket, key) if socket else bare
        for _ in range(3):
            run()
        ready.wait(START)
        took = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.monotonic()
            status = run()
            took.append(time.monotonic() - start)
            if status != 0:
                raise RuntimeError("status %d" % status)
    except BaseException as e:
        ready.abort()
        results.put((repr(e), 0))
        raise
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    results.put((took, used.ru_utime + used.ru_stime))


def main():
    socket, key, clients, seconds = sys.argv[1], bytes.fromhex(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    ready = multiprocessing.Barrier(clients + 1)
    results = multiprocessing.SimpleQueue()
    workers = [
        multiprocessing.Process(target=work, args=(socket, key, seconds, ready, results), daemon=True)
        for _ in range(clients)
    ]
    for w in workers:
        w.start()
    try:
        ready.wait(START)
    except threading.BrokenBarrierError:
        sys.exit("a client could not start: %s" % results.get()[0])
    start = time.monotonic()
    answers = [results.get() for _ in workers]
    elapsed = time.monotonic() - start
    for took, _ in answers:
        if isinstance(took, str):
            sys.exit(took)
    json.dump({"elapsed": elapsed, "took": sum((a[0] for a in answers), []), "children": sum(a[1] for a in answers)}, sys.stdout)


main()
