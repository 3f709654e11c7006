//! Messages and signatures that no real server can be made to send.

use cutover_contract::Secret;
use cutover_zone::{Name, RrKey, RrType, Ttl};
use hickory_proto::rr::rdata::tsig::{TSIG, TsigAlgorithm};
use hickory_proto::rr::{Name as HickoryName, TSigner};
use hickory_proto::serialize::binary::BinEncoder;

use super::answer::Answer;
use super::tsig::{Complaint, ExchangeProblem, Key, SignatureError, Verifier, now_secs};
use super::{Edit, Prerequisite, Request, Update};
use crate::limits::UNSIGNED_MAX;

fn name(text: &str) -> Name {
    Name::from_user(text).expect("a name")
}

fn key() -> Key {
    let key = Key::new(name("k.test"), "hmac-sha256", &Secret::new("c2VjcmV0"));
    key.unwrap_or_else(|error| panic!("{error}"))
}

/// The server's side of an exchange, with everything it sent since its last signature.
struct Signer {
    signer: TSigner,
    previous: Vec<u8>,
    pending: Vec<u8>,
    first: bool,
}

/// What a server does to a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Signed,
    Unsigned,
    /// Signed, and modified afterwards.
    Tampered,
    /// Signed this many seconds from now.
    Apart(i64),
    /// With this TSIG error and no MAC.
    Complaint(u16),
}

impl Signer {
    /// A signer with the key and the MAC of the request.
    fn after(request: &[u8]) -> Self {
        let owner = HickoryName::from_ascii("k.test.").expect("a name");
        let signer = TSigner::new(b"secret".to_vec(), TsigAlgorithm::HmacSha256, owner, 300);
        // The MAC precedes the identifier, the error and the empty other data.
        let previous = request[request.len() - 38..request.len() - 6].to_vec();
        Self { signer: signer.expect("a signer"), previous, pending: Vec::new(), first: true }
    }

