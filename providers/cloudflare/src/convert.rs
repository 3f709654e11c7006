//! Converts to and from the API's JSON: records and RRsets, and batches.
//!
//! Cloudflare stores records, each with its own identifier and TTL. What is *held* at a key is an
//! RRset, with the records that it consists of. If the records of an RRset have several TTLs, the
//! largest counts, since they may be cached for that long.
//!
//! *Instructions* are records that are not data, and are not read. At a proxied name these are
//! addresses and CNAME, because Cloudflare answers with its own addresses, and likewise at a name
//! whose CNAME is flattened. Records that cannot be read are also left out. Other types at these
//! names are read as usual.

mod content;

use std::collections::BTreeMap;

use cutover_contract::{Change, InPlace};
use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::shown;
use crate::limits::{AUTOMATIC, MARK};

pub(crate) use content::Unwritable;

/// The fields of a record that matter here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    name: String,
    #[serde(rename = "type")]
    rtype: String,
    content: Option<String>,
    ttl: u32,
    proxied: Option<bool>,
    priority: Option<Value>,
    data: Option<Map<String, Value>>,
    meta: Option<Meta>,
    settings: Option<Settings>,
    locked: Option<bool>,
    read_only: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Meta {
    email_routing: Option<bool>,
    read_only: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Settings {
    flatten_cname: Option<bool>,
}

/// Why a record must not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// It belongs to Email Routing.
    EmailRouting,
    /// Another Cloudflare product holds it.
    Product,
}

/// The types that Cloudflare itself answers at proxied or flattened names.
const ADDRESSES: [RrType; 3] = [RrType::A, RrType::AAAA, RrType::CNAME];

/// Why there is no data for a name and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// Cloudflare answers with its own addresses.
    Proxied,
    /// Cloudflare answers with what the CNAME leads to.
    Flattened,
    /// An unknown type, or an unknown form of a known type.
    Unread,
}

/// A record of an RRset.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) rdata: Rdata,
    /// The served TTL.
    pub(crate) ttl: Ttl,
    pub(crate) lock: Option<Lock>,
}

/// An RRset with its records.
#[derive(Clone, Debug)]
pub(crate) struct HeldSet {
    pub(crate) records: Vec<Held>,
    pub(crate) rrset: RrSet,
}

impl HeldSet {
    /// The form in which this RRset would be held.
    pub(crate) fn of(rrset: &RrSet) -> Self {
        let held = |rdata: &Rdata| Held {
            id: String::new(),
            rdata: rdata.clone(),
            ttl: rrset.ttl(),
            lock: None,
        };
        Self { records: rrset.rdata().iter().map(held).collect(), rrset: rrset.clone() }
    }
}

/// What a zone holds, at some names or all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) held: BTreeMap<RrKey, HeldSet>,
    pub(crate) instructions: BTreeMap<RrKey, Instruction>,
}

impl Holdings {
    /// The RRset at a key, if there is one.
    pub(crate) fn rrset(&self, key: &RrKey) -> Option<&RrSet> {
        self.held.get(key).map(|held| &held.rrset)
    }
}

/// A record that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRecord {
    /// Its name is invalid.
    #[error("a record has the name {0:?}")]
    Name(String),
    /// Its TTL is invalid.
    #[error("a record of {0} has a TTL of {1}")]
    Ttl(Name, u32),
    /// The records are not an RRset.
    #[error("the records of {0} are not an RRset: {1}")]
    RrSet(RrKey, cutover_zone::RrSetError),
}

/// Collects records into RRsets.
pub(crate) fn holdings(records: Vec<Record>, zone: &Name) -> Result<Holdings, BadRecord> {
    let mut by_key: BTreeMap<RrKey, Vec<Held>> = BTreeMap::new();
    let mut instructions = BTreeMap::new();
    for record in records {
        let name = Name::absolute(&format!("{}.", record.name.trim_end_matches('.')))
            .map_err(|_| BadRecord::Name(record.name.clone()))?;
        if !name.is_at_or_below(zone) {
            return Err(BadRecord::Name(record.name));
        }
        // A type that is unknown here has no key, and clashes with nothing.
        let Ok(rtype) = record.rtype.parse::<RrType>() else { continue };
        if let Some(instruction) = instruction_of(&record, &name, zone) {
            for rtype in ADDRESSES {
                instructions.insert(RrKey::new(name.clone(), rtype), instruction);
            }
            continue;
        }
        let Some(rdata) = content::read(rtype, &record) else {
            instructions.insert(RrKey::new(name, rtype), Instruction::Unread);
            continue;
        };
        let ttl = match record.ttl {
            1 => AUTOMATIC,
            secs => Ttl::from_secs(secs).map_err(|_| BadRecord::Ttl(name.clone(), secs))?,
        };
        let lock = lock_of(&record);
        let held = Held { id: record.id, rdata, ttl, lock };
        by_key.entry(RrKey::new(name, rtype)).or_default().push(held);
    }
    // Whatever else is there: what is served differs from what is stored.
    by_key.retain(|key, _| !instructions.contains_key(key));
    let set = |(key, records): (RrKey, Vec<Held>)| {
        let ttl = records.iter().map(|held| held.ttl).max().unwrap_or(AUTOMATIC);
        match RrSet::new(ttl, records.iter().map(|held| held.rdata.clone())) {
            Ok(rrset) => Ok((key, HeldSet { records, rrset })),
            Err(error) => Err(BadRecord::RrSet(key, error)),
        }
    };
    let held = by_key.into_iter().map(set).collect::<Result<_, _>>()?;
    Ok(Holdings { held, instructions })
}

