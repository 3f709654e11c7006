//! A fake of the API of Amazon Route 53, as a service for a proxy of the lab.
//!
//! It does what the API is documented to do, refusals included: batches that are applied whole or
//! not at all, a `DELETE` that has to match the live RRset in its TTL and every value, limits of
//! 1,000 records and 32,000 characters in which an `UPSERT` counts twice, pages of 300 in the order
//! of reversed labels, octal escapes, changes that are pending before they are in sync, and
//! throttling with HTTP status 400. Other tests run octoDNS against it, unchanged.
//!
//! Its zones can be served by [`PublishedDns`], a lag after each change; a change is in sync when
//! it is served.
//!
//! It does not check signatures, but only compares the access key. It does not create or delete
//! zones. Aliases and RRsets with identifiers are held, but not served.

#![allow(dead_code, reason = "each test binary that includes the fake uses a part of it")]

pub(crate) mod moto;
mod rrset;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use super::lab::fault_proxy::{Answer, Request, Service, decoded};
use super::lab::published_dns::PublishedDns;
use rrset::{Rrset, full_name, order_of};
use xml::Element;

/// Maximum RRsets of a page.
const PAGE_MAX: usize = 300;

/// Whether the API supports RRsets of this type.
pub(crate) fn has_type(rtype: &str) -> bool {
    rrset::has_type(rtype)
}

#[derive(Clone, Debug)]
struct Zone {
    id: String,
    name: String,
    is_private: bool,
    rrsets: Vec<Rrset>,
    /// Whether they are in the order of a listing.
    is_sorted: bool,
    writes: u32,
}

#[derive(Debug, Default)]
struct State {
    zones: Vec<Zone>,
    ids: u64,
    /// Changes, with the tickets that have to be served before they are in sync.
    changes: BTreeMap<String, u64>,
    /// How many more queries about changes report them as pending.
    pending: usize,
    /// How many more changes are refused because an earlier one is still in progress.
    prior: usize,
    /// Elements and characters of all batches that were made.
    last_batch: (usize, usize),
}

/// The fake.
pub(crate) struct Route53 {
    access_key: String,
    state: Mutex<State>,
    published: Option<PublishedDns>,
}

