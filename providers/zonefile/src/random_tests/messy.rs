//! Random messy zone files, from a seed: everything the reader knows, in every layout.

use std::path::Path;

use cutover_zone::RrType;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("below the bound")
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

const OWNERS: &[&str] = &[
    "@",
    "a",
    "b",
    "C",
    "www",
    "mail",
    "x.sub",
    "y.sub",
    "deep.x.sub",
    "_dmarc",
    "k._domainkey",
    "*.wild",
    "d\\.ot",
    "n\\228m",
];
const ORIGINS: &[&str] = &["example.test.", "sub.example.test.", "x.sub.example.test.", "test."];
const TYPES: &[RrType] = &[
    RrType::A,
    RrType::AAAA,
    RrType::MX,
    RrType::TXT,
    RrType::SRV,
    RrType::CAA,
    RrType::new(65280),
];

pub(super) fn random_owner(rng: &mut Rng) -> String {
    match rng.pick(OWNERS) {
        "@" => "example.test.".to_owned(),
        owner => format!("{owner}.example.test."),
    }
}

pub(super) fn random_type(rng: &mut Rng) -> RrType {
    TYPES[rng.below(TYPES.len())]
}

pub(super) fn random_ttl(rng: &mut Rng) -> u32 {
    [0, 30, 60, 300, 3600, 86400, 2_147_483_647][rng.below(7)]
}

pub(super) fn random_rdata(rng: &mut Rng, rtype: RrType) -> String {
    let n = rng.below(5);
    match rtype {
        RrType::A => format!("192.0.2.{n}"),
        RrType::AAAA => format!("2001:db8::{n}"),
        RrType::MX => format!("{n}0 mx{n}.other."),
        RrType::TXT => {
            let key = format!("\"v=DKIM1; p={}\" \"{n} (x) ; y\"", "A".repeat(240));
            rng.pick(&["\"v=spf1 -all\"", "\"a\" \"b;c\"", "plain", "\"q\\\"\\\\\" \\233", &key])
                .to_owned()
        }
        RrType::SRV => format!("0 {n} 443 web.other."),
        RrType::CAA => format!("0 issue \"ca{n}.test\""),
        RrType::CNAME | RrType::NS => format!("t{n}.other."),
        _ => format!("\\# 2 000{n}"),
    }
}

/// A zone file, with the files that it includes.
pub(super) struct Messy {
    pub(super) text: Vec<u8>,
    pub(super) includes: Vec<(String, Vec<u8>)>,
    generates: bool,
}

impl Messy {
    pub(super) fn included(&self, path: &Path) -> Vec<u8> {
        let file = path.to_str().expect("ASCII");
        let found = self.includes.iter().find(|(name, _)| name == file);
        found.expect("it was made with the zone").1.clone()
    }

    pub(super) fn has_elsewhere(&self) -> bool {
        self.generates || !self.includes.is_empty()
    }

    /// The text as BIND can read it: without the byte order mark, which it does not know, and with
    /// a final line end, without which it refuses directives.
    pub(super) fn for_bind(&self) -> Vec<u8> {
        let bare = self.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.text);
        [bare, b"\n"].concat()
    }

    pub(super) fn random(rng: &mut Rng) -> Self {
        let mut writer = Writer {
            text: Vec::new(),
            end: rng.pick(&["\n", "\n", "\n", "\r\n"]),
            origin: "example.test.",
            has_default: rng.below(3) > 0,
            cnames: 0,
            after_cname: false,
        };
        let mut messy = Self { text: Vec::new(), includes: Vec::new(), generates: false };
        if rng.below(8) == 0 {
            writer.text.extend_from_slice(b"\xef\xbb\xbf");
        }
        writer.comment(rng);
        if writer.has_default {
            writer.line("$TTL 1h");
        }
        writer.soa(rng);
        for _ in 0..5 + rng.below(30) {
            match rng.below(24) {
                0 | 1 => writer.comment(rng),
                2 => writer.line(""),
                3 => writer.line("  \t"),
                4 => writer.origin(rng),
                5 if writer.has_default => writer.line("$TTL 5m ; five"),
                6 if rng.below(3) == 0 => {
                    let file = format!("i{}", messy.includes.len());
                    writer.line(&format!("$INCLUDE {file} sub.example.test."));
                    messy
                        .includes
                        .push((file, b"i 60 A 192.0.2.1\n\t60 TXT x\nC A 192.0.2.9".into()));
                }
                7 if rng.below(3) == 0 => {
                    // An absolute owner, because a relative one would be outside the zone under the
                    // origin `test.`.
                    writer.line("$GENERATE 1-3 g$.example.test. A 192.0.2.$ ; hosts");
                    messy.generates = true;
                }
                _ => writer.record(rng),
            }
        }
        if rng.below(4) == 0 {
            let bare = writer.text.strip_suffix(writer.end.as_bytes()).map(<[u8]>::to_vec);
            writer.text = bare.unwrap_or(writer.text);
        }
        messy.text = writer.text;
        messy
    }
}

