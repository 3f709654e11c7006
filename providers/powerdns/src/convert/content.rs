//! Rdata in PowerDNS's own spelling. It refuses any other spelling ("not in expected format"), so
//! every difference to ours must be known: metres in LOC, quotes in SVCB, addresses with dots in
//! AAAA, and types that it knows by name and we by number.

use cutover_zone::{Name, Rdata, RdataError, RrType};

use crate::limits::PARAMETERS;

/// Reads rdata as PowerDNS writes them; what cannot be read is kept as it is.
pub(super) fn read(rtype: RrType, content: &str) -> Result<Rdata, RdataError> {
    Rdata::kept(rtype, content, None)
}

/// Rdata as PowerDNS writes them.
pub(super) fn shown(rdata: &Rdata) -> String {
    match rdata.rtype() {
        RrType::AAAA => address(rdata),
        RrType::LOC => location(&rdata.to_string()),
        RrType::SVCB | RrType::HTTPS => service(rdata),
        // Empty rdata have a blank at the end.
        _ if rdata.wire().is_empty() => format!("{rdata} "),
        _ => rdata.to_string(),
    }
}

/// An IPv6 address without dots, which 4.7 refuses.
fn address(rdata: &Rdata) -> String {
    let text = rdata.to_string();
    match text.contains('.') {
        false => text,
        true => {
            let groups = rdata.wire().chunks(2);
            let groups = groups.map(|pair| format!("{:x}", pair.iter().fold(0, shifted)));
            groups.collect::<Vec<_>>().join(":")
        }
    }
}

fn shifted(number: u16, octet: &u8) -> u16 {
    number << 8 | u16::from(*octet)
}

