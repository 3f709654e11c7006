//! What a proof takes as it is.

use std::collections::BTreeMap;

use cutover_zone::{Name, RrKey, RrSet, RrType};
use serde::{Deserialize, Serialize};

use super::super::{ReadError, Relied};
use super::{RrSetV1, value};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReliedV1 {
    zone: Name,
    provider: String,
    there: Vec<ThereV1>,
    /// By owner name the types that have no records there, with spaces between them.
    not_there: BTreeMap<Name, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThereV1 {
    name: Name,
    rtype: RrType,
    rrset: RrSetV1,
}

pub(super) fn wire(zone: &Name, relied: &Relied) -> ReliedV1 {
    let Relied { provider, rrsets } = relied;
    let there = |(key, rrset): (&RrKey, &Option<RrSet>)| {
        let rrset = RrSetV1::from(rrset.as_ref()?);
        Some(ThereV1 { name: key.name.clone(), rtype: key.rtype, rrset })
    };
    let mut not_there: BTreeMap<Name, String> = BTreeMap::new();
    for (key, _) in rrsets.iter().filter(|(_, rrset)| rrset.is_none()) {
        let types = not_there.entry(key.name.clone()).or_default();
        if !types.is_empty() {
            types.push(' ');
        }
        types.push_str(&key.rtype.to_string());
    }
    let there = rrsets.iter().filter_map(there).collect();
    ReliedV1 { zone: zone.clone(), provider: provider.clone(), there, not_there }
}

pub(super) fn read(wire: ReliedV1) -> Result<(Name, Relied), ReadError> {
    let ReliedV1 { zone, provider, there, not_there } = wire;
    let mut rrsets = BTreeMap::new();
    for ThereV1 { name, rtype, rrset } in there {
        let rrset = rrset.read(rtype).map_err(|problem| value(&name, problem))?;
        rrsets.insert(RrKey::new(name, rtype), Some(rrset));
    }
    for (name, types) in not_there {
        for text in types.split(' ') {
            let rtype: RrType = text.parse().map_err(|problem| value(&name, problem))?;
            rrsets.insert(RrKey::new(name.clone(), rtype), None);
        }
    }
    if let Some(key) = rrsets.keys().find(|key| !key.name.is_at_or_below(&zone)) {
        return Err(value("relies_on", format!("{} does not lie in {zone}", key.name)));
    }
    Ok((zone, Relied { provider, rrsets }))
}
