"""The other judge: reads a mailbox with Python's imaplib, and prints a line for each message.

Arguments: host, port, file of the authority, user, password, prefix, separator. A line has the folder
(levels joined by /), the SHA-256 digest of the message in canonical form, its flags, and its internal
date in seconds since 1970. It shares nothing with cutover but the definition of the canonical form.
"""

import datetime
import hashlib
import imaplib
import re
import ssl
import sys

imaplib._MAXLINE = 100_000_000
host, port, authority, user, password, prefix, separator = sys.argv[1:]
imap = imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context(cafile=authority))
imap.login(user, password)
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def canonical(octets):
    octets = re.sub(rb"(?<!\r)\n", b"\r\n", octets).replace(b"\0", b"\x80")
    if octets and not octets.endswith(b"\r\n"):
        octets += b"\n" if octets.endswith(b"\r") else b"\r\n"
    return octets


def seconds(text):
    match = re.match(r' *(\d+)-(\w+)-(\d+) (\d+):(\d+):(\d+) ([+-])(\d\d)(\d\d)', text)
    day, month, year, h, m, s, sign, zh, zm = match.groups()
    zone = datetime.timedelta(hours=int(zh), minutes=int(zm)) * (1 if sign == "+" else -1)
    naive = datetime.datetime(int(year), MONTHS.index(month) + 1, int(day), int(h), int(m), int(s))
    return int((naive - zone - datetime.datetime(1970, 1, 1)).total_seconds())


lines = []
for row in imap.list()[1]:
    if isinstance(row, tuple):
        attributes, name = row[0].decode(), row[1].decode("latin-1")
    else:
        found = re.match(r'\((.*?)\) (?:"(?:\\?.)"|NIL) (?:"(.*)"|(.*))$', row.decode("latin-1"))
        attributes, name = found.group(1), found.group(2) or found.group(3)
        if found.group(2):
            name = re.sub(r"\\(.)", r"\1", name)
    if "\\Noselect" in attributes:
        continue
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    status, count = imap.select(quoted, readonly=True)
    assert status == "OK", (name, count)
    shown = name[len(prefix):] if name != "INBOX" and name.startswith(prefix) else name
    shown = "/".join(shown.split(separator))
    if int(count[0]) == 0:
        lines.append(f"{shown}\tempty")
        continue
    for part in imap.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
        if not isinstance(part, tuple):
            # What follows a literal may hold the flags; with this order of items it does not.
            assert part in (b")",), part
            continue
        head, body = part
        flags = re.search(rb"FLAGS \((.*?)\)", head).group(1).decode().split()
        flags = " ".join(sorted(flag for flag in flags if flag != "\\Recent"))
        date = seconds(re.search(rb'INTERNALDATE "(.*?)"', head).group(1).decode())
        lines.append(f"{shown}\t{hashlib.sha256(canonical(body)).hexdigest()}\t{flags}\t{date}")
print("\n".join(sorted(lines)))
