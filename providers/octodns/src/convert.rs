//! Between the bridge's JSON and RRsets. What comes from octoDNS is in presentation form.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{
    Change, Name, NameError, Rdata, RdataError, RrKey, RrSet, RrSetError, RrType, RrTypeError, Ttl,
    TtlError,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Why something that octoDNS shows is no RRset.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadAnswer {
    /// No list at all.
    #[error("there is no list of RRsets")]
    NoList,
    /// An entry of another shape.
    #[error(transparent)]
    Shape(#[from] serde_json::Error),
    /// A name.
    #[error("{name}: {error}")]
    Name {
        /// What octoDNS shows.
        name: String,
        /// Why it is none.
        error: NameError,
    },
    /// A type.
    #[error("{name}: {error}")]
    Type {
        /// Whose.
        name: Name,
        /// Why it is none.
        error: RrTypeError,
    },
    /// Records that depend on who asks.
    #[error("{0}: its records depend on who asks (octoDNS calls it dynamic)")]
    Dynamic(RrKey),
    /// Rdata of another form.
    #[error("{key}: {error}")]
    Rdata {
        /// Whose.
        key: RrKey,
        /// What is wrong.
        error: RdataError,
    },
    /// A TTL.
    #[error("{key}: {error}")]
    Ttl {
        /// Whose.
        key: RrKey,
        /// What is wrong.
        error: TtlError,
    },
    /// Records that make no RRset.
    #[error("{key}: {error}")]
    RrSet {
        /// Whose.
        key: RrKey,
        /// Why.
        error: RrSetError,
    },
    /// An RRset that is there twice.
    #[error("{0}: it is there twice")]
    Twice(RrKey),
}

/// Why octoDNS cannot be trusted with an RRset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwritten {
    /// The class does not write this type.
    #[error("{0} is not among the types that are written")]
    Type(RrType),
    /// Octets that its classes write in different ways.
    #[error(
        "octoDNS's classes do not agree on backslashes, and write other octets than printable ASCII \
         wrong or not at all"
    )]
    Text,
    /// A division of a TXT that is not kept.
    #[error(
        "octoDNS divides a TXT into strings of 255 octets by itself, and keeps no other division"
    )]
    Division,
    /// A TTL below this one.
    #[error("the plan says that the provider takes no TTL below {0} s")]
    Ttl(Ttl),
}

#[derive(Deserialize)]
struct Shown<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    rtype: &'a str,
    ttl: u32,
    /// `None` where the records depend on who asks.
    rdata: Option<Vec<String>>,
}

/// The RRsets of a list. Types that are no DNS types, inventions of a provider's class, are left out.
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

/// Whether octoDNS can be trusted with an RRset at all.
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
