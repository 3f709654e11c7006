//! Random octets and texts from a fixed seed: nothing panics, and whatever is well-formed is shown
//! in a form that reads back to the same octets.

use super::table::{KEPT, Kind, OddForm as Odd, TABLE};
use super::*;

/// Change it by hand to try other cases; a failure prints it.
const SEED: u64 = 0x5eed_0001;
/// Cases for each type: with 67 types, about 100 000 in all.
const CASES: u64 = 1_500;

/// A linear congruential generator (Knuth, MMIX), of which the upper half is used.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("below 256")
    }

    fn octets(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.octet()).collect()
    }

    fn pick<'x, T>(&mut self, from: &'x [T]) -> &'x T {
        &from[self.below(from.len())]
    }

    fn length(&mut self) -> usize {
        *self.pick(&[0, 1, 1, 2, 3, 8, 12, 16, 63, 64, 254, 255])
    }

    fn string(&mut self) -> Vec<u8> {
        let length = self.length();
        let mut wire = vec![u8::try_from(length).expect("at most 255")];
        wire.extend(self.octets(length));
        wire
    }

    fn name(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        for _ in 0..self.below(4) {
            let length = *self.pick(&[1, 2, 7, 63]);
            wire.push(u8::try_from(length).expect("at most 63"));
            wire.extend(self.octets(length));
        }
        wire.push(0);
        wire
    }

    fn location(&mut self) -> Vec<u8> {
        let mut wire = vec![0];
        wire.extend(
            (0..3).map(|_| {
                u8::try_from(self.below(9) * 16 + 16 + self.below(10)).expect("at most 153")
            }),
        );
        wire.extend([
            *self.pick(&[0x80, 0x7f, 0x90, 0x6e]),
            self.octet(),
            self.octet(),
            self.octet(),
        ]);
        wire.extend([
            *self.pick(&[0x80, 0x7f, 0xa6, 0x5a]),
            self.octet(),
            self.octet(),
            self.octet(),
        ]);
        wire.extend(self.octets(4));
        wire
    }

    fn params(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut key = 0;
        for _ in 0..self.below(6) {
            key += 1 + self.below(3);
            let value = match key {
                1 => [self.string(), self.string()].concat(),
                2 => Vec::new(),
                3 => self.octets(2),
                4 | 6 => self.octets(16),
                _ => {
                    let length = self.length();
                    self.octets(length)
                }
            };
            for number in [key, value.len()] {
                wire.extend(u16::try_from(number).expect("small").to_be_bytes());
            }
            wire.extend(value);
        }
        wire
    }

    fn field(&mut self, kind: Kind) -> Vec<u8> {
        let length = self.length();
        match kind {
            Kind::Name => self.name(),
            Kind::U8 | Kind::Algorithm => self.octets(1),
            Kind::U16 => self.octets(2),
            Kind::U32 | Kind::Period | Kind::Ipv4 => self.octets(4),
            Kind::Ipv6 => self.octets(16),
            Kind::CharString => self.string(),
            Kind::CharStrings => (0..=self.below(3)).flat_map(|_| self.string()).collect(),
            Kind::Tag => self.pick(&[&b"\x05issue"[..], b"\x01x", b"\x03A1b"]).to_vec(),
            Kind::Text | Kind::Hex { .. } | Kind::Base64 | Kind::Base64OrNothing => {
                self.octets(length)
            }
            Kind::CertType | Kind::TypeName => self.octets(2),
            Kind::Scheme => self.octets(1),
            Kind::Dashed(octets) => self.octets(octets),
            Kind::Groups => self.octets(8),
            Kind::Odd(form) => self.odd(form),
            Kind::Location => self.location(),
            Kind::SvcParams => self.params(),
        }
    }

    fn odd(&mut self, form: Odd) -> Vec<u8> {
        let length = 1 + self.length();
        let mut kind_of_target = |at: u8| match at {
            0 => Vec::new(),
            1 => self.octets(4),
            2 => self.octets(16),
            _ => self.name(),
        };
        match form {
            Odd::IpSecKey => {
                let kind = *Lcg(length as u64).pick(&[0, 1, 2, 3]);
                let target = kind_of_target(kind);
                [vec![self.octet(), kind, self.octet()], target, self.octets(length)].concat()
            }
            Odd::AmtRelay => {
                let kind = *Lcg(length as u64).pick(&[0, 1, 2, 3]);
                let target = kind_of_target(kind);
                [vec![self.octet(), kind | self.octet() & 0x80], target].concat()
            }
            Odd::A6 => match self.below(3) {
                0 => [vec![0], self.octets(16)].concat(),
                1 => [vec![64], self.octets(8), self.name()].concat(),
                _ => [vec![128], self.name()].concat(),
            },
            Odd::Hip => {
                let head = [16, self.octet(), 0, 5];
                [&head[..], &self.octets(21), &self.name(), &self.name()].concat()
            }
            Odd::Apl => {
                let mut head = vec![0, *self.pick(&[1, 2]), *self.pick(&[0, 24, 32]), 0];
                let address: Vec<u8> = (0..self.below(5)).map(|_| 1 + self.octet() / 2).collect();
                head[3] = u8::try_from(address.len()).expect("small") | self.octet() & 0x80;
                [head, address].concat().repeat(self.below(3))
            }
            Odd::Types => {
                let map = |random: &mut Self, window| {
                    let mut map = vec![window, u8::try_from(1 + random.below(32)).expect("small")];
                    map.extend((1..map[1]).map(|_| random.octet()));
                    map.push(1 | random.octet());
                    map
                };
                [map(self, 0), map(self, 1), map(self, 255)].concat()
            }
            Odd::Wks => [self.octets(5 + length), vec![1]].concat(),
            Odd::Nsap => self.octets(length),
            Odd::Atma => match self.below(2) {
                0 => [vec![0], self.octets(length)].concat(),
                _ => [vec![1], (0..length).map(|_| b'0' + self.octet() % 10).collect()].concat(),
            },
            Odd::Doa => [self.octets(9), self.string(), self.octets(length)].concat(),
        }
    }

    /// Octets that mostly fit this type, and are sometimes cut, extended, or changed in one place.
    fn wire(&mut self, rtype: RrType) -> Vec<u8> {
        let opaque = [table::Field { name: "octets", kind: Kind::Text }];
        let fields = table::fields_of(rtype).unwrap_or(&opaque);
        let mut wire: Vec<u8> = fields.iter().flat_map(|field| self.field(field.kind)).collect();
        match self.below(8) {
            0 => wire.truncate(self.below(wire.len() + 1)),
            1 => wire.push(self.octet()),
            2 if !wire.is_empty() => {
                let at = self.below(wire.len());
                wire[at] = self.octet();
            }
            _ => {}
        }
        wire
    }
}

