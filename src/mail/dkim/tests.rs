//! What verifiers can use, what they cannot, and what is understood of pasted texts.

use super::*;

/// SubjectPublicKeyInfo of RSA keys that OpenSSL made, their bits in the name.
const RSA_1024: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDsR0wSFo3TBThlO9pKEJ2W9Ev0cJSlxAX79hYzSBeJ6gML+olghxvHH3dlvYhMW2EEyTIkrwNbplL4BZUnJEEX47J0RzmlelsOqgZUtpbuWxZhz8gT7K8569qT2/inQSs+/2mNBSw+sBLvUCFbpBXATj8WYsjlfbMCuiEr3/ynzwIDAQAB";
const RSA_512: &str = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMXNRhzWVehg77e3y6e17rL0IuCT98R68d6mX5SfmFFASwzRVXTqGPg9xj3wuDXjwGURSIwKus6cMCQOR4M2yXcCAwEAAQ==";
/// The same as RSAPublicKey alone.
const RSA_1024_BARE: &str = "MIGJAoGBAOxHTBIWjdMFOGU72koQnZb0S/RwlKXEBfv2FjNIF4nqAwv6iWCHG8cfd2W9iExbYQTJMiSvA1umUvgFlSckQRfjsnRHOaV6Ww6qBlS2lu5bFmHPyBPsrznr2pPb+KdBKz7/aY0FLD6wEu9QIVukFcBOPxZiyOV9swK6ISvf/KfPAgMBAAE=";
const RSA_512_BARE: &str = "MEgCQQDFzUYc1lXoYO+3t8unte6y9CLgk/fEevHepl+Un5hRQEsM0VV06hj4PcY98Lg148BlEUiMCrrOnDAkDkeDNsl3AgMBAAE=";
/// A key on P-256.
const EC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEt1spcpPUwhAw/5EN/igELW/teUaxrxDlwgpKUXj98l/dY5YTL7xgH8R3vCpUx1/7PtVonNOhXQ3yNCiDOg6ndQ==";
/// The key of RFC 8463 §A.2, and the same in SubjectPublicKeyInfo.
const ED25519: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const ED25519_WRAPPED: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
/// The beginning of a private RSA key, and of a private Ed25519 one.
const RSA_PRIVATE: &str = "MIIBPQIBAAJBAMXNRhzWVehg77e3y6e17rL0IuCT98R68d6mX5SfmFFASwzR";
const ED25519_PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEIBPTwMCdlQEOWC56Zu7oOiEOCJ1/9iEPGYpBOrSENa1h";

fn check(text: &str, expected: Result<(), Problem>) {
    assert_eq!(KeyRecord::usable(text).map(|_| ()), expected, "{text}");
}

#[test]
fn rfc6376_section_3_6_1_what_verifiers_can_use() {
    for text in [
        format!("v=DKIM1; k=rsa; p={RSA_1024}"),
        format!("v=DKIM1;k=rsa;p={RSA_1024};"),
        format!("  p = {RSA_1024} ; \r\n\tk = rsa ;  "),
        format!("p={RSA_1024_BARE}"),
        format!("v=DKIM1; k=ed25519; p={ED25519}"),
        format!("v=DKIM1; h=sha1 : sha256; s=other:email; t=y:s; n=a_note; x=; p={RSA_1024}"),
        format!("v=DKIM1; p={}", RSA_1024.replace('T', "T ")),
        format!("v=DKIM1; p={}", RSA_1024_BARE.trim_end_matches('=')),
        // Examples.
        "v=DKIM1; p=AA".to_owned(),
        "p=BB".to_owned(),
        "v=DKIM1; p=AAAA".to_owned(),
        "v=DKIM1; p=new".to_owned(),
    ] {
        check(&text, Ok(()));
    }
}

