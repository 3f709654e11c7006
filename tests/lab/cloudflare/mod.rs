//! A fake of Cloudflare's API of DNS records, as a service for a proxy of the lab.
//!
//! It does what the API is documented to do, refusals included: records with identifiers, batches
//! in their fixed order as one transaction with the limits of the zone's plan, TXT that is split
//! when it is listed, pages, and records that another product holds. Other tests run octoDNS,
//! lexicon and Cloudflare's own SDK against it, unchanged.
//!
//! Its zones can be served by [`PublishedDns`], a lag after each change.
//!
//! It does not have: creating and deleting zones, import, export, page rules (there are none),
//! search, and the real rate limits; tests throttle by [`super::lab::fault_proxy::HttpFault`].

#![allow(dead_code, reason = "each test binary that includes the fake uses a part of it")]

mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::lab::fault_proxy::{Answer, Request, Service};
use super::lab::published_dns::PublishedDns;
use record::{No, Record, request_for};

/// Maximum records of a page, whatever a request asks for. The API reference is inconsistent about
/// it.
const PER_PAGE_MAX: usize = 5_000;

/// Maximum octets of all TXT records of a name (code 83011).
const TEXT_OCTETS_MAX: usize = 8_192;

/// Whether the API supports records of this type.
pub(crate) fn has_type(rtype: &str) -> bool {
    record::types().any(|known| known == rtype)
}

#[derive(Clone, Debug)]
struct Zone {
    id: String,
    name: String,
    account: String,
    plan: &'static str,
    kind: &'static str,
    records: Vec<Record>,
    /// The number of requests that changed something.
    writes: u32,
}

#[derive(Debug, Default)]
struct State {
    zones: Vec<Zone>,
    /// The number of identifiers given out.
    ids: u64,
    per_page_max: Option<usize>,
    /// How many more pages report a total that is too high by one.
    lies: usize,
}

/// The fake.
pub(crate) struct Cloudflare {
    token: String,
    state: Mutex<State>,
    published: Option<PublishedDns>,
}

impl Cloudflare {
    /// A fake that accepts this token, and has no zones.
    pub(crate) fn new(token: &str) -> Arc<Self> {
        Arc::new(Self { token: token.to_owned(), state: Mutex::default(), published: None })
    }

    /// A fake whose zones are served by this server.
    pub(crate) fn with_published_dns(token: &str, published: PublishedDns) -> Arc<Self> {
        Arc::new(Self {
            token: token.to_owned(),
            state: Mutex::default(),
            published: Some(published),
        })
    }

    /// The server of its zones.
    pub(crate) fn published(&self) -> Option<&PublishedDns> {
        self.published.as_ref()
    }

    /// Makes a zone of this plan, with records as lines `OWNER TTL IN TYPE RDATA`. It replaces a
    /// zone of this name. Panics if the API would refuse.
    pub(crate) fn zone(&self, name: &str, plan: &'static str, lines: &[String]) {
        self.zone_of("0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", name, plan, "full", lines);
    }

    /// As [`Cloudflare::zone`], in this account and of this kind. It replaces a zone of the same
    /// account.
    pub(crate) fn zone_of(
        &self,
        account: &str,
        name: &str,
        plan: &'static str,
        kind: &'static str,
        lines: &[String],
    ) {
        let mut state = self.state();
        state.zones.retain(|zone| zone.name != name || zone.account != account);
        let id = state.id();
        let (name, account) = (name.to_owned(), account.to_owned());
        state.zones.push(Zone { id, name, account, plan, kind, records: Vec::new(), writes: 0 });
        let at = state.zones.len() - 1;
        for line in lines {
            let put = state.post(at, &request_for(line));
            put.unwrap_or_else(|no| panic!("{line}: {no:?}"));
        }
    }

    /// Makes a record as another user of the zone. Panics if the API refuses.
    pub(crate) fn put(&self, zone: &str, requested: &Value) -> String {
        let mut state = self.state();
        let at = state.place(zone);
        let made = state.post(at, requested).unwrap_or_else(|no| panic!("{requested}: {no:?}"));
        let id = made["id"].as_str().expect("an identifier").to_owned();
        let name = made["name"].as_str().expect("a name").to_owned();
        self.publish(&state.zones[at], &BTreeSet::from([name]));
        id
    }

