//! Converts between the bridge's JSON and RRsets. Everything from octoDNS is in presentation form.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::Change;
use cutover_zone::{
    Name, NameError, Rdata, RdataError, RrKey, RrSet, RrSetError, RrType, RrTypeError, Ttl,
    TtlError,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Why something that octoDNS shows is not an RRset.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadAnswer {
    /// It is not a list.
    #[error("there is no list of RRsets")]
    NoList,
    /// An entry has another shape.
    #[error(transparent)]
    Shape(#[from] serde_json::Error),
    /// A name is invalid.
    #[error("{name}: {error}")]
    Name {
        /// What octoDNS shows.
        name: String,
        /// Why it is not a name.
        error: NameError,
    },
    /// A type is unknown.
    #[error("{name}: {error}")]
    Type {
        /// The owner name.
        name: Name,
        /// Why it is not a type.
        error: RrTypeError,
    },
    /// The records depend on the client.
    #[error("{0}: its records depend on the client (dynamic, in octoDNS's terms)")]
    Dynamic(RrKey),
    /// Rdata cannot be read.
    #[error("{key}: {error}")]
    Rdata {
        /// The RRset.
        key: RrKey,
        /// What is wrong.
        error: RdataError,
    },
    /// A TTL is invalid.
    #[error("{key}: {error}")]
    Ttl {
        /// The RRset.
        key: RrKey,
        /// What is wrong.
        error: TtlError,
    },
    /// The records are not an RRset.
    #[error("{key}: {error}")]
    RrSet {
        /// The RRset.
        key: RrKey,
        /// The reason.
        error: RrSetError,
    },
    /// An RRset occurs twice.
    #[error("{0}: it is there twice")]
    Twice(RrKey),
}

/// Why an RRset is not entrusted to octoDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwritten {
    /// The class does not write this type.
    #[error("{0} is not among the writable types")]
    Type(RrType),
    /// Octets that the classes write in different ways.
    #[error(
        "octoDNS's classes disagree about backslashes, and write octets beyond printable ASCII \
        wrongly or not at all"
    )]
    Text,
    /// A division of a TXT that would be lost.
    #[error("octoDNS itself divides a TXT into strings of 255 octets, and keeps no other division")]
    Division,
    /// A TTL below this minimum.
    #[error("by your plan (`ttl_min`), the provider accepts no TTL below {0} s")]
    Ttl(Ttl),
}

#[derive(Deserialize)]
struct Shown<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    rtype: &'a str,
    ttl: u32,
    /// `None` if the records depend on the client.
    rdata: Option<Vec<String>>,
}

/// The RRsets of a list. Types that are not DNS types, such as a provider's inventions, are left
/// out.
pub(crate) fn rrsets(shown: &Value) -> Result<BTreeMap<RrKey, RrSet>, BadAnswer> {
    let list = shown.as_array().ok_or(BadAnswer::NoList)?;
    let mut rrsets = BTreeMap::new();
    for entry in list {
        let Shown { name, rtype, ttl, rdata } = Deserialize::deserialize(entry)?;
        let Ok(rtype) = rtype.parse::<RrType>() else { continue };
        let key = RrKey::new(owner(name)?, rtype);
        let Some(rdata) = rdata else { return Err(BadAnswer::Dynamic(key)) };
        let rdata = rdata.iter().map(|text| Rdata::kept(rtype, text, None));
        let rdata = rdata.collect::<Result<Vec<Rdata>, RdataError>>();
        let rdata = rdata.map_err(|error| BadAnswer::Rdata { key: key.clone(), error })?;
        let ttl = Ttl::from_secs(ttl);
        let ttl = ttl.map_err(|error| BadAnswer::Ttl { key: key.clone(), error })?;
        let rrset = RrSet::new(ttl, rdata);
        let rrset = rrset.map_err(|error| BadAnswer::RrSet { key: key.clone(), error })?;
        if rrsets.insert(key.clone(), rrset).is_some() {
            return Err(BadAnswer::Twice(key));
        }
    }
    Ok(rrsets)
}

/// The keys of a list of pairs.
pub(crate) fn keys(shown: &Value) -> Result<BTreeSet<RrKey>, BadAnswer> {
    let pairs: Vec<(String, String)> = Deserialize::deserialize(shown)?;
    let mut keys = BTreeSet::new();
    for (name, rtype) in pairs {
        let name = owner(&name)?;
        match rtype.parse() {
            Ok(rtype) => keys.insert(RrKey::new(name, rtype)),
            Err(error) => return Err(BadAnswer::Type { name, error }),
        };
    }
    Ok(keys)
}

fn owner(text: &str) -> Result<Name, BadAnswer> {
    text.parse().map_err(|error| BadAnswer::Name { name: text.to_owned(), error })
}

/// A change for the bridge.
pub(crate) fn change(change: &Change) -> Value {
    let after = change.after.as_ref().map(|rrset| {
        let rdata: Vec<String> = rrset.rdata().iter().map(ToString::to_string).collect();
        json!({ "ttl": rrset.ttl().secs(), "rdata": rdata })
    });
    json!({
        "name": change.key.name.to_string(),
        "type": change.key.rtype.to_string(),
        "after": after,
    })
}

/// Whether an RRset can be entrusted to octoDNS at all.
///
/// # Errors
/// [`Unwritten`].
pub(crate) fn writable(
    key: &RrKey,
    after: Option<&RrSet>,
    types: &[RrType],
    ttl_min: Ttl,
) -> Result<(), Unwritten> {
    if !types.contains(&key.rtype) {
        return Err(Unwritten::Type(key.rtype));
    }
    let Some(after) = after else { return Ok(()) };
    let is_plain = |octet: &u8| matches!(octet, 0x20..=0x7e) && *octet != b'\\';
    let mut texts = after.rdata().iter().filter_map(Rdata::txt_joined);
    if texts.any(|text| !text.iter().all(is_plain)) {
        return Err(Unwritten::Text);
    }
    if after.divided_by_255() != *after {
        return Err(Unwritten::Division);
    }
    match after.ttl() < ttl_min {
        true => Err(Unwritten::Ttl(ttl_min)),
        false => Ok(()),
    }
}