/// Metres always with two decimals.
fn location(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.strip_suffix('m') {
        Some(metres) if !metres.contains('.') => format!("{metres}.00m"),
        Some(_) | None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// SVCB and HTTPS. Keys that 4.7 knows are written by name; the others by number with the value in
/// quotes. Of the known keys, only ECH has quotes.
fn service(rdata: &Rdata) -> String {
    let text = rdata.to_string();
    let ours = words(&text);
    let mut shown: Vec<String> = ours.iter().take(2).map(|word| (*word).to_owned()).collect();
    for ((key, value), word) in parameters(rdata.wire()).into_iter().zip(ours.iter().skip(2)) {
        let bare = word.split_once('=').map_or("", |(_, bare)| bare);
        let bare = bare.strip_prefix('"').and_then(|b| b.strip_suffix('"')).unwrap_or(bare);
        shown.push(match name_of(key) {
            None => format!("key{key}=\"{}\"", quoted(value)),
            Some("mandatory") => {
                let keys = value.chunks(2).map(|pair| pair.iter().fold(0, shifted));
                let keys = keys.map(|key| name_of(key).map_or(format!("key{key}"), str::to_owned));
                format!("mandatory={}", keys.collect::<Vec<_>>().join(","))
            }
            Some(name @ "no-default-alpn") => name.to_owned(),
            Some(name @ "ech") => format!("{name}=\"{bare}\""),
            Some(name) => format!("{name}={bare}"),
        });
    }
    shown.join(" ")
}

fn name_of(key: u16) -> Option<&'static str> {
    PARAMETERS.get(usize::from(key)).copied()
}

/// The keys and values of SVCB rdata, which the contract has already checked.
fn parameters(wire: &[u8]) -> Vec<(u16, &[u8])> {
    let target = wire.get(2..).and_then(Name::from_wire).map_or(0, |(_, octets)| octets);
    let mut rest = wire.get(2 + target..).unwrap_or_default();
    let mut parameters = Vec::new();
    while let Some((head, tail)) = rest.split_at_checked(4) {
        let length = usize::from(head[2..].iter().fold(0, shifted));
        let Some((value, next)) = tail.split_at_checked(length) else { break };
        parameters.push((head[..2].iter().fold(0, shifted), value));
        rest = next;
    }
    parameters
}

/// The words between blanks; blanks inside quotes do not separate words.
fn words(text: &str) -> Vec<&str> {
    let (mut words, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b' ' if !is_quoted => {
                words.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(&text[start..]);
    words
}

/// The inside of a quoted string (RFC 1035 §5.1).
fn quoted(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for octet in octets {
        match octet {
            b'"' | b'\\' => text.extend(['\\', char::from(*octet)]),
            0x20..=0x7e => text.push(char::from(*octet)),
            _ => text.push_str(&format!("\\{octet:03}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_content(rtype: &str, theirs: &str) {
        let rtype: RrType = rtype.parse().expect("a type");
        let rdata = read(rtype, theirs).unwrap_or_else(|error| panic!("{theirs}: {error}"));
        assert_eq!(shown(&rdata), theirs);
        assert_eq!(rdata.rtype(), rtype);
    }

    #[test]
    fn contents_are_written_as_powerdns_writes_them() {
        // As 4.7.3 returned them.
        for (rtype, content) in [
            ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m"),
            ("SVCB", "1 svc4.example.net. alpn=bar port=8004"),
            ("HTTPS", "1 . alpn=h2,h3 ipv4hint=192.0.2.1 key65333=\"ex1\""),
            ("TXT", "\"a\\\"b\\\\c;d\" \"e  f\" \"\""),
            ("TXT", "\"\\000\\127\\255@$()\""),
            ("CAA", "0 issue \"ca.example.net; account=230123\""),
            ("MX", "0 ."),
            ("HINFO", "\"a\" \"b\""),
            ("RP", "me.acme.test. ."),
            ("AFSDB", "1 a."),
            ("TYPE65280", "\\# 4 0a000001"),
            ("TYPE65281", "\\# 0 "),
            ("HTTPS", "1 . alpn=h2 no-default-alpn ech=\"AEP+DQA/\" key65400=\"x y\""),
            ("HTTPS", "1 . key65400=\"a\\\"b\\\\c\""),
            ("HTTPS", "1 . ipv6hint=::ffff:192.0.2.1 key65400=\"\""),
        ] {
            check_content(rtype, content);
        }
    }

    #[test]
    fn unreadable_records_are_kept() {
        for (rtype, content) in [
            ("HTTPS", "1 . ipv4hint=auto alpn=h2"),
            ("HTTPS", "1 . ech=\"\""),
            ("LOC", "49 17 60.000 N 8 30 0.000 E 1.00m 1.00m 10000.00m 10.00m"),
            ("CERT", "3 0 0 AAAA"),
            ("IPSECKEY", "255 0 0"),
            ("NID", "10 0014:4fff:ff20:ee64"),
            ("EUI48", "00-11-22-33-44-55"),
            ("TYPE65280", "words of a later version"),
        ] {
            let rtype: RrType = rtype.parse().expect("a type");
            let rdata = read(rtype, content).unwrap_or_else(|error| panic!("{content}: {error}"));
            assert_eq!(rdata.to_string(), content);
            assert!(rdata.is_opaque(), "{content}");
        }
    }

    #[test]
    fn ours_becomes_theirs() {
        for (rtype, ours, theirs) in [
            (RrType::AAAA, "::ffff:192.0.2.1", "0:0:0:0:0:ffff:c000:201"),
            (RrType::AAAA, "2001:DB8:0::1", "2001:db8::1"),
            (RrType::SVCB, "1 . dohpath=/q{?dns}", "1 . key7=\"/q{?dns}\""),
            (
                RrType::SVCB,
                "1 . mandatory=port,key400 port=1 key400",
                "1 . mandatory=port,key400 port=1 key400=\"\"",
            ),
        ] {
            let rdata = Rdata::parse(rtype, ours, None).unwrap_or_else(|e| panic!("{ours}: {e}"));
            assert_eq!(shown(&rdata), theirs);
        }
    }
}