    /// As [`Cloudflare::put`], with the record as a line.
    pub(crate) fn put_line(&self, zone: &str, line: &str) -> String {
        self.put(zone, &request_for(line))
    }

    /// Removes all records of a name and type.
    pub(crate) fn remove(&self, zone: &str, name: &str, rtype: &str) {
        let mut state = self.state();
        let at = state.place(zone);
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        state.zones[at].records.retain(|record| record.name != name || record.rtype != rtype);
        self.publish(&state.zones[at], &BTreeSet::from([name]));
    }

    /// Replaces the records of a name and type at once.
    pub(crate) fn replace(&self, zone: &str, name: &str, rtype: &str, lines: &[String]) {
        let mut state = self.state();
        let at = state.place(zone);
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        state.zones[at].records.retain(|record| record.name != name || record.rtype != rtype);
        for line in lines {
            let put = state.post(at, &request_for(line));
            put.unwrap_or_else(|no| panic!("{line}: {no:?}"));
        }
        self.publish(&state.zones[at], &BTreeSet::from([name]));
    }

    /// Hands the records of a name and type over to Email Routing.
    pub(crate) fn lock(&self, zone: &str, name: &str, rtype: &str) {
        let mut state = self.state();
        let at = state.place(zone);
        for record in &mut state.zones[at].records {
            if record.name == name && record.rtype == rtype {
                (record.email_routing, record.read_only) = (true, true);
            }
        }
    }

    /// Limits pages to this many records.
    pub(crate) fn page(&self, records_max: usize) {
        self.state().per_page_max = Some(records_max);
    }

    /// Makes this many pages report a total that is too high by one.
    pub(crate) fn lie(&self, pages: usize) {
        self.state().lies = pages;
    }

    /// The zone's records, as lines of a master file.
    pub(crate) fn lines(&self, zone: &str) -> Vec<String> {
        let state = self.state();
        let zone = &state.zones[state.place(zone)];
        zone.records.iter().filter_map(|record| record.line(&zone.name)).collect()
    }

    /// The zone's records, as the API lists them.
    pub(crate) fn records(&self, zone: &str) -> Vec<Value> {
        let state = self.state();
        let zone = &state.zones[state.place(zone)];
        zone.records.iter().map(|record| record.shown(&zone.id, &zone.name, true)).collect()
    }

    /// The number of requests that changed this zone.
    pub(crate) fn writes(&self, zone: &str) -> u32 {
        let state = self.state();
        state.zones[state.place(zone)].writes
    }