/// A refusal: status, code and message.
struct No(u16, &'static str, String);

impl Route53 {
    /// A fake that accepts this access key, and has no zones.
    pub(crate) fn new(access_key: &str) -> Arc<Self> {
        let access_key = access_key.to_owned();
        Arc::new(Self { access_key, state: Mutex::default(), published: None })
    }

    /// A fake whose zones are served by this server.
    pub(crate) fn with_published_dns(access_key: &str, published: PublishedDns) -> Arc<Self> {
        let access_key = access_key.to_owned();
        Arc::new(Self { access_key, state: Mutex::default(), published: Some(published) })
    }

    /// The server of its zones.
    pub(crate) fn published(&self) -> Option<&PublishedDns> {
        self.published.as_ref()
    }

    /// Makes a public zone with these records, as lines `OWNER TTL IN TYPE RDATA`. It replaces a
    /// zone of this name. SOA and NS of the apex are added if no line has them.
    pub(crate) fn zone(&self, name: &str, lines: &[String]) {
        self.state().zones.retain(|zone| zone.name != format!("{name}."));
        self.another(name, false, lines);
    }

    /// Makes another zone of this name.
    pub(crate) fn another(&self, name: &str, is_private: bool, lines: &[String]) -> String {
        let mut state = self.state();
        state.ids += 1;
        let id = format!("Z{:013X}", state.ids.wrapping_mul(0x9e37_79b9));
        let name = format!("{name}.");
        let mut zone = Zone {
            id: id.clone(),
            name: name.clone(),
            is_private,
            rrsets: Vec::new(),
            is_sorted: false,
            writes: 0,
        };
        let soa = "ns-1.awsdns-01.test. hostmaster.awsdns.test. 1 7200 900 1209600 86400";
        for own in [
            format!("{name} 900 IN SOA {soa}"),
            format!("{name} 172800 IN NS ns-1.awsdns-01.test."),
        ] {
            let rtype = format!("{name} ");
            let word = own.split(' ').nth(3).unwrap_or_default();
            let is_given =
                |line: &String| line.starts_with(&rtype) && line.split(' ').nth(3) == Some(word);
            if !lines.iter().any(is_given) {
                zone.put(&own);
            }
        }
        lines.iter().for_each(|line| zone.put(line));
        state.zones.push(zone);
        id
    }

    /// Replaces the records of a name and type by these lines, or removes them, as another user of
    /// the zone.
    pub(crate) fn replace(&self, zone: &str, name: &str, rtype: &str, lines: &[String]) {
        let mut state = self.state();
        let zone = state.place(zone);
        let name = full_name(&rrset::octal(name)).unwrap_or_else(|error| panic!("{error}"));
        zone.rrsets.retain(|rrset| rrset.name != name || rrset.rtype != rtype);
        lines.iter().for_each(|line| zone.put(line));
        let zone = zone.clone();
        self.publish(&zone, &BTreeSet::from([(name, rtype.to_owned())]));
    }

    /// Adds an RRset in the API's own XML, such as an alias or a weighted RRset.
    pub(crate) fn put_xml(&self, zone: &str, text: &str) {
        let element = xml::read(text).expect("XML");
        let rrset = Rrset::read(&element).unwrap_or_else(|error| panic!("{text}: {error}"));
        self.state().place(zone).rrsets.push(rrset);
    }

    /// Makes this many queries about changes report them as pending.
    pub(crate) fn pending(&self, looks: usize) {
        self.state().pending = looks;
    }

    /// Makes this many changes fail because an earlier one is still in progress.
    pub(crate) fn prior(&self, changes: usize) {
        self.state().prior = changes;
    }

    /// The zone's records, as lines of a master file.
    pub(crate) fn lines(&self, zone: &str) -> Vec<String> {
        self.state().place(zone).rrsets.iter().flat_map(Rrset::lines).collect()
    }

    /// The number of its RRsets of all kinds.
    pub(crate) fn count(&self, zone: &str) -> usize {
        self.state().place(zone).rrsets.len()
    }

    /// The number of requests that changed this zone.
    pub(crate) fn writes(&self, zone: &str) -> u32 {
        self.state().place(zone).writes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// Publishes the present RRsets of these names and types. Returns a ticket if there is a
    /// server.
    fn publish(&self, zone: &Zone, keys: &BTreeSet<(String, String)>) -> Option<u64> {
        let published = self.published.as_ref()?;
        let lines = |(name, rtype): &(String, String)| {
            let is_meant = |rrset: &&Rrset| rrset.name == *name && rrset.rtype == *rtype;
            let lines = zone.rrsets.iter().filter(is_meant).flat_map(Rrset::lines).collect();
            ((rrset::decimal(name), rtype.clone()), lines)
        };
        let rrsets = keys.iter().map(lines).collect();
        Some(published.publish(zone.name.trim_end_matches('.'), &rrsets))
    }

    fn respond(&self, request: &Request) -> Result<Answer, No> {
        self.check_key(request)?;
        let parts = request.parts();
        let parts: Vec<String> = parts.iter().map(|part| decoded(part, false)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["2013-04-01", "hostedzonesbyname"]) => Ok(self.by_name(request)),
            ("GET", ["2013-04-01", "hostedzone"]) => Ok(self.zones()),
            ("GET", ["2013-04-01", "hostedzone", id]) => self.get_zone(id),
            ("GET", ["2013-04-01", "hostedzone", id, "rrset"]) => self.listed(id, request),
            ("POST", ["2013-04-01", "hostedzone", id, "rrset"]) => self.changed(id, request),
            ("GET", ["2013-04-01", "change", id]) => self.change(id),
            ("GET", ["2013-04-01", "healthcheck"]) => Ok(answer(
                "ListHealthChecksResponse",
                vec![
                    Element::with("HealthChecks", Vec::new()),
                    Element::text("Marker", ""),
                    Element::text("IsTruncated", "false"),
                    Element::text("MaxItems", "100"),
                ],
            )),
            _ => Err(No(404, "NotFound", "there is no such operation".to_owned())),
        }
    }

    fn check_key(&self, request: &Request) -> Result<(), No> {
        let Some(given) = request.header("authorization") else {
            let message = "Missing Authentication Token".to_owned();
            return Err(No(403, "MissingAuthenticationToken", message));
        };
        let key = given.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
        match key == Some(self.access_key.as_str()) {
            true => Ok(()),
            false => {
                let message = "The security token included in the request is invalid.";
                Err(No(403, "InvalidClientTokenId", message.to_owned()))
            }
        }
    }

    fn zones(&self) -> Answer {
        let zones = self.state().zones.iter().map(Zone::shown).collect();
        answer(
            "ListHostedZonesResponse",
            vec![
                Element::with("HostedZones", zones),
                Element::text("Marker", ""),
                Element::text("IsTruncated", "false"),
                Element::text("MaxItems", "100"),
            ],
        )
    }

    fn by_name(&self, request: &Request) -> Answer {
        let from = request.parameter("dnsname").map(order_of).unwrap_or_default();
        let state = self.state();
        let mut zones: Vec<&Zone> =
            state.zones.iter().filter(|zone| order_of(&zone.name) >= from).collect();
        zones.sort_by_key(|zone| (order_of(&zone.name), zone.id.clone()));
        answer(
            "ListHostedZonesByNameResponse",
            vec![
                Element::with("HostedZones", zones.iter().map(|zone| zone.shown()).collect()),
                Element::text("IsTruncated", "false"),
                Element::text("MaxItems", "100"),
            ],
        )
    }

    fn get_zone(&self, id: &str) -> Result<Answer, No> {
        let mut state = self.state();
        let zone = state.of_id(id)?;
        let servers = vec![Element::text("NameServer", "ns-1.awsdns-01.test")];
        let set = Element::with("DelegationSet", vec![Element::with("NameServers", servers)]);
        Ok(answer("GetHostedZoneResponse", vec![zone.shown(), set]))
    }

    fn listed(&self, id: &str, request: &Request) -> Result<Answer, No> {
        let mut state = self.state();
        let zone = state.of_id(id)?;
        if !zone.is_sorted {
            zone.rrsets.sort_by_cached_key(Rrset::order);
            zone.is_sorted = true;
        }
        let rrsets = &zone.rrsets;
        let from = match request.parameter("name") {
            None => None,
            Some(name) => {
                let name = full_name(name).map_err(|message| No(400, "InvalidInput", message))?;
                let rtype = request.parameter("type").unwrap_or_default().to_owned();
                Some((order_of(&name), rtype, request.parameter("identifier").map(str::to_owned)))
            }
        };
        let at = from.map_or(0, |from| rrsets.partition_point(|rrset| rrset.order() < from));
        let wanted = request.parameter("maxitems").and_then(|text| text.parse().ok());
        let max = wanted.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let page = &rrsets[at..rrsets.len().min(at + max)];
        let next = rrsets.get(at + max);
        let shown = page.iter().map(Rrset::shown).collect();
        let mut children = vec![
            Element::with("ResourceRecordSets", shown),
            Element::text("IsTruncated", if next.is_some() { "true" } else { "false" }),
            Element::text("MaxItems", &max.to_string()),
        ];
        if let Some(next) = next {
            let name = next.name.replace('*', "\\052");
            children.push(Element::text("NextRecordName", &name));
            children.push(Element::text("NextRecordType", &next.rtype));
            let identifier = next.identifier.as_deref();
            children.extend(identifier.map(|id| Element::text("NextRecordIdentifier", id)));
        }
        Ok(answer("ListResourceRecordSetsResponse", children))
    }

    fn changed(&self, id: &str, request: &Request) -> Result<Answer, No> {
        let input = |message: &str| No(400, "InvalidInput", message.to_owned());
        let text = String::from_utf8(request.body.clone()).map_err(|_| input("no UTF-8"))?;
        let document = xml::read(&text).ok_or_else(|| input("no XML"))?;
        let batch = document.child("ChangeBatch").and_then(|batch| batch.child("Changes"));
        let changes = batch.map(|batch| batch.children.clone()).unwrap_or_default();
        if changes.is_empty() {
            return Err(input("a batch has at least one change"));
        }
        let mut state = self.state();
        state.of_id(id)?;
        if state.prior > 0 {
            state.prior -= 1;
            let message = "The request was rejected because Route 53 was still processing a prior \
                           request."
                .to_owned();
            return Err(No(400, "PriorRequestNotComplete", message));
        }
        let zone = state.of_id(id)?;
        let before = zone.rrsets.clone();
        zone.is_sorted = false;
        let touched = match zone.change(&changes) {
            Ok(touched) => touched,
            Err(messages) => {
                zone.rrsets = before;
                return Err(No(400, "InvalidChangeBatch", format!("[{}]", messages.join(", "))));
            }
        };
        zone.writes += 1;
        let zone = zone.clone();
        let ticket = self.publish(&zone, &touched).unwrap_or(0);
        state.ids += 1;
        let change = format!("C{:013X}", state.ids);
        state.changes.insert(change.clone(), ticket);
        let info = change_info(&change, false);
        Ok(answer("ChangeResourceRecordSetsResponse", vec![info]))
    }

    fn change(&self, id: &str) -> Result<Answer, No> {
        let mut state = self.state();
        let Some(ticket) = state.changes.get(id).copied() else {
            let message = format!("A change with id {id} does not exist");
            return Err(No(404, "NoSuchChange", message));
        };
        let is_served = self.published.as_ref().is_none_or(|published| published.is_served(ticket));
        let is_in_sync = is_served && state.pending == 0;
        state.pending = state.pending.saturating_sub(1);
        Ok(answer("GetChangeResponse", vec![change_info(id, is_in_sync)]))
    }
}

impl Service for Route53 {
    fn answer(&self, request: &Request) -> Answer {
        self.respond(request)
            .unwrap_or_else(|No(status, code, message)| refusal(status, code, &message))
    }
}

/// The body of a refusal.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let error = vec![
        Element::text("Type", "Sender"),
        Element::text("Code", code),
        Element::text("Message", message),
    ];
    let children = vec![
        Element::with("Error", error),
        Element::text("RequestId", "b25f48e8-84fd-11e6-80d9-574e0c4664cb"),
    ];
    let document = Element::with("ErrorResponse", children).document();
    Answer::new(status, "text/xml", document)
}