#[test]
fn rfc6376_section_3_6_1_what_they_cannot() {
    let no_tag = |part: &str| Err(Problem::NoTag(part.to_owned()));
    for (text, expected) in [
        ("", Err(Problem::Empty)),
        (" \t ", Err(Problem::Empty)),
        ("hello", no_tag("hello")),
        ("v=DKIM1; ; p=AA", no_tag("")),
        ("v=DKIM1; p=AA;;", no_tag("")),
        ("\"v=DKIM1; p=AA\"", no_tag("\"v=DKIM1")),
        ("v=DKIM1\\; p=AA", Err(Problem::UnknownVersion("DKIM1\\".to_owned()))),
        ("v=DKIM1; k=r\u{e9}; p=AA", no_tag("k=r\u{e9}")),
        ("v=DKIM1; p=AA; p=BB", Err(Problem::Twice("p".to_owned()))),
        ("p=AA; v=DKIM1", Err(Problem::VersionNotFirst)),
        ("v=dkim1; p=AA", Err(Problem::UnknownVersion("dkim1".to_owned()))),
        ("v=DKIM1 k=rsa", Err(Problem::UnknownVersion("DKIM1 k=rsa".to_owned()))),
        ("v=DKIM1; k=RSA; p=AA", Err(Problem::UnknownType("RSA".to_owned()))),
        ("v=DKIM1; k=rsa", Err(Problem::NoKey)),
        ("v=DKIM1; k=rsa; p=", Err(Problem::Revoked)),
        ("v=DKIM1; k=rsa; p= ;", Err(Problem::Revoked)),
        ("v=DKIM1; p=A", Err(Problem::NotBase64)),
        ("v=DKIM1; p=AA-_", Err(Problem::NotBase64)),
        ("v=DKIM1; p=AA==AA", Err(Problem::NotBase64)),
        ("v=DKIM1; p=MIIBIjANBg", Err(Problem::Cut { says: 294, has: 7 })),
        ("v=DKIM1; p=MII", Err(Problem::Cut { says: 3, has: 2 })),
        ("v=DKIM1; h=sha1; p=AA", Err(Problem::NoHash("sha1".to_owned()))),
        ("v=DKIM1; s=tlsrpt; p=AA", Err(Problem::NotForMail("tlsrpt".to_owned()))),
        ("v=DKIM1; k=ed25519; p=AA", Err(Problem::NotEd25519 { octets: 1, bare: None })),
    ] {
        check(text, expected);
    }
}

#[test]
fn keys_are_told_apart_by_what_they_hold() {
    let key = |text: &str| format!("v=DKIM1; p={text}");
    check(&key(&RSA_1024[..RSA_1024.len() - 4]), Err(Problem::Cut { says: 162, has: 159 }));
    check(&key(&format!("{RSA_1024}AAAA")), Err(Problem::GoesOn { says: 162, has: 165 }));
    check(&key(RSA_512), Err(Problem::Weak { bits: 512 }));
    check(&key(RSA_512_BARE), Err(Problem::Weak { bits: 512 }));
    check(&key(EC), Err(Problem::NotRsa { ed25519: None }));
    check(&key("MAA="), Err(Problem::NotRsa { ed25519: None }));
    let ed25519 = || Err(Problem::NotRsa { ed25519: Some(ED25519.to_owned()) });
    check(&key(ED25519), ed25519());
    check(&format!("v=DKIM1; k=rsa; p={ED25519}"), ed25519());
    check(&key(&ED25519[..40]), Err(Problem::NotRsa { ed25519: None }));
    check(&key("BASE64"), Err(Problem::NotRsa { ed25519: None }));
    check(&key(ED25519_WRAPPED), Err(Problem::NotRsa { ed25519: Some(ED25519.to_owned()) }));
    check(&key(RSA_PRIVATE), Err(Problem::Private));
    // Octets that begin like DER by chance, and a key that is cut off there.
    let chance = format!("MB{}", &ED25519[2..]);
    check(&key(&chance), Err(Problem::NotRsa { ed25519: Some(chance.clone()) }));
    check(&key(&format!("{}=", &RSA_1024[..43])), Err(Problem::Cut { says: 162, has: 32 }));
    let key = |text: &str| format!("v=DKIM1; k=ed25519; p={text}");
    let bare = Some(ED25519.to_owned());
    check(&key(ED25519_WRAPPED), Err(Problem::NotEd25519 { octets: 44, bare }));
    check(&key(RSA_1024), Err(Problem::NotEd25519 { octets: 162, bare: None }));
    check(&key(ED25519_PRIVATE), Err(Problem::Private));
    check(&key(&ED25519[..40]), Err(Problem::NotEd25519 { octets: 30, bare: None }));
}

#[test]
fn a_key_is_revoked_or_not() {
    let revoked = |text| KeyRecord::parse(text).map(|record| record.is_revoked());
    assert_eq!(revoked("v=DKIM1; p="), Ok(true));
    assert_eq!(revoked("v=DKIM1; p=AA"), Ok(false));
    // What is wrong otherwise is so of a revoked one too.
    assert_eq!(revoked("v=DKIM2; p="), Err(Problem::UnknownVersion("DKIM2".to_owned())));
}

#[test]
fn records_are_equal_whatever_their_spelling() {
    let read = |text: &str| KeyRecord::parse(text).expect("a key");
    assert_eq!(read("v=DKIM1; k=rsa; p=AAAA"), read("p=AA AA; n=note"));
    assert_ne!(read("p=AAAA"), read("p=AAAB"));
    assert_ne!(read("p=AAAA"), read("p=AAAA; t=s"));
}