struct Writer<'w> {
    text: Vec<u8>,
    end: &'w str,
    origin: &'w str,
    has_default: bool,
    cnames: usize,
    /// Whether a blank at the start of the next line would inherit the owner of a CNAME.
    after_cname: bool,
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        self.text.extend_from_slice(line.as_bytes());
        self.text.extend_from_slice(self.end.as_bytes());
    }

    fn comment(&mut self, rng: &mut Rng) {
        self.text.extend_from_slice(b" ; \xe9 \xfc ( \" ".get(rng.below(2)..).unwrap_or_default());
        self.line(rng.pick(&["", ";;; A 192.0.2.1", "é ünicode", "www A 192.0.2.1"]));
    }

    fn soa(&mut self, rng: &mut Rng) {
        let ttl = if !self.has_default && rng.below(2) == 0 { "600 " } else { "" };
        let serial = rng.pick(&["1", "2026112399", "4294967290"]);
        let soa = rng.pick(&[
            "@ TTLIN SOA ns root SERIAL 1h 15m 1w 300",
            "@ TTLIN SOA ns root (\n\tSERIAL ; serial\n\t1h 900 ; x\n\n 604800 300 ) ; end",
            "example.test. TTLSOA ns ( root SERIAL\n 1 2 3 4 )",
        ]);
        let soa = soa.replace("TTL", ttl).replace("SERIAL", serial).replace('\n', self.end);
        self.line(&soa);
        self.line("\tNS NS1.other.");
        self.line("@ IN NS ns2.other.");
    }

    fn origin(&mut self, rng: &mut Rng) {
        self.origin = rng.pick(ORIGINS);
        self.line(&format!("$ORIGIN {}", self.origin));
    }

    fn owner(&self, rng: &mut Rng) -> String {
        let owner = random_owner(rng);
        let below = owner.strip_suffix(self.origin).and_then(|front| front.strip_suffix('.'));
        match (rng.below(3), below) {
            (0, _) if !self.after_cname => String::new(),
            (1, _) | (_, None) if owner == self.origin => "@".to_owned(),
            (_, Some(relative)) => relative.to_owned(),
            (_, None) => owner,
        }
    }

    fn record(&mut self, rng: &mut Rng) {
        let gap = rng.pick(&[" ", "\t", "   ", "\t\t", "        "]).to_owned();
        let mut rtype = random_type(rng);
        let mut line = self.owner(rng);
        self.after_cname = rng.below(10) == 0;
        if self.after_cname {
            rtype = RrType::CNAME;
            self.cnames += 1;
            line = format!("cname{}.example.test.", self.cnames);
        }
        line.push_str(&gap);
        let ttl = rng.pick(&["", "", "", "60", "1h", "1W2d", "0"]).to_owned();
        let class = rng.pick(&["", "", "IN", "in", "CLASS1"]).to_owned();
        let columns = if rng.below(2) == 0 { [ttl, class] } else { [class, ttl] };
        for column in columns.iter().filter(|column| !column.is_empty()) {
            line.push_str(column);
            line.push_str(&gap);
        }
        let mnemonic = rtype.to_string();
        line.push_str(&if rng.below(4) == 0 { mnemonic.to_ascii_lowercase() } else { mnemonic });
        line.push_str(&gap);
        let rdata = random_rdata(rng, rtype);
        line.push_str(&match rng.below(6) {
            0 => format!("( {rdata}{gap})"),
            1 => format!("({}\t; in ) here {}\t{rdata} ; x{})", self.end, self.end, self.end),
            _ => rdata,
        });
        line.push_str(rng.pick(&["", "", " ; why", "\t;", "  "]));
        self.line(&line);
    }
}