    /// The identifier of a zone.
    pub(crate) fn id_of(&self, zone: &str) -> String {
        let state = self.state();
        state.zones[state.place(zone)].id.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// Publishes the present records of these names.
    fn publish(&self, zone: &Zone, names: &BTreeSet<String>) {
        let Some(published) = &self.published else { return };
        let mut rrsets: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        // Types without records are included, because there may have been records before.
        for name in names {
            for rtype in record::types() {
                if name != &zone.name || rtype != "NS" {
                    rrsets.insert((format!("{name}."), rtype.to_owned()), Vec::new());
                }
            }
        }
        for record in zone.records.iter().filter(|record| names.contains(&record.name)) {
            let key = (format!("{}.", record.name), record.rtype.clone());
            rrsets.entry(key).or_default().extend(record.line(&zone.name));
        }
        published.publish(&zone.name, &rrsets);
    }

    fn respond(&self, request: &Request) -> Result<Answer, No> {
        self.check_token(request)?;
        let parts = request.parts();
        let [_, _, parts @ ..] = parts.as_slice() else { return Err(no_route()) };
        let mut state = self.state();
        if *parts == ["zones"] && request.method == "GET" {
            return Ok(state.zones_listed(request));
        }
        if *parts == ["user", "tokens", "verify"] {
            return Ok(done(json!({ "id": "0".repeat(32), "status": "active" })));
        }
        let ["zones", id, rest @ ..] = parts else { return Err(no_route()) };
        let at = state.zones.iter().position(|zone| zone.id == *id);
        let at = at.ok_or_else(|| No::new(404, 1001, "Invalid zone identifier"))?;
        let body = || match serde_json::from_slice::<Value>(&request.body) {
            Ok(body) if body.is_object() => Ok(body),
            Ok(_) | Err(_) => Err(No::new(400, 9207, "Request body is invalid.")),
        };
        let (answer, names) = match (request.method.as_str(), rest) {
            ("GET", []) => return Ok(done(state.zones[at].shown())),
            ("GET", ["dns_records"]) => return Ok(state.records_listed(at, request)),
            ("GET", ["dns_records", id]) => {
                let zone = &state.zones[at];
                let record = zone.record(id)?;
                return Ok(done(zone.records[record].shown(&zone.id, &zone.name, true)));
            }
            ("GET", ["pagerules"]) => return Ok(done(json!([]))),
            ("POST", ["dns_records"]) => {
                let made = state.post(at, &body()?)?;
                (done(made.clone()), vec![made])
            }
            ("PUT" | "PATCH", ["dns_records", id]) => {
                let is_whole = request.method == "PUT";
                let made = state.change(at, id, &body()?, is_whole)?;
                (done(made.clone()), vec![made])
            }
            ("DELETE", ["dns_records", id]) => {
                let gone = state.delete(at, id)?;
                (done(json!({ "id": gone["id"] })), vec![gone])
            }
            ("POST", ["dns_records", "batch"]) => {
                let before = state.zones[at].records.clone();
                match state.batch(at, &body()?) {
                    Ok((answer, touched)) => (done(answer), touched),
                    Err(no) => {
                        state.zones[at].records = before;
                        return Err(no);
                    }
                }
            }
            _ => return Err(no_route()),
        };
        state.zones[at].writes += 1;
        let names = names.iter().filter_map(|record| record["name"].as_str());
        self.publish(&state.zones[at], &names.map(str::to_owned).collect());
        Ok(answer)
    }

    fn check_token(&self, request: &Request) -> Result<(), No> {
        let bad = |code: u32, message: &str| {
            let mut no = No::new(400, 6003, "Invalid request headers");
            no.chain.push((code, message.to_owned()));
            no
        };
        if let Some(key) = request.header("x-auth-key") {
            return match key == self.token && request.header("x-auth-email").is_some() {
                true => Ok(()),
                false => Err(bad(6103, "Invalid format for X-Auth-Key header")),
            };
        }
        let Some(given) = request.header("authorization") else {
            let message = "Missing X-Auth-Key, X-Auth-Email or Authorization headers";
            return Err(No::new(400, 9106, message));
        };
        match given.strip_prefix("Bearer ") {
            Some(token) if token == self.token => Ok(()),
            // A string that does not look like a token gets status 400; any other unknown token
            // gets another.
            Some(token) if token.len() == self.token.len() => {
                Err(No::new(401, 10000, "Authentication error"))
            }
            Some(_) | None => Err(bad(6111, "Invalid format for Authorization header")),
        }
    }
}

impl Service for Cloudflare {
    fn answer(&self, request: &Request) -> Answer {
        self.respond(request).unwrap_or_else(|no| {
            let inner =
                no.chain.iter().skip(1).rev().fold(Value::Null, |inner, (code, message)| {
                    let mut one = json!({ "code": code, "message": message });
                    if !inner.is_null() {
                        one["error_chain"] = json!([inner]);
                    }
                    one
                });
            let (code, message) = &no.chain[0];
            let mut first = json!({ "code": code, "message": message });
            if !inner.is_null() {
                first["error_chain"] = json!([inner]);
            }
            let body =
                json!({ "success": false, "errors": [first], "messages": [], "result": null });
            Answer::new(no.status, "application/json", body.to_string())
        })
    }
}

fn no_route() -> No {
    No::new(404, 7000, "No route for that URI")
}

fn done(result: Value) -> Answer {
    let body = json!({ "success": true, "errors": [], "messages": [], "result": result });
    Answer::new(200, "application/json", body.to_string())
}

impl Zone {
    fn shown(&self) -> Value {
        let when = "2026-11-27T00:00:00.000000Z";
        json!({
            "id": self.id, "name": self.name, "status": "active", "paused": false,
            "type": self.kind, "development_mode": 0,
            "name_servers": ["ada.ns.cloudflare.test", "bob.ns.cloudflare.test"],
            "original_name_servers": [], "original_registrar": null, "original_dnshost": null,
            "created_on": when, "modified_on": when, "activated_on": when,
            "owner": { "id": self.account, "type": "user", "name": "the owner" },
            "account": { "id": self.account, "name": "the account" },
            "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:read"],
            "plan": { "id": "0".repeat(32), "name": self.plan, "legacy_id": self.plan },
            "meta": { "step": 4, "page_rule_quota": 3 },
        })
    }

