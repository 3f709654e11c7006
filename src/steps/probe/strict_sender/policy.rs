//! MTA-STS: the record and the policy (RFC 8461 §3).

/// The policy's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Mail is delivered to exchanges that match, and to no others.
    Enforce,
    /// What would fail is reported, and mail is delivered.
    Testing,
    /// There is no policy.
    None,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Its mode.
    pub(super) mode: Mode,
    /// The patterns that an exchange has to match.
    mx: Vec<String>,
}

/// The id of a record; `None` if it is no record of MTA-STS that senders understand.
pub(super) fn id(record: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(record).ok()?;
    let mut fields = text.split(';').map(str::trim);
    if fields.next() != Some("v=STSv1") {
        return None;
    }
    let id = fields.find_map(|field| field.strip_prefix("id="))?.trim();
    // RFC 8461 §3.1: 1 to 32 letters and digits.
    let fits =
        (1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    fits.then_some(id)
}

/// Whether a TXT record is meant to be one of MTA-STS.
pub(super) fn is_record(record: &[u8]) -> bool {
    record.starts_with(b"v=STSv1")
}

/// The maximum of `max_age`, in seconds (RFC 8461 §3.2).
const MAX_AGE_SECS_MAX: u32 = 31_557_600;

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// What senders do not understand.
    pub(super) fn read(body: &str) -> Result<Self, &'static str> {
        let mut version = None;
        let (mut mode, mut max_age, mut mx) = (None, None, Vec::new());
        for line in body.lines().filter(|line| !line.trim().is_empty()) {
            let Some((key, value)) = line.split_once(':') else {
                return Err("a line is no `key: value`");
            };
            let value = value.trim();
            match key.trim() {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" => mx.push(value.trim_end_matches('.').to_ascii_lowercase()),
                // RFC 8461 §3.2: other fields are ignored.
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err("it has no `version: STSv1`");
        }
        let age = max_age.and_then(|age| age.parse::<u32>().ok());
        if age.is_none_or(|age| age > MAX_AGE_SECS_MAX) {
            return Err("it has no `max_age` of at most a year");
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            Some(_) | None => return Err("it has no `mode`"),
        };
        if mx.is_empty() && mode != Mode::None {
            return Err("it has no `mx`");
        }
        Ok(Self { mode, mx })
    }

    /// Whether it allows an exchange. `*` stands for one label (RFC 8461 §4.1).
    pub(super) fn allows(&self, exchange: &str) -> bool {
        let exchange = exchange.trim_end_matches('.').to_ascii_lowercase();
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            None => *pattern == exchange,
            Some(rest) => exchange.split_once('.').is_some_and(|(_, parent)| parent == rest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_senders_read_them() {
        for (record, is) in [
            ("v=STSv1; id=20160831085700Z;", Some("20160831085700Z")),
            ("v=STSv1;id=1", Some("1")),
            ("v=STSv1; id=", None),
            ("v=STSv1; id=a-b", None),
            ("v=STSv1; id=123456789012345678901234567890123", None),
            ("v=STSv2; id=1", None),
            ("id=1; v=STSv1", None),
        ] {
            assert_eq!(id(record.as_bytes()), is, "{record}");
        }
    }

    #[test]
    fn policies_are_read_as_senders_read_them() {
        let whole = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n\
                     mx: *.example.net\r\nmax_age: 604800\r\n";
        let policy = Policy::read(whole).expect("the example of RFC 8461");
        assert_eq!(policy.mode, Mode::Enforce);
        for (exchange, is) in [
            ("mail.example.com.", true),
            ("MAIL.example.com", true),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            ("other.example.com", false),
        ] {
            assert_eq!(policy.allows(exchange), is, "{exchange}");
        }
        for wrong in [
            "",
            "<html>",
            "version: STSv1\nmode: enforce\nmax_age: 1\n",
            "version: STSv1\nmode: loud\nmx: a\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmx: a\nmax_age: 99999999\n",
            "mode: enforce\nmx: a\nmax_age: 1\n",
        ] {
            assert!(Policy::read(wrong).is_err(), "{wrong}");
        }
    }
}
