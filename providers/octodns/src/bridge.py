"""The Python end of the bridge: one octoDNS provider, used through JSON lines.

Standard input has one request per line. Each answer is one line on what was standard output at the start.
Whatever providers print goes to standard error, so that it cannot be taken for an answer. The first
request names the class and its arguments, and comes only once:

    {"do": "open", "class": "octodns_powerdns.PowerDnsProvider", "settings": {...}}
    {"do": "read", "zone": "acme.test."}
    {"do": "prepare", "zone": "acme.test.", "changes": [{"name", "type", "after": RRSET or null}]}
    {"do": "commit"}

An answer is {"ok": ...} or {"error": {"kind", "detail", "wait"}}. `prepare` lets octoDNS plan the change,
returns what it saw and what it would make, and changes nothing; `commit` applies exactly that plan. The
other end does all comparisons.

When standard input ends, the other end is gone. Then this process ends too, even during a request, so
that nothing is sent after the other end has reported the outcome.
"""

import json
import os
import queue
import sys
import threading

# Modules must not be imported from the plan's directory.
sys.path[:] = [entry for entry in sys.path if entry not in ("", os.getcwd())]

answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


class Problem(Exception):
    """A failure whose meaning is known."""

    def __init__(self, kind, detail, wait=None):
        super().__init__(detail)
        self.kind, self.detail, self.wait = kind, detail, wait


def octodns():
    """octoDNS itself, or how to install it."""
    try:
        import octodns
        from octodns.record import Record
        from octodns.zone import Zone
    except ImportError as error:
        python = sys.executable or "python3"
        raise Problem("setup", f"{error}; install it: {python} -m pip install 'octodns>=1.22'")
    if not hasattr(Record, "to_rrset"):
        version = getattr(octodns, "__version__", "of an unknown version")
        raise Problem("setup", f"octoDNS {version} is too old; 1.22 or later is needed")
    return Record, Zone


class Bridge:
    """One provider, and the plan that is ready to be applied."""

    def __init__(self):
        self.make = None
        self.held = None

    def open(self, request):
        """Loads the class. Every later request gets its own object, because providers cache."""
        import importlib

        octodns()
        module, _, name = request["class"].rpartition(".")
        try:
            found = importlib.import_module(module)
        except ImportError as error:
            package = module.split(".")[0].replace("_", "-")
            python = sys.executable or "python3"
            raise Problem("setup", f"{error}; if it is not installed: {python} -m pip install {package}")
        provider = getattr(found, name, None)
        if provider is None:
            raise Problem("setup", f"the module {module} has no class {name}")
        settings = dict(request["settings"])
        # A cutover may change most records of a small zone. Its plan has been proved safe.
        settings.setdefault("update_pcent_threshold", 1.0)
        settings.setdefault("delete_pcent_threshold", 1.0)
        self.make = lambda: provider("cutover", **settings)
        try:
            self.make()
        except (TypeError, ValueError) as error:
            raise Problem("setup", str(error))
        return {}

    def read(self, request):
        """All records of a zone whose types octoDNS knows."""
        _, Zone = octodns()
        zone = Zone(request["zone"], [])
        self.populate(self.make(), zone)
        return {"rrsets": [shown(record) for record in sorted(zone.records)]}

    def populate(self, provider, zone):
        exists = provider.populate(zone, target=True, lenient=True)
        if not exists and not zone.records:
            raise Problem("no-such-zone", "octoDNS finds no such zone")

    def prepare(self, request):
        """Lets the provider plan the change."""
        Record, Zone = octodns()
        self.held = None
        provider = self.make()
        existing = Zone(request["zone"], [])
        self.populate(provider, existing)
        desired = Zone(request["zone"], [])
        touched = {(change["name"], change["type"]) for change in request["changes"]}
        root = ("NS", request["zone"])
        for record in existing.records:
            at_root = (record._type, record.fqdn) == root
            if (record.fqdn, record._type) not in touched and (provider.SUPPORTS_ROOT_NS or not at_root):
                desired.add_record(record, lenient=True)
        for change in request["changes"]:
            if change["type"] not in provider.SUPPORTS:
                raise Problem("unsupported", f"the class does not write {change['type']} records")
            if (change["type"], change["name"]) == root and not provider.SUPPORTS_ROOT_NS:
                raise Problem("unsupported", "the class does not write the NS records of the apex")
            if change["after"]:
                desired.add_record(wanted(Record, desired, change), lenient=True)
        try:
            plan = provider.plan(desired)
        except Exception as error:
            if type(error).__name__ == "SupportsException":
                raise Problem("unsupported", str(error))
            if isinstance(error, (AttributeError, KeyError, TypeError)) and not network(error):
                raise Problem("unsupported", f"the class cannot write it: {type(error).__name__}: {error}")
            raise
        made = plan.changes if plan else []
        # The provider cannot be stopped from making changes of its own, so they are refused.
        extra = [change for change in made if (change.record.fqdn, change.record._type) not in touched]
        if extra:
            raise Problem("refused", f"octoDNS would also change {extra[0].record.fqdn} {extra[0].record._type}")
        if provider.apply_disabled:
            raise Problem("refused", "the class is configured to apply nothing (apply_disabled)")
        self.held = (provider, plan)
        names = {name for name, _ in touched}
        # Only what the plan was made from may be compared. octoDNS removes the NS of the apex from it
        # if they are not to be touched.
        read = set(plan.existing.records if plan else existing.records)
        if existing.root_ns and not any((record.fqdn, record._type) == root[::-1] for record in read):
            read.add(existing.root_ns)
        try:
            after = [shown(change.new) for change in made if change.new]
        except Exception as error:
            raise Problem("unsupported", f"octoDNS cannot show it: {type(error).__name__}: {error}")
        return {
            "before": [shown(record) for record in read if record.fqdn in names],
            "after": after,
            "made": [[change.record.fqdn, change.record._type] for change in made],
        }

    def commit(self, _request):
        """Applies the prepared plan, once."""
        if self.held is None:
            raise Problem("refused", "no plan is prepared")
        (provider, plan), self.held = self.held, None
        provider.apply(plan)
        return {}


