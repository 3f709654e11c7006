//! What each record of a transfer means, by its place in the order.
//!
//! ```text
//!  whole (RFC 5936 §2.2)     SOA new │ records of the zone … │ SOA new
//!  changes (RFC 1995 §4)     SOA new │ SOA old │ gone … │ SOA next │ come … │ … │ SOA new
//!  nothing new (RFC 1995 §2) SOA old
//! ```
//!
//! A server that is asked for changes may send the whole zone instead.

use cutover_kit::serial::is_later;

use super::answer::MalformedMessage;

/// The meaning of a record in a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The current SOA of the zone: the first and the last record.
    Soa,
    /// The zone has this record.
    Held,
    /// The SOA of a version in between.
    Version,
    /// The zone no longer has this record.
    Gone,
    /// The zone has this record since the last version.
    Come,
}

/// The progress of a transfer.
pub(crate) struct Sequence {
    /// The serial since which changes were requested.
    since: Option<u32>,
    /// The rdata of the first SOA.
    soa: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    /// The first SOA has arrived.
    Begun,
    Whole,
    /// Records removed from the version with this serial.
    Gone(u32),
    /// Records added in the version with this serial.
    Come(u32),
    Ended,
}

impl Sequence {
    /// A transfer of the whole zone, or of the changes since the zone had the SOA with this rdata.
    pub(crate) fn new(since: Option<&[u8]>) -> Self {
        Self { since: since.and_then(serial), soa: Vec::new(), stage: Stage::Start }
    }

    /// Whether everything has arrived.
    pub(crate) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Ends the transfer: nothing more is expected.
    pub(crate) fn end(&mut self) {
        self.stage = Stage::Ended;
    }

    /// Takes the next record; `soa` is its rdata if it is an SOA.
    pub(crate) fn next(&mut self, soa: Option<&Vec<u8>>) -> Result<Meaning, MalformedMessage> {
        let (stage, meaning) = match (self.stage, soa) {
            (Stage::Start, None) => {
                return Err(MalformedMessage("the transfer begins without an SOA"));
            }
            (Stage::Start, Some(soa)) => {
                self.soa.clone_from(soa);
                let is_new = match (self.since, serial(soa)) {
                    (Some(since), Some(serial)) => is_later(serial, since),
                    (None, _) | (_, None) => true,
                };
                (if is_new { Stage::Begun } else { Stage::Ended }, Meaning::Soa)
            }
            (Stage::Begun, Some(soa)) if self.since.is_some() && serial(soa) == self.since => {
                (Stage::Gone(self.since.unwrap_or_default()), Meaning::Version)
            }
            (Stage::Begun | Stage::Whole, None) => (Stage::Whole, Meaning::Held),
            (Stage::Begun | Stage::Whole, Some(soa)) if *soa == self.soa => {
                (Stage::Ended, Meaning::Soa)
            }
            (Stage::Begun | Stage::Whole, Some(_)) => {
                return Err(MalformedMessage("the zone ends with another SOA"));
            }
            (Stage::Gone(_) | Stage::Come(_), None) => {
                let is_gone = matches!(self.stage, Stage::Gone(_));
                (self.stage, if is_gone { Meaning::Gone } else { Meaning::Come })
            }
            (Stage::Gone(from), Some(soa)) => match serial(soa) {
                Some(to) if is_later(to, from) => (Stage::Come(to), Meaning::Version),
                Some(_) | None => return Err(MalformedMessage("a version follows a later one")),
            },
            (Stage::Come(_), Some(soa)) if *soa == self.soa => (Stage::Ended, Meaning::Soa),
            (Stage::Come(version), Some(soa)) if serial(soa) == Some(version) => {
                (Stage::Gone(version), Meaning::Version)
            }
            (Stage::Come(_), Some(_)) => {
                return Err(MalformedMessage("there is a gap between two versions"));
            }
            (Stage::Ended, _) => {
                return Err(MalformedMessage("there are records after the end of the zone"));
            }
        };
        self.stage = stage;
        Ok(meaning)
    }
}

