"""Reads `TYPE<tab>presentation` lines, and answers each with `hex of the wire<tab>text`, or with `!`
and why it was refused.

Run by dnspython.rs as the independent reader of rdata. All lines are read before the first answer,
so that neither side waits on a full pipe.
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
    except Exception as error:  # any refusal counts, whatever class dnspython gives it
        return "!" + repr(error).replace("\n", " ")


lines = sys.stdin.buffer.read().decode("utf-8").split("\n")
for line in lines[:-1]:
    print(answer(line))
