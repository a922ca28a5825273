"""What the role makes of an operator's words."""

import json
import re


def rootwrap_settings(text, settings):
    """text, a rootwrap.conf, with settings (key: value) in its section [DEFAULT].

    A key that is there, also twice or over several lines, is replaced by the new one, which stands first.
    Other sections stay as they are.
    """
    if not settings:
        return text
    wanted = {str(k).lower(): "%s = %s\n" % (k, v) for k, v in settings.items()}
    out, section, header, dropping = [], None, None, False
    for line in text.splitlines(True):
        if dropping and line.strip() and line[0] in " \t":
            continue
        dropping = False
        name = re.match(r"\[([^]]+)\]", line)
        if name:
            section = name.group(1)
        key = re.match(r"([^#;\s:=][^:=]*?)\s*[:=]", line)
        if section == "DEFAULT" and key and not name and key.group(1).lower() in wanted:
            dropping = True
            continue
        out.append(line if line.endswith("\n") else line + "\n")
        if name and section == "DEFAULT" and header is None:
            header = len(out)
    if header is None:
        out.append("[DEFAULT]\n")
        header = len(out)
    return "".join(out[:header] + list(wanted.values()) + out[header:])


def doctor_faults(report, accepted):
    """What doctor's report, as JSON, finds and accepted does not name by its id, a text each.

    What it could not assess is a fault too, and so is a state that is not known here.
    """
    answers = json.loads(report)["answers"]
    return ["[%(id)s] %(text)s" % a for a in answers if a["state"] not in ("ok", "note") and a["id"] not in accepted]


class FilterModule:
    def filters(self):
        return {"rootwrap_settings": rootwrap_settings, "doctor_faults": doctor_faults}
