//! Every bit of an artifact, of an approval and of its signature is flipped in turn, and each is refused.

use std::collections::BTreeMap;
use std::path::Path;

use cutover::artifact::Artifact;
use cutover_approval::{AllowedSigners, Approval, Kept, Question, Standing, Timestamp};

use super::signers::{KINDS, NAMESPACE, SecurityKey, Signers, TOUCHED};
use crate::zonefile_fixture::ZonefileFixture;

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn now() -> Timestamp {
    at("2026-11-30T09:00:00Z")
}

/// An approval of an artifact.
fn text(artifact: &str) -> String {
    let approval = Approval::new(artifact, "a person", now(), at("2026-12-01T09:00:00Z"));
    approval.expect("an approval").encode()
}

fn digest() -> String {
    format!("sha256:{}", "0f".repeat(32))
}

/// Why one signature does not count; `None` if it does.
fn flaw(signers: &AllowedSigners, artifact: &str, text: &str, signature: &str) -> Option<String> {
    let kept = Kept {
        file: "one.sig".to_owned(),
        text: Some(text.to_owned()),
        signature: signature.to_owned(),
    };
    let question = Question {
        artifact,
        signers: Some(signers),
        named: &[],
        lasts_max: None,
        now: now(),
        not_before: None,
    };
    let standing = Standing::of(&[kept], &question, 1);
    let flaw = standing.checked[0].outcome.as_ref().err().map(ToString::to_string);
    assert_eq!(flaw.is_none(), standing.missing() == 0);
    flaw
}

/// Calls `check` with every text that differs in one bit, and counts its answers.
fn each_flip(text: &str, mut check: impl FnMut(&str) -> String) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    let mut octets = text.as_bytes().to_vec();
    for place in 0..octets.len() {
        for bit in 0..8 {
            octets[place] ^= 1 << bit;
            let reason = match std::str::from_utf8(&octets) {
                Ok(flipped) => check(flipped),
                Err(_) => "it is not text".to_owned(),
            };
            octets[place] ^= 1 << bit;
            *reasons.entry(reason).or_insert(0) += 1;
        }
    }
    assert_eq!(reasons.values().sum::<usize>(), text.len() * 8);
    reasons
}

#[test]
fn no_bit_of_an_artifact_can_be_changed() {
    let fixture = ZonefileFixture::planned();
    let text = fixture.read("plan.json");
    let artifact = Artifact::decode(&text).expect("an artifact");
    let reasons = each_flip(&text, |flipped| match Artifact::decode(flipped) {
        Ok(other) => panic!("{} is taken for {}", other.digest(), artifact.digest()),
        Err(error) => {
            let words = error.to_string();
            words.split([':', ',', '`']).next().unwrap_or_default().to_owned()
        }
    });
    let known = ["it is not an artifact", "its digest is sha256", "its format is "];
    for reason in known {
        assert!(reasons.contains_key(reason), "{reason} is not among {reasons:?}");
    }
}

#[test]
fn no_bit_of_an_approval_or_its_signature_can_be_changed() {
    let signers = Signers::new(&[]);
    let (digest, text) = (digest(), text(&digest()));
    let mut signed = Vec::new();
    for (name, device) in SecurityKey::all() {
        device.save(&signers.path(&format!("{name}.pub")));
        signed.push((name, device.sign(&text, TOUCHED)));
    }
    for kind in KINDS {
        signers.make(kind, kind, "");
        signed.push((kind, signers.sign(kind, NAMESPACE, &text)));
    }
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let allowed = std::fs::read_to_string(signers.allow(&names)).expect("the file");
    let allowed = AllowedSigners::read(&allowed, &chrono::Utc).expect("signers");
    for (name, signature) in &signed {
        assert_eq!(flaw(&allowed, &digest, &text, signature), None, "{name}");
        let refused = |text: &str, signature: &str| {
            let flaw = flaw(&allowed, &digest, text, signature);
            flaw.unwrap_or_else(|| panic!("{name} counts:\n{text}{signature}"))
        };
        let reasons = each_flip(&text, |text| refused(text, signature));
        let of_text = ["it is not text", "it does not fit the text: one of them was changed"];
        assert!(reasons.keys().map(String::as_str).eq(sorted(of_text)), "{name}: {reasons:?}");
        let reasons = each_flip(signature, |sig| refused(&text, sig));
        for reason in
            ["it is not an OpenSSH signature", "it does not fit the text: one of them was changed"]
        {
            assert!(reasons.contains_key(reason), "{name}: {reason} is not among {reasons:?}");
        }
        let of_namespace = reasons.keys().any(|reason| reason.starts_with("it was made for `"));
        assert!(of_namespace, "{name}: {reasons:?}");
    }
}

fn sorted<const N: usize>(mut words: [&str; N]) -> [&str; N] {
    words.sort_unstable();
    words
}