/// The serial in the rdata of an SOA: the first of the five numbers at its end (RFC 1035 §3.3.13).
fn serial(rdata: &[u8]) -> Option<u32> {
    let numbers = rdata.last_chunk::<20>()?;
    numbers.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soa(serial: u32) -> Vec<u8> {
        let numbers = [serial, 3_600, 600, 86_400, 300];
        [0, 0].into_iter().chain(numbers.into_iter().flat_map(u32::to_be_bytes)).collect()
    }

    /// `None` stands for a record that is not an SOA.
    fn read(
        since: Option<u32>,
        records: &[Option<u32>],
    ) -> Result<(Vec<Meaning>, bool), MalformedMessage> {
        let since = since.map(soa);
        let mut sequence = Sequence::new(since.as_deref());
        let all = records.iter().map(|serial| sequence.next(serial.map(soa).as_ref()));
        let meanings = all.collect::<Result<Vec<Meaning>, _>>()?;
        Ok((meanings, sequence.has_ended()))
    }

    #[test]
    fn rfc1995_section_7_a_sequence_of_differences() {
        use Meaning::{Come, Gone, Held, Soa, Version};
        let records =
            [Some(3), Some(1), None, Some(2), None, None, Some(2), None, Some(3), None, Some(3)];
        let meant =
            vec![Soa, Version, Gone, Version, Come, Come, Version, Gone, Version, Come, Soa];
        assert_eq!(read(Some(1), &records), Ok((meant, true)));
        let condensed = [Some(3), Some(1), None, Some(3), None, Some(3)];
        let meant = vec![Soa, Version, Gone, Version, Come, Soa];
        assert_eq!(read(Some(1), &condensed), Ok((meant, true)));
        // Nothing was removed, or nothing was added.
        let meant = vec![Soa, Version, Version, Come, Soa];
        assert_eq!(read(Some(1), &[Some(3), Some(1), Some(3), None, Some(3)]), Ok((meant, true)));
        let meant = vec![Soa, Version, Gone, Version, Soa];
        assert_eq!(read(Some(1), &[Some(3), Some(1), None, Some(3), Some(3)]), Ok((meant, true)));
        for since in [None, Some(1)] {
            let whole = [Some(3), None, None, Some(3)];
            assert_eq!(read(since, &whole), Ok((vec![Soa, Held, Held, Soa], true)));
        }
    }

    #[test]
    fn rfc1995_section_2_nothing_new() {
        assert_eq!(read(Some(3), &[Some(3)]), Ok((vec![Meaning::Soa], true)));
        assert_eq!(read(Some(3), &[Some(2)]), Ok((vec![Meaning::Soa], true)));
        assert_eq!(read(None, &[Some(3)]), Ok((vec![Meaning::Soa], false)));
        // RFC 1982: the serial has passed 2³².
        assert_eq!(read(Some(u32::MAX), &[Some(1)]), Ok((vec![Meaning::Soa], false)));
    }

    #[test]
    fn invalid_transfers_are_refused() {
        let cases = [
            (None, &[None][..], "without an SOA"),
            (None, &[Some(3), None, Some(2)], "ends with another SOA"),
            (None, &[Some(3), Some(1)], "ends with another SOA"),
            (Some(1), &[Some(3), None, Some(2)], "ends with another SOA"),
            (Some(1), &[Some(3), Some(2)], "ends with another SOA"),
            (Some(1), &[Some(3), Some(1), Some(1)], "follows a later one"),
            (Some(1), &[Some(3), Some(1), Some(2), Some(1)], "a gap"),
            (Some(1), &[Some(3), Some(1), Some(3), Some(3), None], "after the end"),
            (Some(1), &[Some(1), None], "after the end"),
        ];
        for (since, records, problem) in cases {
            let error = read(since, records).expect_err(problem);
            assert!(error.0.contains(problem), "{records:?}: {error}");
        }
    }
}
