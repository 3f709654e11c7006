"""Reads `TYPE<tab>presentation` lines, and answers each with `wire form in hex<tab>text`, or with `!`
and the reason for the refusal.

Run by dnspython.rs as the independent reader of rdata. All lines are read before the first answer,
so that neither side waits for a full pipe.
"""

import sys

try:
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
except ImportError:
    sys.exit("missing: dnspython (Debian package python3-dnspython)")


def answer(line: str) -> str:
    mnemonic, text = line.split("\t", 1)
    rtype = dns.rdatatype.from_text(mnemonic)
    try:
        rdata = dns.rdata.from_text(dns.rdataclass.IN, rtype, text, relativize=False)
        return rdata.to_wire().hex() + "\t" + rdata.to_text()
    except Exception as error:  # any exception counts as a refusal
        return "!" + repr(error).replace("\n", " ")


lines = sys.stdin.buffer.read().decode("utf-8").split("\n")
for line in lines[:-1]:
    print(answer(line))
