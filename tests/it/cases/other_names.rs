//! Cases of records on which other names depend, and of what cannot be known in advance.

use super::{REFUSED, REFUTED, case};

/// It cannot be known in advance which clients a `ptr` refuses.
#[test]
fn refused_by_ptr() {
    let said = case("refused-by-ptr").planned().breaks("authenticated");
    said.says("{ fact: published, name: \"out.example.\"").pasted("assume").proves();
}

/// An SPF record outside that was not queried may refuse the new host's mail.
#[test]
fn refused_by_include() {
    let said = case("refused-by-include").planned().breaks("authenticated, spf-sound");
    said.says("{ fact: published, name: \"_bad.out.example.\"").pasted("assume").proves();
}

/// A DNAME leads verifiers to keys.
#[test]
fn dname_above_keys() {
    let said = case("dname-above-keys").planned().breaks("authenticated");
    said.says("{ fact: signs, name: \"s1._domainkey.acme.test.\"").pasted("assume").proves();
}

/// A DNAME leads verifiers of another domain's mail to the keys of this domain.
#[test]
fn dname_to_keys_of_another() {
    let said = case("dname-to-keys-of-another").planned().breaks("authenticated");
    said.says("{ fact: signs, name: \"o1._domainkey.b.test.\"").pasted("assume").proves();
}

/// A third host sends from undeclared addresses, and already fails SPF.
#[test]
fn third_host_bare() {
    let said = case("third-host-bare").planned().exits(REFUTED);
    let said = said.says("{ defect: \"authenticated/acme.test/crm/undeclared\"");
    said.pasted("override").exits(0).says("PROVED EXCEPT");
}

/// Another domain's exchange is a server of the old host, but not an exchange of this domain.
#[test]
fn old_server_takes_mail() {
    let said = case("old-server-takes-mail").planned().breaks("deliverable");
    said.says("{ fact: stays, name: \"b.test.\"").pasted("assume").proves();
}

/// An alias is not an exchange, even if the name was one before it became an alias.
#[test]
fn exchange_becomes_alias() {
    let said = case("exchange-becomes-alias").exits(REFUSED);
    said.says("error[unusable-exchange]: the exchange mail.acme.test. of acme.test. would become");
}

/// Users who read at the old host again must not be redirected to the new host's mailboxes.
#[test]
fn redirects_and_back() {
    let said = case("redirects-and-back").planned().proves();
    said.says("to `start`: 6 changes; MX records are restored at once").says("1 manual step");
}

/// Unknown records of one name outside are different from unknown records of another.
#[test]
fn alias_led_elsewhere() {
    let said = case("alias-led-elsewhere-key").planned().breaks("authenticated");
    said.pasted("assume").proves();
    let said = case("alias-led-elsewhere-sts").planned().breaks("transport-policy");
    said.pasted("assume").proves();
    let said = case("alias-led-elsewhere-autodiscover").planned().breaks("clients");
    said.pasted("assume").proves();
}

/// A macro that expands to a name depends on that name's records, and changes with them.
#[test]
fn macros_are_names() {
    let fails = "fails SPF";
    for name in ["macro-means-exchanges", "macro-in-an-include", "macro-of-a-subdomain"] {
        case(name).planned().breaks("authenticated").says(fails);
    }
}

/// Clients of a domain that does not move find their server through a wildcard or a DNAME.
#[test]
fn discovery_by_others() {
    let said = case("discovery-by-wildcard").planned().breaks("clients");
    said.says("autodiscover.b.test.").pasted("assume").proves();
    let said = case("discovery-by-dname").planned().breaks("clients");
    said.says("autodiscover.b.test.").pasted("assume").proves();
}

/// The plan itself leads clients of another domain to the host that is switched off.
#[test]
fn discovery_to_the_old_host() {
    let said = case("discovery-to-the-old-host").planned().breaks("clients");
    said.says("autodiscover.b.test.").pasted("assume").proves();
}

/// A DNAME leads another domain's receivers to a policy.
#[test]
fn dmarc_by_dname() {
    let said = case("dmarc-by-dname").planned().breaks("authenticated");
    said.says("{ fact: passes_dmarc, name: \"b.test.\"").pasted("assume").proves();
}

/// A selector for which a wildcard's key answers gets its own key.
#[test]
fn key_above_a_wildcard() {
    let said = case("key-above-a-wildcard").planned().breaks("authenticated");
    said.says("{ fact: signs, name: \"s1._domainkey.acme.test.\"").pasted("assume").proves();
}