    fn record(&self, id: &str) -> Result<usize, No> {
        let at = self.records.iter().position(|record| record.id == id);
        at.ok_or_else(|| No::new(404, 81044, "Record does not exist."))
    }

    fn ttl_min(&self) -> u64 {
        if self.plan == "enterprise" { 30 } else { 60 }
    }

    /// Whether a record can exist together with the others.
    fn check(&self, record: &Record) -> Result<(), No> {
        let others = self.records.iter().filter(|other| other.id != record.id);
        let mut octets = record.text_octets();
        for other in others {
            if other.name != record.name {
                continue;
            }
            let types = (record.rtype.as_str(), other.rtype.as_str());
            match types {
                _ if other.is_equal(record) => {
                    return Err(No::new(400, 81058, "An identical record already exists."));
                }
                ("CNAME", "A" | "AAAA" | "CNAME") | ("A" | "AAAA", "CNAME") => {
                    let message = "An A, AAAA, or CNAME record with that host already exists.";
                    return Err(No::new(400, 81053, message));
                }
                // At the apex a CNAME is flattened, and may exist beside other records.
                ("CNAME", _) | (_, "CNAME") if record.name != self.name => {
                    let message = "A CNAME record with that host already exists.";
                    return Err(No::new(400, 81054, message));
                }
                ("NS", "NS" | "DS") | ("DS", "NS") => {}
                ("NS", _) | (_, "NS") if record.name != self.name => {
                    let message = "NS records with that host already exist.";
                    return Err(No::new(400, 81056, message));
                }
                _ => octets += other.text_octets(),
            }
        }
        let has_ns = |other: &Record| other.rtype == "NS" && other.name == record.name;
        match record.rtype.as_str() {
            "DS" if !self.records.iter().any(has_ns) => {
                Err(No::invalid(9201, "DS records need NS records at the same name."))
            }
            "NS" if record.name == self.name => {
                Err(No::invalid(9202, "NS records of the zone itself cannot be edited."))
            }
            "TXT" if octets > TEXT_OCTETS_MAX => {
                Err(No::new(400, 83011, "The content of all TXT records of a name is too long."))
            }
            _ => Ok(()),
        }
    }
}

impl State {
    fn id(&mut self) -> String {
        self.ids += 1;
        // Spread, so that their order is not that of creation.
        let spread = self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{spread:016x}{:016x}", self.ids)
    }

    fn place(&self, zone: &str) -> usize {
        let at = self.zones.iter().position(|known| known.name == zone);
        at.unwrap_or_else(|| panic!("there is no zone {zone}"))
    }

    fn zones_listed(&self, request: &Request) -> Answer {
        let is_meant = |zone: &&Zone| {
            request.parameter("name").is_none_or(|name| name == zone.name)
                && request.parameter("account.id").is_none_or(|id| id == zone.account)
        };
        let zones: Vec<&Zone> = self.zones.iter().filter(is_meant).collect();
        let page = Page::of(request, 20, 50);
        page.answer(page.of_all(&zones).iter().map(|zone| zone.shown()), zones.len(), 0)
    }

    fn records_listed(&mut self, at: usize, request: &Request) -> Answer {
        let zone = &self.zones[at];
        let exact = |field: &str| {
            request.parameter(field).or_else(|| request.parameter(&format!("{field}.exact")))
        };
        let is_meant = |record: &&Record| {
            exact("name").is_none_or(|name| name.eq_ignore_ascii_case(&record.name))
                && exact("type").is_none_or(|rtype| rtype == record.rtype)
                && exact("content").is_none_or(|content| content == record.content_listed())
        };
        let mut records: Vec<&Record> = zone.records.iter().filter(is_meant).collect();
        records.sort_by(|a, b| (&a.name, &a.rtype, &a.id).cmp(&(&b.name, &b.rtype, &b.id)));
        let page = Page::of(request, 100, self.per_page_max.unwrap_or(PER_PAGE_MAX));
        let lie = usize::from(self.lies > 0);
        self.lies -= lie;
        let shown =
            page.of_all(&records).iter().map(|record| record.shown(&zone.id, &zone.name, true));
        page.answer(shown, records.len(), lie)
    }

    fn post(&mut self, at: usize, requested: &Value) -> Result<Value, No> {
        let id = self.id();
        let zone = &mut self.zones[at];
        let record = Record::new(id, &zone.name, requested, zone.ttl_min())?;
        zone.check(&record)?;
        let shown = record.shown(&zone.id, &zone.name, false);
        zone.records.push(record);
        Ok(shown)
    }