def wanted(Record, zone, change):
    """An octoDNS record from presentation form."""
    from octodns.record import Rrset

    rrset = Rrset(change["name"], change["type"], change["after"]["ttl"], change["after"]["rdata"])
    try:
        (record,) = Record.from_rrsets(zone, [rrset], lenient=True)
    except Exception as error:
        raise Problem("unsupported", f"octoDNS cannot hold it: {error}")
    return record


def shown(record):
    """An octoDNS record in presentation form."""
    if getattr(record, "dynamic", None) or getattr(record, "geo", None):
        return {"name": record.fqdn, "type": record._type, "ttl": record.ttl, "rdata": None}
    rrset = record.to_rrset()
    return {"name": rrset.name, "type": rrset._type, "ttl": rrset.ttl, "rdata": rrset.rdatas}


def causes(error):
    """An exception and its causes."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen


def network(error):
    """Whether a network failure is among the causes of an exception."""
    lineage = [base.__name__ for cause in causes(error) for base in type(cause).__mro__]
    return any(name in ("OSError", "RequestException", "DNSException") for name in lineage)


def explained(error):
    """What a provider's failure means, as far as that can be told: each class has its own exceptions."""
    if isinstance(error, Problem):
        return error
    chain = causes(error)
    detail = "; ".join(f"{type(cause).__name__}: {cause}" for cause in chain)
    for cause in chain:
        response = getattr(cause, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(status, int):
            if status in (401, 403):
                return Problem("unauthorized", detail)
            if status == 404:
                return Problem("no-such-zone", detail)
            if status == 429:
                after = str(response.headers.get("Retry-After", ""))
                return Problem("throttled", detail, int(after) if after.isdigit() else None)
            if 500 <= status < 600:
                return Problem("failing", detail)
            return Problem("denied", detail)
    lineage = [base.__name__ for cause in chain for base in type(cause).__mro__]
    texts = " ".join(str(cause) for cause in chain)
    for kind, words in [
        ("unauthorized", ("Unauthorized", "Forbidden", "AuthenticationError", "PeerError", "BadSignature")),
        ("no-such-zone", ("NotFound", "ZoneNotFound")),
        ("throttled", ("RateLimit", "TooManyRequests", "Throttl")),
    ]:
        if any(word in name for word in words for name in lineage):
            return Problem(kind, detail)
    if any(word in texts for word in ("BADKEY", "BADSIG", "BADTIME")):
        return Problem("unauthorized", detail)
    # RFC 5936 §2.2.1: the answer of servers for a zone that they do not have.
    if "NOTAUTH" in texts:
        return Problem("no-such-zone", detail)
    if any(texts.endswith(word) for word in ("REFUSED", "FORMERR", "NOTIMP", "NOTZONE")):
        return Problem("denied", detail)
    if any(name in ("ConnectionRefusedError", "NewConnectionError", "gaierror") for name in lineage):
        return Problem("unreached", detail)
    if any(name in ("OSError", "RequestException", "Timeout", "EOFError") for name in lineage):
        return Problem("broken", detail)
    if any(name in ("ValueError", "KeyError", "FormError", "DNSException") for name in lineage):
        return Problem("garbage", detail)
    return Problem("refused", detail)


def listen(requests):
    """Passes the requests on, and ends the process when they end."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(1)


def main():
    bridge = Bridge()
    requests = queue.SimpleQueue()
    threading.Thread(target=listen, args=(requests,), daemon=True).start()
    while True:
        request = json.loads(requests.get())
        try:
            answer = {"ok": getattr(bridge, request["do"])(request)}
        except Exception as error:  # whatever the provider's class raises
            problem = explained(error)
            answer = {"error": {"kind": problem.kind, "detail": problem.detail, "wait": problem.wait}}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