    fn message(&mut self, how: How) -> Answer {
        // An answer to a query with an A record, uncompressed.
        let mut message = vec![0, 7, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        message.extend(b"\x01a\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01");
        if how == How::Unsigned {
            self.pending.extend(&message);
            return Answer::parse(message).expect("a message");
        }
        let apart = match how {
            How::Apart(secs) => secs,
            How::Signed | How::Unsigned | How::Tampered | How::Complaint(_) => 0,
        };
        let error = match how {
            How::Complaint(code) => Some(code.into()),
            How::Signed | How::Unsigned | How::Tampered | How::Apart(_) => None,
        };
        let time = now_secs().checked_add_signed(apart).expect("a time");
        let tsig =
            TSIG::new(TsigAlgorithm::HmacSha256, time, 300, Vec::new(), 7, error, Vec::new());
        let mut digested = 32_u16.to_be_bytes().to_vec();
        digested.extend(&self.previous);
        digested.extend(std::mem::take(&mut self.pending));
        digested.extend(&message);
        match self.first {
            true => {
                let mut variables = Vec::new();
                tsig.emit_tsig_for_mac(
                    &mut BinEncoder::new(&mut variables),
                    self.signer.signer_name(),
                )
                .expect("variables");
                digested.extend(variables);
            }
            false => {
                digested.extend(&time.to_be_bytes()[2..]);
                digested.extend([1, 44]);
            }
        }
        let mac = match error {
            None => self.signer.sign(&digested).expect("a MAC"),
            Some(_) => Vec::new(),
        };
        self.previous.clone_from(&mac);
        self.first = false;
        message[11] = 1;
        message.extend(b"\x01k\x04test\x00\x00\xfa\x00\xff\x00\x00\x00\x00");
        let mut rdata = b"\x0bhmac-sha256\x00".to_vec();
        rdata.extend(&time.to_be_bytes()[2..]);
        rdata.extend([1, 44]);
        rdata.extend(u16::try_from(mac.len()).expect("a length").to_be_bytes());
        rdata.extend(&mac);
        rdata.extend([0, 7]);
        rdata.extend(error.map_or(0, u16::from).to_be_bytes());
        rdata.extend([0, 0]);
        message.extend(u16::try_from(rdata.len()).expect("a length").to_be_bytes());
        message.extend(rdata);
        if how == How::Tampered {
            message[28] ^= 1;
        }
        Answer::parse(message).expect("a message")
    }
}

/// Sends messages to a verifier; returns the error of the first refused message, or of the end.
fn check(messages: &[How]) -> Result<(), SignatureError> {
    let mut request = Request::Transfer(name("acme.test")).encode(7);
    let mut verifier: Verifier = key().sign(&mut request);
    let mut signer = Signer::after(&request);
    for how in messages {
        match verifier.check(&signer.message(*how)) {
            Ok(()) => {}
            Err(ExchangeProblem::Signature(error)) => return Err(error),
            Err(ExchangeProblem::Malformed(malformed)) => panic!("{malformed}"),
        }
    }
    verifier.finish()
}

#[test]
fn rfc8945_section_5_3_1_gaps_in_a_signed_transfer() {
    use How::{Signed, Tampered, Unsigned};
    let gap = |count: usize| [vec![Signed], vec![Unsigned; count], vec![Signed]].concat();
    for (messages, expected) in [
        (vec![Signed], Ok(())),
        (vec![Signed, Signed, Signed], Ok(())),
        (vec![Signed, Unsigned, Unsigned, Signed, Unsigned, Signed], Ok(())),
        (gap(UNSIGNED_MAX), Ok(())),
        (gap(UNSIGNED_MAX + 1), Err(SignatureError::Gap)),
        (vec![Signed, Unsigned], Err(SignatureError::Gap)),
        (vec![], Err(SignatureError::Gap)),
        (vec![Tampered], Err(SignatureError::Wrong)),
        (vec![Signed, Tampered], Err(SignatureError::Wrong)),
    ] {
        assert_eq!(check(&messages), expected, "{} messages", messages.len());
    }
    assert!(matches!(check(&[Unsigned]), Err(SignatureError::Unsigned(_))));
}

#[test]
fn a_signature_from_another_time() {
    for (apart, is_taken) in [(-290, true), (290, true), (-310, false), (310, false)] {
        let result = check(&[How::Apart(apart)]);
        match is_taken {
            true => assert_eq!(result, Ok(())),
            false => assert!(matches!(result, Err(SignatureError::Stale { .. })), "{result:?}"),
        }
    }
}

#[test]
fn rfc8945_section_5_3_2_complaints() {
    let name = name("k.test");
    for (code, complaint) in [
        (16, Complaint::Signature(name.clone())),
        (17, Complaint::Key(name.clone())),
        (18, Complaint::Time(None)),
        (22, Complaint::Other(22)),
        (99, Complaint::Other(99)),
    ] {
        let result = check(&[How::Complaint(code)]);
        assert_eq!(result, Err(SignatureError::NotAccepted(complaint)));
    }
}

#[test]
fn rfc2136_messages_are_written_octet_by_octet() {
    let mx = RrKey::new(name("acme.test"), RrType::MX);
    let update = Request::Update(Update {
        zone: name("acme.test"),
        prerequisites: vec![
            Prerequisite::Exactly(mx.clone(), vec![b"\x00\x0a\x00".to_vec()]),
            Prerequisite::Absent(RrKey::new(name("n.acme.test"), RrType::A)),
        ],
        edits: vec![
            Edit::DeleteRrSet(mx.clone()),
            Edit::DeleteRecord(mx.clone(), b"\x00\x0a\x00".to_vec()),
            Edit::Add(mx, Ttl::from_secs(258).expect("a TTL"), b"\x00\x00\x00".to_vec()),
        ],
    });
    let expected: &[&[u8]] = &[
        b"\x01\x02\x28\x00\x00\x01\x00\x02\x00\x03\x00\x00",
        b"\x04acme\x04test\x00\x00\x06\x00\x01",
        // RFC 2136 §2.4.2 and §2.4.3: class IN and NONE, TTL 0.
        b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x00\x00\x03\x00\x0a\x00",
        b"\x01n\xc0\x0c\x00\x01\x00\xfe\x00\x00\x00\x00\x00\x00",
        // RFC 2136 §2.5.2, §2.5.4 and §2.5.1: class ANY, NONE and IN.
        b"\xc0\x0c\x00\x0f\x00\xff\x00\x00\x00\x00\x00\x00",
        b"\xc0\x0c\x00\x0f\x00\xfe\x00\x00\x00\x00\x00\x03\x00\x0a\x00",
        b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x01\x02\x00\x03\x00\x00\x00",
    ];
    assert_eq!(update.encode(0x0102), expected.concat());
}

/// Reads everything in a message that can be read.
fn read_all(octets: &[u8]) -> Option<usize> {
    let answer = Answer::parse(octets.to_vec()).ok()?;
    let mut rdata = Vec::new();
    for record in answer.records() {
        let _ = answer.owner(record);
        let _ = answer.rdata(record, &mut rdata);
    }
    let request = Request::Query(RrKey::new(name("a"), RrType::A));
    let _ = answer.check_answers(&request);
    let mut signed = request.encode(7);
    let _ = key().sign(&mut signed).check(&answer);
    Some(answer.records().len())
}

#[test]
fn a_damaged_message_is_never_a_panic() {
    let mut message = vec![0, 7, 0x84, 0, 0, 1, 0, 3, 0, 0, 0, 1];
    message.extend(b"\x01a\x04test\x00\x00\x0f\x00\x01");
    message.extend(b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x07\x00\x0a\x02mx\xc0\x0e");
    message.extend(
        b"\xc0\x0c\x00\x23\x00\x01\x00\x00\x00\x3c\x00\x0b\x00\x01\x00\x02\x01u\x00\x01x\xc0\x0e",
    );
    message.extend(b"\xc0\x2e\x00\x06\x00\x01\x00\x00\x00\x3c\x00\x16\xc0\x0c\x00");
    message.extend([0; 19]);
    let mut signer = Signer::after(&[0; 60]);
    let signed = signer.message(How::Signed).octets().to_vec();
    message.extend(&signed[29..]);
    assert_eq!(read_all(&message), Some(3), "the message itself is well-formed");
    assert_eq!(read_all(&signed), Some(1));
    for whole in [&message, &signed] {
        for length in 0..whole.len() {
            assert_eq!(read_all(&whole[..length]), None, "{length}");
        }
        for at in 0..whole.len() {
            for octet in 0..=255 {
                let mut damaged = whole.clone();
                damaged[at] = octet;
                let _ = read_all(&damaged);
            }
        }
    }
}

#[test]
fn invalid_names_are_refused() {
    let with = |owner: &[u8]| {
        let head: &[u8] = &[0, 7, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let tail: &[u8] = b"\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";
        let answer = Answer::parse([head, owner, tail].concat()).ok()?;
        answer.owner(&answer.records()[0]).ok().map(|name| name.to_string())
    };
    assert_eq!(with(b"\x01A\x00").as_deref(), Some("a."));
    // A pointer to itself, forwards, in a circle or into the header, and unknown forms.
    for owner in [&b"\xc0\x0c"[..], b"\xc0\x0e", b"\x01a\xc0\x0c", b"\xff\xff", b"\x41a", b"\x80"] {
        assert_eq!(with(owner), None, "{owner:?}");
    }
    let long = [[&[63][..], &[b'a'; 63]].concat().repeat(4), vec![0]].concat();
    assert_eq!(with(&long), None, "more than 255 octets");
}
