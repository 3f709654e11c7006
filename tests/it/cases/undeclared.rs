//! Cases of records that depend on the zones without being declared, and of records that were not
//! seen.

use super::{REFUTED, case};

/// Mail for an alias moves too; a key shows that there is some.
#[test]
fn alias_with_a_key() {
    let said = case("alias-with-a-key").planned().breaks("deliverable");
    said.says("nobody says that this host accepts mail for lists.b.test.");
}

/// Below a DNAME nothing can show that, so it is listed.
#[test]
fn alias_by_dname() {
    let said = case("alias-by-dname").planned().proves();
    said.says("nobody has mail at lists.b.test.: they are aliases of domains that move");
}

/// A client may have only one of the address families.
#[test]
fn discovery_loses_ipv4() {
    let said = case("discovery-loses-ipv4").planned().breaks("clients");
    said.says("{ fact: ipv4_only, host: new").pasted("assume").proves();
}

#[test]
fn discovery_loses_ipv6() {
    let said = case("discovery-loses-ipv6").planned().breaks("clients");
    said.says("{ fact: ipv6_only, host: new").pasted("assume").proves();
}

/// It cannot be known whose mail passes because of a name below an `exists` of the client.
#[test]
fn exists_of_the_client() {
    let said = case("exists-of-the-client").planned().breaks("authenticated");
    said.says("which may lead to 7.100.51.198._i.acme.test.");
}

#[test]
fn exists_of_another_domain() {
    let said = case("exists-of-another-domain").planned().breaks("authenticated");
    said.says("mail as b.test. passes SPF by `exists:");
}

/// A wildcard of another domain leads its clients to what the plan changes.
#[test]
fn discovery_by_wildcard_records() {
    let said = case("discovery-by-wildcard-records").planned().breaks("clients");
    said.says("{ fact: clients, name: \"_imaps._tcp.b.test.\"").pasted("assume").proves();
}

#[test]
fn autodiscover_by_wildcard_records() {
    let said = case("autodiscover-by-wildcard-records").planned().breaks("clients");
    said.says("{ fact: clients, name: \"autodiscover.b.test.\"").pasted("assume").proves();
}

/// Resolvers may have cached for a day that a name outside does not exist.
#[test]
fn published_outside_late() {
    let said = case("published-outside-late").planned().proves();
    said.says("for more than 1d, RFC 2308")
        .in_order(&["(`published`)  (T+0s)", "switch the MX records of acme.test.  (T+1d)"]);
}

/// Records below a delegation that was not queried may lead clients to the old host.
#[test]
fn discovery_delegated() {
    let said = case("discovery-delegated").planned().exits(REFUTED);
    said.says("{ fact: clients, name: \"_tcp.acme.test.\"").pasted("assume").proves();
}

#[test]
fn discovery_out_of_sight() {
    let said = case("discovery-out-of-sight").planned().exits(REFUTED);
    let said = said.says("{ fact: clients, name: \"autodiscover.out.example.\"");
    said.pasted("assume").proves();
}

/// The verdict says what the plan does not do.
#[test]
fn standby_of_one_name() {
    case("standby-of-one-name").planned().proves().says("warning[no-standby]");
}

/// A domain that `records:` move away does not stay.
#[test]
fn led_away_by_records() {
    case("led-away-by-records").planned().proves().never_says("keeps running for");
}

#[test]
fn autodiscover_loses_ipv6() {
    let said = case("autodiscover-loses-ipv6").planned().breaks("clients");
    said.says("{ fact: ipv6_only, host: new").pasted("assume").proves();
}

/// `ptr` depends on the addresses of all names, and on nothing else.
#[test]
fn ptr_name_removed() {
    let said = case("ptr-name-removed").planned().breaks("authenticated");
    said.says("{ fact: sends, name: \"crm.acme.test.\"").pasted("assume").proves();
}

#[test]
fn ptr_term_removed() {
    case("ptr-term-removed").planned().breaks("authenticated");
}

/// A certificate that matches no TLSA record at a standby exchange is a defect. If that exchange is
/// the only one, it is a different harm.
#[test]
fn tlsa_of_a_standby() {
    let said = case("tlsa-of-a-standby").exits(REFUTED);
    said.says("transport-policy/acme.test/tlsa/mx.acme.test/standing-by: ").says(
        "finds TLSA records of mx.acme.test., none of which the certificate of `new` matches",
    );
}
