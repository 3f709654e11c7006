//! Cases of records on which mail depends without any declaration: backup exchanges that come
//! first, names outside that lead to other names outside, domains without MX records, and domains
//! with only a key.

use super::case;

/// Backup servers become the first or only ones, although no fact says that they know every
/// mailbox.
#[test]
fn backups() {
    for name in ["backups-come-first", "backup-alone"] {
        let said = case(name).planned().breaks("deliverable");
        said.pasted("assume").proves();
    }
}

/// The last copy is made while mail of another domain still comes to the old host.
#[test]
fn mail_of_another_in_the_copy() {
    let said = case("mail-of-another-in-the-copy").planned().breaks("one-mailbox");
    said.says("a message for lists.acme.test. is put into a mailbox at `old` after the last copy");
}

/// If a name outside changes its target, it leads to somebody else.
#[test]
fn outside_led_elsewhere() {
    for (name, invariant) in [
        ("exchange-led-elsewhere", "deliverable"),
        ("dmarc-led-elsewhere", "authenticated"),
        ("tlsa-led-elsewhere", "transport-policy"),
        ("discovery-alias-led-elsewhere", "clients"),
    ] {
        case(name).planned().breaks(invariant).pasted("assume").proves();
    }
}

/// A service is published as an alias of a name that cannot be queried.
#[test]
fn discovery_alias_published() {
    let said = case("discovery-alias-published").planned().breaks("clients");
    said.says("_imaps._tcp.host.test., and nobody could ask what that is")
        .pasted("assume")
        .proves();
}

/// Without MX records a domain's own address receives its mail, with its policies and certificates.
#[test]
fn implicit_exchanges() {
    for name in [
        "policy-of-an-implicit-exchange",
        "tlsa-of-an-implicit-exchange",
        "tlsa-alias-of-an-implicit-exchange",
    ] {
        case(name).planned().breaks("transport-policy").pasted("assume").proves();
    }
}

/// The name of an address is removed, although an SPF record lets mail pass because of it.
#[test]
fn name_of_an_address_removed() {
    let said = case("name-of-an-address-removed").planned().breaks("authenticated");
    said.says("passes SPF by `ptr` today, which may lead to 10.2.0.192.in-addr.arpa.")
        .pasted("assume")
        .proves()
        .says("many refuse mail from an address whose name does not resolve back to it");
}

/// A name with a key sends mail, and the policy of the domain above applies to it.
#[test]
fn dmarc_of_who_signs() {
    let said = case("dmarc-of-who-signs").planned().breaks("authenticated");
    said.says("{ fact: passes_dmarc, name: \"promo.acme.test.\"").pasted("assume").proves();
}

/// Removing the last name below another one removes that too, and a wildcard answers for it.
#[test]
fn wildcard_after_the_last_name() {
    let said = case("wildcard-after-the-last-name").planned().proves();
    said.says("a wildcard may answer for the TXT records of foo.acme.test.");
}