    fn change(
        &mut self,
        at: usize,
        id: &str,
        requested: &Value,
        is_whole: bool,
    ) -> Result<Value, No> {
        let zone = &mut self.zones[at];
        let place = zone.record(id)?;
        let before = &zone.records[place];
        check_lock(before)?;
        let requested = if is_whole { requested.clone() } else { before.merged(requested) };
        let record = Record::new(id.to_owned(), &zone.name, &requested, zone.ttl_min())?;
        zone.check(&record)?;
        let shown = record.shown(&zone.id, &zone.name, false);
        zone.records[place] = record;
        Ok(shown)
    }

    fn delete(&mut self, at: usize, id: &str) -> Result<Value, No> {
        let zone = &mut self.zones[at];
        let place = zone.record(id)?;
        check_lock(&zone.records[place])?;
        let gone = zone.records.remove(place);
        Ok(gone.shown(&zone.id, &zone.name, true))
    }

    /// Carries out all operations in the documented order, and returns the records that were
    /// touched, before and after. If it fails, the caller undoes what was done so far.
    fn batch(&mut self, at: usize, requested: &Value) -> Result<(Value, Vec<Value>), No> {
        let of = |field: &str| requested[field].as_array().cloned().unwrap_or_default();
        let [deletes, patches, puts, posts] = ["deletes", "patches", "puts", "posts"].map(of);
        let operations = deletes.len() + patches.len() + puts.len() + posts.len();
        let operations_max = if self.zones[at].plan == "free" { 200 } else { 3_500 };
        if operations == 0 {
            return Err(No::new(400, 9207, "A batch has at least one operation."));
        }
        if operations > operations_max {
            let message = format!("A batch has {operations_max} operations at the most.");
            return Err(No::new(400, 9208, &message));
        }
        let id = |record: &Value| record["id"].as_str().unwrap_or_default().to_owned();
        let mut results: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for record in &deletes {
            let gone = self.delete(at, &id(record))?;
            results.entry("deletes").or_default().push(gone);
        }
        for (field, is_whole, all) in [("patches", false, &patches), ("puts", true, &puts)] {
            for record in all {
                let made = self.change(at, &id(record), record, is_whole)?;
                results.entry(field).or_default().push(made);
            }
        }
        for record in &posts {
            let made = self.post(at, record)?;
            results.entry("posts").or_default().push(made);
        }
        let touched = results.values().flatten().cloned().collect();
        let mut answer = json!({});
        for (field, all) in results {
            answer[field] = all.into();
        }
        Ok((answer, touched))
    }
}

fn check_lock(record: &Record) -> Result<(), No> {
    match (record.email_routing, record.read_only) {
        (true, _) => {
            let message = "This DNS record is managed by Email Routing. \
                 Disable Email Routing to modify/remove this record.";
            Err(No::new(400, 1046, message))
        }
        (false, true) => Err(No::new(400, 1043, "This record is read only.")),
        (false, false) => Ok(()),
    }
}

/// A page, counted from 1.
struct Page {
    number: usize,
    items_max: usize,
}

impl Page {
    /// A page of as many items as the request asks for, or else of `default`.
    fn of(request: &Request, default: usize, items_max: usize) -> Self {
        let number =
            |field: &str| request.parameter(field).and_then(|text| text.parse::<usize>().ok());
        let items_max = number("per_page").unwrap_or(default).clamp(1, items_max);
        Self { number: number("page").unwrap_or(1).max(1), items_max }
    }

    /// The items of this page.
    fn of_all<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        let from = (self.number - 1).saturating_mul(self.items_max).min(all.len());
        &all[from..all.len().min(from + self.items_max)]
    }

    /// The answer with these items. Its total is too high by `lie`.
    fn answer(&self, items: impl Iterator<Item = Value>, total: usize, lie: usize) -> Answer {
        let items: Vec<Value> = items.collect();
        let body = json!({
            "success": true, "errors": [], "messages": [],
            "result_info": {
                "page": self.number, "per_page": self.items_max, "count": items.len(),
                "total_count": total + lie, "total_pages": total.div_ceil(self.items_max),
            },
            "result": items,
        });
        Answer::new(200, "application/json", body.to_string())
    }
}