fn rtypes() -> impl Iterator<Item = RrType> {
    TABLE.iter().chain(KEPT).map(|(rtype, _)| *rtype).chain([RrType::new(65_280), RrType::RRSIG])
}

#[test]
fn what_is_shown_reads_back_to_the_same_octets() {
    let mut total = 0;
    for rtype in rtypes() {
        let mut random = Lcg(SEED ^ u64::from(rtype.number()) << 32);
        let mut well_formed = 0;
        for case in 0..CASES {
            let wire = random.wire(rtype);
            let Ok(rdata) = Rdata::from_wire(rtype, &wire) else { continue };
            well_formed += 1;
            let shown = rdata.to_string();
            let place = format!("seed {SEED:#x}, {rtype} case {case}: {shown}");
            let again = Rdata::parse(rtype, &shown, None).expect(&place);
            assert_eq!(again.wire(), rdata.wire(), "{place}");
            assert!(wire.eq_ignore_ascii_case(rdata.wire()), "{place}");
            assert!(shown.bytes().all(|octet| (0x20..=0x7e).contains(&octet)), "{place}");
        }
        assert!(well_formed > CASES / 8, "{rtype}: only {well_formed} of {CASES} are well-formed");
        total += well_formed;
    }
    assert!(total >= 20_000, "{total} cases were compared");
}

#[test]
fn random_octets_never_panic() {
    for rtype in rtypes() {
        let mut random = Lcg(SEED ^ 1 ^ u64::from(rtype.number()) << 32);
        for _ in 0..CASES {
            let length = random.below(48);
            let wire = random.octets(length);
            let Ok(rdata) = Rdata::kept_wire(rtype, &wire) else { continue };
            let shown = rdata.to_string();
            let again = Rdata::kept(rtype, &shown, None).expect(&shown);
            assert_eq!(again, rdata, "{rtype} {shown}");
        }
    }
}

#[test]
fn random_texts_never_panic() {
    let pieces = [
        "\"",
        "\\",
        "\\0",
        "\\256",
        "\\#",
        " ",
        "(",
        ")",
        ";",
        "\n",
        "=",
        ",",
        ".",
        "@",
        "a",
        "é",
        "0",
        "1",
        "4",
        "99999999999999999999",
        "key1",
        "alpn",
        "port=",
        "mandatory=",
        "N",
        "E",
        "-",
        "m",
        "1w",
        "AQ==",
        "0a",
        "::1",
        "192.0.2.1",
        "mail.acme.test.",
        "1 ",
        "0 ",
        "\u{0}",
        "\\é",
    ];
    let origin = Name::absolute("acme.test.").expect("a name");
    for rtype in rtypes() {
        let mut random = Lcg(SEED ^ 2 ^ u64::from(rtype.number()) << 32);
        for case in 0..CASES {
            let text: String = (0..random.below(14)).map(|_| *random.pick(&pieces)).collect();
            let Ok(rdata) = Rdata::kept(rtype, &text, Some(&origin)) else { continue };
            let shown = rdata.to_string();
            let place = format!("seed {SEED:#x}, {rtype} case {case}: {text:?}");
            let again = Rdata::kept(rtype, &shown, rdata.origin_of_words()).expect(&place);
            assert_eq!(again, rdata, "{place}");
        }
    }
}