fn answer(name: &str, children: Vec<Element>) -> Answer {
    Answer::new(200, "text/xml", Element::with(name, children).document())
}

fn change_info(id: &str, is_in_sync: bool) -> Element {
    Element::with(
        "ChangeInfo",
        vec![
            Element::text("Id", &format!("/change/{id}")),
            Element::text("Status", if is_in_sync { "INSYNC" } else { "PENDING" }),
            Element::text("SubmittedAt", "2026-11-27T00:00:00.000Z"),
        ],
    )
}

impl State {
    /// A zone, for reading or writing.
    fn place(&mut self, zone: &str) -> &mut Zone {
        let name = format!("{zone}.");
        let found = self.zones.iter_mut().find(|known| known.name == name);
        let found = found.unwrap_or_else(|| panic!("there is no zone {zone}"));
        found.is_sorted = false;
        found
    }

    fn of_id(&mut self, id: &str) -> Result<&mut Zone, No> {
        let found = self.zones.iter_mut().find(|zone| zone.id == id);
        found.ok_or_else(|| {
            No(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
        })
    }
}

impl Zone {
    fn shown(&self) -> Element {
        let config =
            vec![Element::text("PrivateZone", if self.is_private { "true" } else { "false" })];
        Element::with(
            "HostedZone",
            vec![
                Element::text("Id", &format!("/hostedzone/{}", self.id)),
                Element::text("Name", &self.name),
                Element::text("CallerReference", &self.id),
                Element::with("Config", config),
                Element::text("ResourceRecordSetCount", &self.rrsets.len().to_string()),
            ],
        )
    }

