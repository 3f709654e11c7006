//! Between the bridge's JSON and RRsets. What comes from octoDNS is in presentation form.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Change, Name, Rdata, RrKey, RrSet, RrType, Ttl};
use serde::Deserialize;
use serde_json::{Value, json};

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
pub(crate) fn rrsets(shown: &Value) -> Result<BTreeMap<RrKey, RrSet>, String> {
    let list = shown.as_array().ok_or("there is no list of RRsets")?;
    let mut rrsets = BTreeMap::new();
    for one in list {
        let Shown { name, rtype, ttl, rdata } =
            Deserialize::deserialize(one).map_err(|error: serde_json::Error| error.to_string())?;
        let Ok(rtype) = rtype.parse::<RrType>() else { continue };
        let place = |problem: &dyn std::fmt::Display| format!("{name} {rtype}: {problem}");
        let key = RrKey::new(name.parse().map_err(|error| place(&error))?, rtype);
        let Some(rdata) = rdata else {
            return Err(place(&"its records depend on who asks (octoDNS calls it dynamic)"));
        };
        let rdata = rdata.iter().map(|text| Rdata::kept(rtype, text, None));
        let rdata: Result<Vec<Rdata>, _> = rdata.collect();
        let ttl = Ttl::from_secs(ttl).map_err(|error| place(&error))?;
        let rrset = RrSet::new(ttl, rdata.map_err(|error| place(&error))?);
        if rrsets.insert(key, rrset.map_err(|error| place(&error))?).is_some() {
            return Err(place(&"it is there twice"));
        }
    }
    Ok(rrsets)
}

/// The keys of a list of pairs.
pub(crate) fn keys(shown: &Value) -> Result<BTreeSet<RrKey>, String> {
    let pairs: Vec<(String, String)> =
        Deserialize::deserialize(shown).map_err(|error: serde_json::Error| error.to_string())?;
    let mut keys = BTreeSet::new();
    for (name, rtype) in pairs {
        let name: Name = name.parse().map_err(|error| format!("{name}: {error}"))?;
        let rtype: RrType = rtype.parse().map_err(|error| format!("{name}: {error}"))?;
        keys.insert(RrKey::new(name, rtype));
    }
    Ok(keys)
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
/// Why not, as a lower-case fragment.
pub(crate) fn writable(
    key: &RrKey,
    after: Option<&RrSet>,
    types: &[RrType],
    ttl_min: Ttl,
) -> Result<(), String> {
    if !types.contains(&key.rtype) {
        return Err(format!("{} is not among the types that are written", key.rtype));
    }
    let Some(after) = after else { return Ok(()) };
    let is_plain = |octet: &u8| matches!(octet, 0x20..=0x7e) && *octet != b'\\';
    let texts = after.rdata().iter().filter_map(Rdata::txt_joined);
    if texts.into_iter().any(|text| !text.iter().all(is_plain)) {
        return Err("octoDNS's classes do not agree on backslashes, and write other octets than \
                    printable ASCII wrong or not at all"
            .into());
    }
    if after.divided_by_255() != *after {
        return Err(
            "octoDNS divides a TXT into strings of 255 octets by itself, and keeps no other \
                    division"
                .into(),
        );
    }
    if after.ttl() < ttl_min {
        return Err(format!("the plan says that the provider takes no TTL below {ttl_min} s"));
    }
    Ok(())
}
