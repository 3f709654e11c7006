//! Cases of records that mail hangs on without any word of it: backups that come first, names outside
//! that lead to other names outside, domains without MX records, and who is known by a key alone.

use super::case;

/// Servers that stood by behind others come first, or alone: they were never asked for every mailbox.
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

/// What leads from one name outside to another leads to somebody else.
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

/// A service is published as an alias of a name that nobody could ask.
#[test]
fn discovery_alias_published() {
    let said = case("discovery-alias-published").planned().breaks("clients");
    said.says("_imaps._tcp.host.test., and nobody could ask what that is")
        .pasted("assume")
        .proves();
}

/// Without MX records a domain's own address takes its mail, and has policies and certificates.
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

/// The name of an address is taken away, and an SPF record lets mail pass by it.
#[test]
fn name_of_an_address_removed() {
    let said = case("name-of-an-address-removed").planned().breaks("authenticated");
    said.says("passes SPF by `ptr` today, which may lead to 10.2.0.192.in-addr.arpa.")
        .pasted("assume")
        .proves()
        .says("many refuse mail from an address whose name does not resolve back to it");
}

/// A name that signs sends mail, and obeys the policy of the domain above it.
#[test]
fn dmarc_of_who_signs() {
    let said = case("dmarc-of-who-signs").planned().breaks("authenticated");
    said.says("{ fact: passes_dmarc, name: \"promo.acme.test.\"").pasted("assume").proves();
}

/// With the last name below another one that one goes too, and a wildcard answers for it.
#[test]
fn wildcard_after_the_last_name() {
    let said = case("wildcard-after-the-last-name").planned().proves();
    said.says("a wildcard may answer for the TXT records of foo.acme.test.");
}
