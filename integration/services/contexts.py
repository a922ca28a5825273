"""Prints a JSON object a line for each context of oslo.privsep that an installed package
defines, tests aside: its name, and the capabilities that it declares."""

import importlib
import json
import pathlib

from oslo_privsep import capabilities
from oslo_privsep import priv_context

packages = pathlib.Path(priv_context.__file__).parent.parent
for file in sorted(packages.rglob("*.py")):
    parts = file.relative_to(packages).with_suffix("").parts
    if parts[0] == "oslo_privsep" or "tests" in parts or b"PrivContext(" not in file.read_bytes():
        continue
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    contexts = [c for c in vars(importlib.import_module(module)).values() if isinstance(c, priv_context.PrivContext)]
    # A file that makes one somewhere else than at its top says so by no name at all.
    for c in contexts or [None]:
        print(json.dumps({"module": module, "name": c and c.pypath, "capabilities": sorted(
            capabilities.CAPS_BYVALUE[n].lower() for n in (c.conf.capabilities if c else []))}))