fn instruction_of(record: &Record, name: &Name, zone: &Name) -> Option<Instruction> {
    let flatten = record.settings.as_ref().and_then(|settings| settings.flatten_cname);
    let is_cname = record.rtype == "CNAME";
    match record.proxied == Some(true) {
        true => Some(Instruction::Proxied),
        // A CNAME at the apex is always flattened ("CNAME flattening").
        false if is_cname && (name == zone || flatten == Some(true)) => {
            Some(Instruction::Flattened)
        }
        false => None,
    }
}

fn lock_of(record: &Record) -> Option<Lock> {
    let meta = record.meta.clone().unwrap_or_default();
    let says = |flag: Option<bool>| flag == Some(true);
    match says(meta.email_routing) {
        true => Some(Lock::EmailRouting),
        false if says(meta.read_only) || says(record.read_only) || says(record.locked) => {
            Some(Lock::Product)
        }
        false => None,
    }
}

/// The operations of a request. Cloudflare makes them in the order of these fields, whatever their
/// order in JSON.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Batch {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deletes: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patches: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    posts: Vec<Value>,
}

impl Batch {
    /// The number of operations.
    pub(crate) fn operations(&self) -> usize {
        self.deletes.len() + self.patches.len() + self.posts.len()
    }

    /// Adds the operations that make this change to what is held. Old records are changed into new
    /// ones, so that there is always a record, and its comment, tags and settings stay.
    pub(crate) fn add(
        &mut self,
        change: &Change,
        held: Option<&HeldSet>,
    ) -> Result<(), Unwritable> {
        let Change { key, before, after } = change;
        let mut left: Vec<&Held> = held.iter().flat_map(|held| &held.records).collect();
        let mut taken = |rdata: &Rdata| {
            let at = left.iter().position(|held| held.rdata == *rdata)?;
            Some(left.swap_remove(at))
        };
        match (before, after) {
            (None, None) => {}
            (None, Some(after)) => {
                for rdata in after.rdata() {
                    self.posts.push(created(key, after.ttl(), rdata)?);
                }
            }
            (Some(before), None) => {
                for held in before.rdata().iter().filter_map(&mut taken) {
                    self.deletes.push(json!({ "id": held.id }));
                }
            }
            (Some(before), Some(after)) => {
                let replacement = InPlace::between(before, after);
                for held in replacement.kept.iter().filter_map(&mut taken) {
                    if held.ttl != after.ttl() {
                        self.patches.push(json!({ "id": held.id, "ttl": after.ttl().secs() }));
                    }
                }
                for (old, new) in &replacement.changed {
                    let Some(held) = taken(old) else { continue };
                    let mut patch = content::written(new)?;
                    patch.insert("id".to_owned(), held.id.clone().into());
                    if held.ttl != after.ttl() {
                        patch.insert("ttl".to_owned(), after.ttl().secs().into());
                    }
                    self.patches.push(patch.into());
                }
                for held in replacement.removed.iter().filter_map(&mut taken) {
                    self.deletes.push(json!({ "id": held.id }));
                }
                for rdata in &replacement.added {
                    self.posts.push(created(key, after.ttl(), rdata)?);
                }
            }
        }
        Ok(())
    }
}

fn created(key: &RrKey, ttl: Ttl, rdata: &Rdata) -> Result<Value, Unwritable> {
    let mut record = content::written(rdata)?;
    record.insert("type".to_owned(), key.rtype.to_string().into());
    record.insert("name".to_owned(), shown(&key.name).into());
    record.insert("ttl".to_owned(), ttl.secs().into());
    record.insert("comment".to_owned(), MARK.into());
    if [RrType::A, RrType::AAAA, RrType::CNAME].contains(&key.rtype) {
        record.insert("proxied".to_owned(), false.into());
    }
    Ok(record.into())
}

/// The operations that a change needs, or more: records that stay may need another TTL.
pub(crate) fn operations_of(_: &Name, change: &Change) -> usize {
    let records = |rrset: &Option<RrSet>| rrset.as_ref().map_or(0, |rrset| rrset.rdata().len());
    records(&change.before).max(records(&change.after))
}
