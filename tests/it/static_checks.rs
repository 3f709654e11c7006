//! Texts and records that are wrong by themselves: accepted if the meaning is clear, and refused
//! otherwise, with their place and a help.

use cutover::diag::Source;
use cutover::intent::{self, Intent};
use cutover_zone::Rdata;
use insta::assert_snapshot;

use crate::language::findings;
use crate::registry::language;

const HEAD: &str = "version: 1\nname: m\nresolver: none\n\
                    providers: { files: { type: zonefile, directory: . } }\n\
                    zones: { acme.test: { provider: files }, host.test: { provider: files } }\n";

fn source(body: &str) -> Source {
    Source::new("plan.yaml", format!("{HEAD}{body}"))
}

/// The titles and helps of the refusals of a plan with this body.
fn refused(body: &str) -> String {
    let found = findings(&source(body));
    let lines = found.iter().map(|found| {
        assert!(!found.span.is_empty(), "{found:?}");
        format!("{:?}: {}\n  {}", found.code, found.title, found.help)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn intent(body: &str) -> Intent {
    let source = source(body);
    let spec =
        cutover::language::parse(&source, language()).unwrap_or_else(|found| panic!("{found:?}"));
    intent::resolve(spec).unwrap_or_else(|found| panic!("{found:?}"))
}

/// A move to a host whose sender has these keys.
fn sender(keys: &str) -> String {
    format!(
        "hosts:
  own: {{ exchanges: [ {{ preference: 10, name: mail.acme.test. }} ] }}
  host:
    exchanges: [ {{ preference: 10, name: mx1.host.test. }} ]
    senders: [ {{ name: people, {keys} }} ]
migrate: {{ domains: [ acme.test ], from: own, to: host }}
"
    )
}

fn dkim(txt: &str) -> String {
    sender("KEYS").replace(
        "[ { name: people, KEYS } ]",
        &format!("\n      - name: people\n        dkim:\n          - selector: k1\n            txt: {txt}"),
    )
}

/// The text that is published for a key in this notation.
fn published(txt: &str) -> String {
    let intent = intent(&dkim(txt));
    let selector = &intent.moves[0].to.senders[0].selectors[0];
    let text = selector.publish.as_ref().and_then(Rdata::txt_joined).expect("a TXT record");
    String::from_utf8(text.into_owned()).expect("UTF-8")
}

fn records(list: &str) -> String {
    format!("records: [ {list} ]\n")
}

/// As [`refused`], for a record at `sub`.
fn record(rtype: &str, to: &str) -> String {
    refused(&records(&format!("{{ zone: acme.test, name: sub, type: {rtype}, to: [ {to} ] }}")))
}

const FRONT: &str =
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDsR0wSFo3TBThlO9pKEJ2W9Ev0cJSlxAX79hYzSBeJ6gML";
const BACK: &str = "+olghxvHH3dlvYhMW2EEyTIkrwNbplL4BZUnJEEX47J0RzmlelsOqgZUtpbuWxZhz8gT7K8569qT2/inQSs+/2mNBSw+sBLvUCFbpBXATj8WYsjlfbMCuiEr3/ynzwIDAQAB";

#[test]
fn dkim_text_pasted() {
    let key = format!("v=DKIM1; k=rsa; p={FRONT}{BACK}");
    for txt in [
        format!("'{key}'"),
        format!("'\"{key}\"'"),
        format!("'\"v=DKIM1; k=rsa; p={FRONT}\" \"{BACK}\"'"),
        format!("'v=DKIM1\\; k=rsa\\; p={FRONT}{BACK}'"),
        format!(
            "'( \"v=DKIM1; k=rsa; \"\n              \"p={FRONT}\"\n              \"{BACK}\" )'"
        ),
        format!(
            "|\n              v=DKIM1;\n              k=rsa;\n              p={FRONT}\n              {BACK}"
        ),
        format!(
            "'k1._domainkey IN TXT ( \"v=DKIM1; k=rsa; \" \"p={FRONT}\" \"{BACK}\" ) ; ----- DKIM key k1 for acme.test'"
        ),
        format!("'K1._domainkey.acme.test. 3600 IN TXT \"v=DKIM1; k=rsa; p={FRONT}{BACK}\"'"),
    ] {
        assert_eq!(published(&txt), key, "{txt}");
    }
    assert_snapshot!(refused(&dkim(&format!("'k2._domainkey IN TXT \"v=DKIM1; k=rsa; p={FRONT}{BACK}\"'"))), @"
    bad-dkim-key: this key belongs to `k2._domainkey`, but the selector is `k1`
      write the selector that the host signs with, and its key
    ");
    assert_snapshot!(refused(&dkim("'v=DKIM1; p=\"AAAA\"'")), @r#"
    bad-dkim-key: the quotes of the DKIM key do not enclose its strings
      write the text without quotes, or each string in its own pair: '"v=DKIM1; k=rsa; " "p=BASE64"'
    "#);
}

#[test]
fn dkim_text_revoked() {
    assert_snapshot!(refused(&dkim("'v=DKIM1; k=rsa; p='")), @"
    bad-dkim-key: the DKIM key is revoked: its `p=` is empty
      write the key that the host signs with: `p=BASE64`
    ");
    // As a record it is valid: a revocation.
    let key = |name: &str, to: &str| {
        refused(&records(&format!("{{ zone: acme.test, name: {name}, type: TXT, to: [ {to} ] }}")))
    };
    assert_snapshot!(key("old._domainkey", "'\"v=DKIM1; p=\"'"), @"");
    assert_snapshot!(key("'*._domainkey'", "'\"v=DKIM1; p=\"'"), @"");
    assert_snapshot!(key("old._domainkey", "'\"hello\"'"), @"
    bad-dkim-key: `hello` is not a part of a DKIM key
      separate tags with `;`, as the host shows them: `v=DKIM1; k=rsa; p=BASE64`
    ");
    assert_snapshot!(key("a.b._domainkey.lists", "'\"v=DKIM1; p=A\"'"), @"
    bad-dkim-key: the `p=` of the DKIM key is not base64
      copy the whole record from the host: `v=DKIM1; k=rsa; p=BASE64`
    ");
    assert_snapshot!(key("old._domainkey", "'\"p=AAAA\"', '\"p=BBBB\"'"), @"
    bad-dkim-key: there are two TXT records at the DKIM selector old._domainkey.acme.test.
      keep one: a second key needs its own selector
    ");
    // Policies and other texts are not keys.
    assert_snapshot!(key("_adsp._domainkey", "'\"dkim=all\"'"), @"");
    assert_snapshot!(key("_domainkey", "'\"o=~\"'"), @"");
}

#[test]
fn dkim_texts_that_no_verifier_could_use() {
    for txt in [
        "hello",
        "'v=DKIM1; k=rsa'",
        "'v=DKIM2; p=AAAA'",
        "'p=AAAA; v=DKIM1'",
        "'v=DKIM1; k=dsa; p=AAAA'",
        "'v=DKIM1; p=AA!!'",
        "'v=DKIM1; p=MIIBIjANBg'",
        "'v=DKIM1; k=ed25519; p=AAAA'",
        "'v=DKIM1; s=tlsrpt; p=AAAA'",
        "'v=DKIM1; h=sha1; p=AAAA'",
        "'-----BEGIN PUBLIC KEY----- AAAA -----END PUBLIC KEY-----'",
    ] {
        let found = refused(&dkim(txt));
        assert!(found.starts_with("bad-dkim-key: ") && !found.contains("\nbad-"), "{txt}: {found}");
    }
    assert_snapshot!(refused(&dkim("' '")), @"
    bad-value: this text is empty
      write text that is not empty
    ");
    for txt in ["v=DKIM1; p=AA", "v=DKIM1; p=BB", "v=DKIM1; p=AAAA", "v=DKIM1; p=new"] {
        assert_eq!(published(&format!("'{txt}'")), txt);
    }
}

#[test]
fn a_private_key_instead_of_a_public_one_is_not_shown() {
    let secret = "MIIBPQIBAAJBAMXNRhzWVehg77e3y6e17rL0IuCT98R68d6mX5SfmFFASwzR";
    for txt in [
        format!("'v=DKIM1; k=rsa; p={secret}'"),
        format!(
            "|\n              -----BEGIN RSA PRIVATE KEY-----\n              {secret}\n              -----END RSA PRIVATE KEY-----"
        ),
    ] {
        let source = source(&dkim(&txt));
        let shown = cutover::diag::render_all(&findings(&source), &source, false);
        assert!(shown.contains("this is a private key"), "{shown}");
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn spf_terms_of_senders_are_terms() {
    let spf = |terms: &str| refused(&sender(&format!("spf: '{terms}'")));
    assert_snapshot!(spf("mx ip4:192.0.2.10~all"), @"
    spf-terms: `ip4:192.0.2.10~all` is not an SPF term
      did you mean `ip4:192.0.2.10 ~all`?
    ");
    assert_snapshot!(spf("mx,a ipv4:192.0.2.10"), @"
    spf-terms: `mx,a` is not an SPF term
      did you mean `mx a`?
    spf-terms: `ipv4:192.0.2.10` is not an SPF term
      did you mean `ip4:192.0.2.10`?
    ");
    assert_snapshot!(spf("ip4=192.0.2.10"), @"
    spf-terms: `ip4=192.0.2.10` authorises nobody
      write `ip4:192.0.2.10`
    ");
    assert_snapshot!(spf("include:_spf.{domain}"), @"
    spf-terms: `{domain}` is not filled in: `include:_spf.{domain}`
      write the full name
    ");
    assert_snapshot!(spf("include:bücher.test"), @"
    spf-terms: `include:bücher.test` is not an SPF term
      did you mean `include:xn--bcher-kva.test`?
    ");
    assert_snapshot!(spf("v=spf1 frob -all"), @"
    spf-terms: `v=spf1` is not a sender
      write only the terms that authorise this sender, such as `include:_spf.example.com`
    spf-terms: `-all` is not a sender
      write only the terms that authorise this sender, such as `include:_spf.example.com`
    spf-terms: `frob` is not an SPF term
      write terms such as `ip4:192.0.2.1`, `a:smtp.example.com` or `include:_spf.example.com`, separated by spaces
    ");
    assert_snapshot!(spf("include:_spf.host.test a:%{d}/24 exists:%{i}.x.test redirect=a.test"), @"");
}

#[test]
fn null_mx_and_another() {
    assert_snapshot!(record("MX", "'0 .', '10 mx1.host.test.'"), @"
    bad-records: a null MX must be the only MX record
      remove `0 .`, or all the others
    ");
    assert_snapshot!(record("MX", "'1 .'"), @"
    bad-records: a null MX has preference 0, not 1
      write `0 .`, or the name of an exchange
    ");
    assert_snapshot!(record("MX", "'0 .'"), @"");
    let exchanges = sender("spf: mx").replace("name: mx1.host.test.", "name: .");
    assert_snapshot!(refused(&exchanges), @"
    bad-name: `.` is not the name of a server: it means that there is none
      write the name of the server, such as `mx1.example.com.`, or remove the entry
    ");
}

#[test]
fn targets_are_names() {
    for (rtype, to) in [
        ("MX", "10 192.0.2.1."),
        ("MX", "10 192.0.2.1"),
        ("MX", "10 [192.0.2.1]"),
        ("MX", "10 [IPv6:2001:db8::1]"),
        ("MX", "10 2001:db8::1"),
        ("MX", "10 2001:db8::1."),
        ("SRV", "0 1 993 192.0.2.1."),
        ("CNAME", "192.0.2.1"),
        ("DNAME", "2001:db8::1"),
        ("PTR", "192.0.2.1."),
    ] {
        let found = record(rtype, &format!("'{to}'"));
        let target = to.split(' ').next_back().expect("a word");
        assert!(
            found.contains(&format!("`{target}` is an address, but a name is needed")),
            "{found}"
        );
        let exchange =
            sender("spf: mx").replace("name: mx1.host.test.", &format!("name: '{target}'"));
        let found = refused(&exchange);
        assert!(
            found.contains(&format!("`{target}` is an address, but a name is needed")),
            "{found}"
        );
    }
    assert_snapshot!(record("MX", "'10 192.0.2.1.sub.host.test.'"), @"");
    assert_snapshot!(record("NS", "'192.0.2.1.'"), @"
    bad-record-type: a plan cannot change records of type NS
      change it by hand, well before the move or well after it
    ");
}

#[test]
fn two_cnames_and_two_dnames() {
    assert_snapshot!(record("CNAME", "b.example., e.example."), @"
    bad-records: a name has at most one CNAME record
      keep one of them
    ");
    assert_snapshot!(record("DNAME", "x.example., y.example."), @"
    bad-records: a name has at most one DNAME record
      keep one of them
    ");
    assert_snapshot!(record("CNAME", "b.example., B.example."), @"");
}

#[test]
fn idn_in_records() {
    let (u, a) = (
        "{ zone: acme.test, name: bücher, type: MX, to: [ '10 mäil.host.test.' ] }",
        "{ zone: acme.test, name: xn--bcher-kva, type: MX, to: [ '10 xn--mil-qla.host.test.' ] }",
    );
    let read = |list: &str| {
        let intent = intent(&records(list));
        intent.records.iter().map(|r| (r.name.value.clone(), r.to.clone())).collect::<Vec<_>>()
    };
    assert_eq!(read(u), read(a));
    for (rtype, u, a) in [
        ("CNAME", "bücher", "xn--bcher-kva"),
        ("CNAME", "BÜCHER.host.test.", "xn--bcher-kva.host.test."),
        ("SRV", "0 1 993 bücher.host.test.", "0 1 993 xn--bcher-kva.host.test."),
        ("PTR", "bücher.host.test.", "xn--bcher-kva.host.test."),
        ("HTTPS", "1 bücher.host.test. alpn=h2", "1 xn--bcher-kva.host.test. alpn=h2"),
    ] {
        let list = |to: &str| {
            format!(
                "{{ zone: acme.test, name: _x.bücher.acme.test., type: {rtype}, to: [ '{to}' ] }}"
            )
        };
        assert_eq!(read(&list(u)), read(&list(a)), "{u}");
    }
    assert_snapshot!(record("MX", "'10 bücher.host.test'"), @"
    bad-rdata: `bücher.host.test` without a trailing dot is a name below `acme.test.`
      write preference and exchange, the name with its trailing dot: `10 mx1.example.com.`
    ");
    assert_snapshot!(record("MX", "'10 xn--\u{fc}.host.test.'"), @"
    bad-name: `xn--ü.host.test.` is not a domain name: the name is not a valid internationalised name
      write it in its ASCII form, `xn--…`, if you know it
    ");
    assert_snapshot!(record("NAPTR", "'1 1 \"s\" \"x\" \"\" mäil.host.test.'"), @"
    bad-rdata: this is not a valid NAPTR record: the replacement cannot be read: the character 'ä' must be escaped in a name
      write names in ASCII: `xn--mil-qla.host.test.`
    ");
    let owner = |name: &str| {
        refused(&records(&format!(
            "{{ zone: acme.test, name: {name}, type: A, to: [ 192.0.2.1 ] }}"
        )))
    };
    assert_snapshot!(owner("bücher.acme.test"), @"
    bad-name: `bücher.acme.test` would become `xn--bcher-kva.acme.test.acme.test.`
      write it relative to the zone (`www`, `@` for the zone itself), or absolute with a trailing dot
    ");
    assert_snapshot!(owner("ü..x"), @"
    bad-name: `ü..x` is not a domain name: a label is empty
      write it in its ASCII form, `xn--…`, if you know it
    ");
}

#[test]
fn reason_dots() {
    let assume = |reason: &str| {
        sender("spf: mx")
            + &format!("assume: [ {{ fact: accepts, host: host, reason: {reason} }} ]\n")
            + &format!("override: [ {{ invariant: clients, reason: {reason} }} ]\n")
    };
    assert_snapshot!(refused(&assume("\"...\"")), @"
    no-reason: `...` is not a reason
      write how this is known, or who decided it
    no-reason: `...` is not a reason
      write how this is known, or who decided it
    ");
    assert_snapshot!(refused(&assume("…")), @"
    no-reason: `…` is not a reason
      write how this is known, or who decided it
    no-reason: `…` is not a reason
      write how this is known, or who decided it
    ");
    assert_snapshot!(refused(&assume("' '")), @"
    bad-value: this text is empty
      write one line of non-empty text
    bad-value: this text is empty
      write one line of non-empty text
    ");
    assert_snapshot!(refused(&assume("ответил хостер")), @"");
    let except = source(&records("{ zone: acme.test, name: a, type: A, absent: true }"));
    let text = except.text.replacen(
        "acme.test: { provider: files }",
        "acme.test: { provider: files, authorities: [ 192.0.2.53 ], authorities_except: [ { address: 192.0.2.53, reason: '...' } ] }",
        1,
    );
    let found = findings(&Source::new(except.name, text));
    let titles: Vec<&str> = found.iter().map(|found| found.title.as_str()).collect();
    assert_eq!(titles, ["`...` is not a reason"]);
}
