"""Whether two directories of octoDNS's zone files hold the same zone, as octoDNS itself reads them.

    same.py ONE OTHER ZONE

Ends with 0 where they do; else it prints how they differ, and ends with 1.
"""

import sys

from octodns.provider.yaml import YamlProvider
from octodns.zone import Zone


def records(directory, name):
    zone = Zone(name, [])
    YamlProvider("files", directory, escaped_semicolons=True, supports_root_ns=True).populate(zone, lenient=True)
    shown = (record.to_rrset() for record in zone.records)
    return {(one.name, one._type): (one.ttl, sorted(one.rdatas)) for one in shown}


one, other = (records(directory, sys.argv[3]) for directory in sys.argv[1:3])
for key in sorted(one.keys() | other.keys()):
    if one.get(key) != other.get(key):
        print(*key, one.get(key), other.get(key))
if not one:
    print("there is no record at all")
sys.exit(0 if one and one == other else 1)