#[test]
fn live_records_are_read_from_their_strings_joined() {
    let txt = Rdata::parse(cutover_zone::RrType::TXT, "\"v=DKIM1; p=AA\" \"AA\"", None);
    let joined = KeyRecord::of_rdata(&txt.expect("a TXT record"));
    assert_eq!(joined, Some(KeyRecord::parse("v=DKIM1; p=AAAA")));
    let octets = KeyRecord::of_rdata(&Rdata::txt(b"v=DKIM1; p=A\xff"));
    assert_eq!(octets, Some(Err(Problem::NoTag("p=A\u{fffd}".to_owned()))));
    assert_eq!(KeyRecord::of_rdata(&Rdata::a([192, 0, 2, 1].into())), None);
}

#[test]
fn pasted_texts_are_understood() {
    for (pasted, owner, text) in [
        ("v=DKIM1; p=AA", None, "v=DKIM1; p=AA"),
        ("\"v=DKIM1; p=AA\"", None, "v=DKIM1; p=AA"),
        ("\"v=DKIM1; p=AA\" \"BB\"", None, "v=DKIM1; p=AABB"),
        ("\"v=DKIM1; p=AA\"\"BB\"", None, "v=DKIM1; p=AABB"),
        ("\u{201c}v=DKIM1; p=AA\u{201d}", None, "v=DKIM1; p=AA"),
        ("v=DKIM1\\; p=AA", None, "v=DKIM1; p=AA"),
        ("\"v=DKIM1\\; p=AA\"", None, "v=DKIM1; p=AA"),
        ("\"v=DKIM1\\059 p=AA\"", None, "v=DKIM1; p=AA"),
        ("( \"v=DKIM1; \"\n  \"p=AA\" )", None, "v=DKIM1; p=AA"),
        ("(v=DKIM1;\n  p=AA\n  BB)", None, "v=DKIM1; p=AABB"),
        ("v=DKIM1;\n  k=rsa;\n  p=AA\n  BB\n", None, "v=DKIM1; k=rsa; p=AABB"),
        ("v=DKIM1; p=A A\tA A", None, "v=DKIM1; p=AAAA"),
        (
            "s1._domainkey\tIN\tTXT\t( \"v=DKIM1; h=sha256; \"\n\t \"p=AA\" ) ; ----- DKIM key s1 for acme.test",
            Some("s1._domainkey"),
            "v=DKIM1; h=sha256; p=AA",
        ),
        (
            "s1._domainkey.acme.test. 3600 IN TXT \"v=DKIM1; p=AA\"",
            Some("s1._domainkey.acme.test."),
            "v=DKIM1; p=AA",
        ),
        ("IN TXT v=DKIM1; p=AA", None, "v=DKIM1; p=AA"),
        ("TXT \"v=DKIM1; p=AA\"", None, "v=DKIM1; p=AA"),
        ("hello", None, "hello"),
    ] {
        let read = paste::read(pasted).map(|read| (read.owner, read.text));
        assert_eq!(read, Ok((owner.map(str::to_owned), text.to_owned())), "{pasted}");
    }
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for (pasted, problem) in [
        ("\"v=DKIM1; p=AA", Problem::Quotes),
        ("v=DKIM1; p=\"AA\"", Problem::Quotes),
        ("\"v=DKIM1; p=AA\" BB", Problem::Quotes),
        ("\"v=DKIM1; \" ; comment \"p=AA\"", Problem::Quotes),
        ("\"v=DKIM1\\999 p=AA\"", Problem::Quotes),
        ("-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----", Problem::Pem),
        ("-----BEGIN RSA PRIVATE KEY-----\nAA", Problem::Private),
        ("v=DKIM1; p=-----BEGIN PRIVATE KEY-----AA", Problem::Private),
    ] {
        assert_eq!(paste::read(pasted), Err(problem), "{pasted}");
    }
}

#[test]
fn any_text_is_read_in_one_go() {
    for piece in ["\"", "\\", "(", ";", "=", "p=", "v=DKIM1;", "0\u{82}", "\u{e9}", " TXT "] {
        let long = piece.repeat(100_000);
        let _ = paste::read(&long);
        assert!(KeyRecord::parse(&long).is_err(), "{piece}");
    }
    // No octets make the reading of a key fail otherwise.
    for cut in 0..RSA_1024_BARE.len() {
        for octet in ["A", "/", "g"] {
            let text = format!("p={}{octet}{}", &RSA_1024_BARE[..cut], &RSA_1024_BARE[cut..]);
            let _ = KeyRecord::parse(&text);
        }
    }
}