#[test]
fn ssh_keygen_and_cutover_accept_each_others_signatures() {
    let signers = Signers::new(KINDS);
    let devices = SecurityKey::all();
    for (name, device) in &devices {
        device.save(&signers.path(&format!("{name}.pub")));
    }
    let names: Vec<&str> =
        devices.iter().map(|(name, _)| *name).chain(KINDS.iter().copied()).collect();
    let allowed = signers.allow(&names);
    let allowed = std::fs::read_to_string(allowed).expect("the file");
    let allowed = AllowedSigners::read(&allowed, &chrono::Utc).expect("signers");
    let (digest, text) = (digest(), text(&digest()));
    for name in KINDS {
        let theirs = signers.sign(name, NAMESPACE, &text);
        assert_eq!(flaw(&allowed, &digest, &text, &theirs), None, "{name}");
        let key = std::fs::read_to_string(signers.key(name)).expect("a key");
        let key = cutover_approval::SigningKey::read(&key).expect("a key");
        match cutover_approval::sign(&key, &text) {
            Ok(ours) => {
                let (code, said) = signers.verify(name, ours.encode(), &text);
                assert!(code == 0 && said.starts_with("Good"), "{name}: {said}");
                assert_eq!(flaw(&allowed, &digest, &text, ours.encode()), None, "{name}");
                let (code, _) = signers.verify(name, ours.encode(), &format!("{text} "));
                assert_ne!(code, 0, "{name}");
            }
            Err(error) => {
                assert_eq!(*name, "rsa-2048");
                assert!(error.to_string().contains("`ssh-rsa`"), "{error}");
            }
        }
    }
    // OpenSSH judges the security keys of the tests.
    for (name, device) in &devices {
        let signature = device.sign(&text, TOUCHED);
        let (code, said) = signers.verify(name, &signature, &text);
        assert!(code == 0 && said.starts_with("Good"), "{name}: {said}");
        assert_eq!(flaw(&allowed, &digest, &text, &signature), None, "{name}");
    }
}

/// Signatures that OpenSSH 9.2 has made with FIDO keys, of the authenticator that its own tests use
/// (`regress/misc/sk-dummy`), and that its `ssh-keygen -Y verify` accepts.
#[test]
fn signatures_of_fido_keys_that_openssh_has_made_count() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/approvals");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("a fixture");
    let allowed = AllowedSigners::read(&read("allowed_signers"), &chrono::Utc).expect("signers");
    let recorded = read("text");
    assert_eq!(recorded, text(&digest()));
    for name in ["ed25519-sk.sig", "ecdsa-sk.sig"] {
        let signature = read(name);
        assert_eq!(flaw(&allowed, &digest(), &recorded, &signature), None, "{name}");
        for is_text in [true, false] {
            let of = if is_text { &recorded } else { &signature };
            each_flip(of, |flipped| {
                let pair = if is_text { (flipped, &*signature) } else { (&*recorded, flipped) };
                let flaw = flaw(&allowed, &digest(), pair.0, pair.1);
                flaw.unwrap_or_else(|| panic!("{name} counts:\n{}{}", pair.0, pair.1))
            });
        }
        let other = digest().replacen("0f", "f0", 1);
        let found = flaw(&allowed, &other, &recorded, &signature).expect("another artifact");
        assert!(found.contains("another artifact"), "{found}");
    }
}

#[test]
fn each_kind_of_forgery_has_its_reason() {
    let signers = Signers::new(&["alice", "mallory", "weak.rsa-1024"]);
    let [(_, device), _] = SecurityKey::all();
    device.save(&signers.path("device.pub"));
    let text = text(&digest());
    let of = |name: &str| signers.sign(name, NAMESPACE, &text);
    let allow = |front: &str, name: &str| {
        let text = format!("{front} {}\n", signers.public(name));
        AllowedSigners::read(&text, &chrono::Utc).expect("a line")
    };
    let alice = allow("alice", "alice");
    let cases = [
        (&alice, text.clone(), of("alice"), ""),
        (&alice, text.clone(), of("mallory"), "its key is not among the allowed signers"),
        (
            &alice,
            text.clone(),
            signers.sign("alice", "git", &text),
            "it was made for `git`, not for `cutover-approval@v1`",
        ),
        (
            &allow("alice namespaces=\"git\"", "alice"),
            text.clone(),
            of("alice"),
            "the allowed signers have its key for `git` only, not for `cutover-approval@v1`",
        ),
        (
            &allow("alice valid-before=\"20261130Z\"", "alice"),
            text.clone(),
            of("alice"),
            "its key counted only before 2026-11-30 00:00:00 UTC",
        ),
        (
            &allow("weak", "weak.rsa-1024"),
            text.clone(),
            of("weak.rsa-1024"),
            "its RSA key has 1024 bits, and 2048 is the least",
        ),
        (
            &allow("device", "device"),
            text.clone(),
            device.sign(&text, 0),
            "nobody touched the security key when it signed",
        ),
        (&allow("device", "device"), text.clone(), device.sign(&text, TOUCHED), ""),
        (&alice, text.clone(), of("alice").replace('\n', "\r\n"), "it is not an OpenSSH signature"),
        (&alice, text.clone(), of("alice") + "\n", "it is not an OpenSSH signature"),
    ];
    for (allowed, text, signature, expected) in cases {
        let found = flaw(allowed, &digest(), &text, &signature).unwrap_or_default();
        assert_eq!(found, expected, "{signature}");
    }
    // Signed by the right person, but saying something else.
    let other = digest().replacen("0f", "f0", 1);
    let said = |artifact: &str, signed: &str, expires: &str| {
        Approval::new(artifact, "alice", at(signed), at(expires)).expect("an approval").encode()
    };
    let free = format!("approve {}\n", digest());
    for (text, expected) in [
        (said(&other, "2026-11-30T09:00:00Z", "2026-12-30T09:00:00Z"), "another artifact"),
        (said(&digest(), "2026-11-30T08:00:00Z", "2026-11-30T09:00:00Z"), "it expired at"),
        (said(&digest(), "2026-11-30T08:00:00Z", "2026-11-30T09:00:01Z"), ""),
        (said(&digest(), "2026-11-30T09:05:01Z", "2026-12-30T09:00:00Z"), "in the future"),
        (said(&digest(), "2026-11-30T09:05:00Z", "2026-12-30T09:00:00Z"), ""),
        (free, "is not an approval: its first line is not `cutover/approval/1`"),
    ] {
        let signature = signers.sign("alice", NAMESPACE, &text);
        let found = flaw(&alice, &digest(), &text, &signature).unwrap_or_default();
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{found}");
    }
}
