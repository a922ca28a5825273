"""One command by the original's own client, which is what services use:
    client.py start COMMAND... -- DAEMON...   starts the daemon as services do
    client.py socket PATH KEYFILE COMMAND...  calls one that systemd has started
Prints what the command printed, and ends with its status."""

import sys

from oslo_rootwrap import client

how, words = sys.argv[1], sys.argv[2:]
if how == "start":
    cut = words.index("--")
    c = client.Client(words[cut + 1:])
    status, out, err = c.execute(words[:cut])
else:
    with open(words[1], "rb") as f:
        manager = client.ClientManager(words[0], f.read())
    manager.connect()
    status, out, err = manager.rootwrap().run_one_command(words[2:], None)
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(status)
