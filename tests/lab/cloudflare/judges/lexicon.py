"""lexicon against the fake: lexicon.py ZONE ACTION TYPE [NAME CONTENT], with the token in TOKEN.

Not by lexicon's own command line, which asks a resolver of the system for the zone.
"""

import os
import sys

sys.path.pop(0)
from lexicon.client import Client
from lexicon.config import ConfigResolver

zone, action, rtype, *rest = sys.argv[1:]
name, content = rest or (None, None)
config = {
    "provider_name": "cloudflare",
    "action": action,
    "domain": zone,
    "type": rtype,
    "ttl": 120,
    "cloudflare": {"auth_token": os.environ["TOKEN"]},
}
with Client(ConfigResolver().with_dict(config)) as operations:
    if action == "list":
        print("\n".join(sorted(record["content"] for record in operations.list_records(rtype))))
    elif action == "create":
        assert operations.create_record(rtype, name, content)
    elif action == "delete":
        assert operations.delete_record(rtype=rtype, name=name)
