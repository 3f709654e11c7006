"""Classes of octoDNS that no table knows."""

import time
from logging import getLogger

from octodns.provider.base import BaseProvider
from octodns.record import Create, Delete, Update
from octodns_powerdns import PowerDnsProvider


class DeleteThenCreate(PowerDnsProvider):
    """Takes an RRset away before it puts the new one there, as the classes for Gandi, DigitalOcean and
    DNSimple do, each with a request of its own."""

    def _apply(self, plan):
        for change in plan.changes:
            parts = [change]
            if isinstance(change, Update):
                parts = [Delete(change.existing), Create(change.new)]
            for part in parts:
                mods = getattr(self, f"_mod_{part.__class__.__name__}")(part)
                mods = mods if isinstance(mods, list) else [mods]
                self._patch(f"zones/{plan.desired.name}", data={"rrsets": mods})


class Patient(BaseProvider):
    """Waits before it asks, as classes do that were told to be patient."""

    log = getLogger("Patient")
    SUPPORTS = {"A"}
    SUPPORTS_GEO = False
    SUPPORTS_DYNAMIC = False

    def populate(self, zone, target=False, lenient=False):
        time.sleep(20)
        return True