    /// Adds a record, given as a line.
    fn put(&mut self, line: &str) {
        let new = Rrset::of_line(line);
        let same = |rrset: &&mut Rrset| {
            rrset.name == new.name && rrset.rtype == new.rtype && rrset.identifier.is_none()
        };
        match self.rrsets.iter_mut().find(same) {
            Some(rrset) => rrset.values.extend(new.values),
            None => self.rrsets.push(new),
        }
    }

    /// Makes all changes and returns the names and types that were touched. If it fails, the caller
    /// undoes what was done so far.
    fn change(&mut self, changes: &[Element]) -> Result<BTreeSet<(String, String)>, Vec<String>> {
        let (mut records, mut chars) = (0, 0);
        let mut messages = Vec::new();
        let mut touched = BTreeSet::new();
        let mut deleted = BTreeSet::new();
        for change in changes {
            let action = change.value("Action").unwrap_or_default();
            let rrset = change.child("ResourceRecordSet").map(Rrset::read);
            let rrset = match rrset.unwrap_or_else(|| Err("no ResourceRecordSet".to_owned())) {
                Ok(rrset) => rrset,
                Err(message) => {
                    messages.push(message);
                    continue;
                }
            };
            let times = if action == "UPSERT" { 2 } else { 1 };
            records += times * rrset.values.len();
            chars += times * rrset.values.iter().map(|value| value.chars().count()).sum::<usize>();
            touched.insert((rrset.name.clone(), rrset.rtype.clone()));
            let made = match action {
                "CREATE" => self.create(rrset, false),
                "UPSERT" => self.create(rrset, true),
                "DELETE" if !deleted.insert(rrset.order()) => {
                    Err(format!("The resource record set {} is deleted twice", rrset.name))
                }
                "DELETE" => self.delete(&rrset),
                _ => Err(format!("Invalid action {action}")),
            };
            messages.extend(made.err());
        }
        if records > 1_000 {
            messages.push(format!("Number of records limit of 1000 exceeded: {records}"));
        }
        if chars > 32_000 {
            messages.push(format!("Number of characters limit of 32000 exceeded: {chars}"));
        }
        match messages.is_empty() {
            true => Ok(touched),
            false => Err(messages),
        }
    }

