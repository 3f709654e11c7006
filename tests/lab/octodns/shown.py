"""The zone in one of octoDNS's zone files as a master file's lines, as octoDNS itself reads it.

    shown.py DIRECTORY ZONE
"""

import sys

from octodns.provider.yaml import YamlProvider
from octodns.zone import Zone

zone = Zone(sys.argv[2], [])
files = YamlProvider("files", sys.argv[1], escaped_semicolons=True, supports_root_ns=True)
files.populate(zone, lenient=True)
for record in zone.records:
    rrset = record.to_rrset()
    for rdata in rrset.rdatas:
        print(rrset.name, rrset.ttl, "IN", rrset._type, rdata)