    fn create(&mut self, new: Rrset, may_replace: bool) -> Result<(), String> {
        let place = format!("[name='{}', type='{}']", new.name, new.rtype);
        if new.name != self.name && !new.name.ends_with(&format!(".{}", self.name)) {
            return Err(format!(
                "RRSet with DNS name {} is not permitted in zone {}",
                new.name, self.name
            ));
        }
        let same = |rrset: &Rrset| rrset.name == new.name && rrset.rtype == new.rtype;
        let is_it = |rrset: &Rrset| same(rrset) && rrset.identifier == new.identifier;
        let there = self.rrsets.iter().position(is_it);
        if there.is_some() && !may_replace {
            return Err(format!(
                "Tried to create resource record set {place} but it already exists"
            ));
        }
        let is_other =
            |rrset: &Rrset| same(rrset) && rrset.identifier.is_some() != new.identifier.is_some();
        if self.rrsets.iter().any(is_other) {
            return Err(format!(
                "RRSet of type {} with DNS name {} cannot be created as a non-simple RRSet exists with \
                 the same name and type, or the other way round",
                new.rtype, new.name
            ));
        }
        let is_cname = |rtype: &str| rtype == "CNAME";
        let conflicts = |rrset: &&Rrset| {
            rrset.name == new.name
                && rrset.rtype != new.rtype
                && (is_cname(&rrset.rtype) || is_cname(&new.rtype))
        };
        if let Some(other) = self.rrsets.iter().find(conflicts) {
            return Err(format!(
                "RRSet of type {} with DNS name {} is not permitted because a conflicting RRSet of \
                 type {} with the same DNS name already exists in zone {}",
                new.rtype, new.name, other.rtype, self.name
            ));
        }
        match there {
            Some(at) => self.rrsets[at] = new,
            None => self.rrsets.push(new),
        }
        Ok(())
    }

    fn delete(&mut self, wanted: &Rrset) -> Result<(), String> {
        let place = format!("[name='{}', type='{}']", wanted.name, wanted.rtype);
        if wanted.name == self.name && ["SOA", "NS"].contains(&wanted.rtype.as_str()) {
            return Err(format!(
                "A HostedZone must contain at least one {} record for the zone itself.",
                wanted.rtype
            ));
        }
        let is_it = |rrset: &Rrset| {
            rrset.name == wanted.name
                && rrset.rtype == wanted.rtype
                && rrset.identifier == wanted.identifier
        };
        let Some(at) = self.rrsets.iter().position(is_it) else {
            return Err(format!(
                "Tried to delete resource record set {place} but it was not found"
            ));
        };
        if !self.rrsets[at].matches(wanted) {
            return Err(format!(
                "Tried to delete resource record set {place} but the values provided do not match the \
                 current values"
            ));
        }
        self.rrsets.remove(at);
        Ok(())
    }
}
