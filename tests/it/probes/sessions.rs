//! `smtp`, `imap` and `submission`: TLS, certificates, refusals, log-ins.

use std::net::Ipv4Addr;

use super::check;
use crate::lab::{Authority, Dovecot, Odd, Postfix, odd};

const NAME: &str = "mx.hosts.test";

/// Settings for TLS with a certificate.
fn tls(pem: &std::path::Path) -> String {
    format!("-o smtpd_tls_security_level=may -o smtpd_tls_chain_files={}", pem.display())
}

#[test]
fn exchanges_are_told_apart() {
    let authority = Authority::new();
    let good = tls(&authority.signs("good", &[NAME]));
    let expired = tls(&authority.signed_long_ago("expired", &[NAME]));
    let own = tls(&authority.self_signed("own", &[NAME]));
    let other = tls(&authority.signs("other", &["other.hosts.test"]));
    let old_tls = format!("{good} -o smtpd_tls_protocols=TLSv1 -o tls_preempt_cipherlist=no");
    let relay = "-o mynetworks=127.0.0.0/8 -o smtpd_relay_restrictions=permit_mynetworks,reject";
    let refusing = "-o smtpd_delay_reject=no -o smtpd_client_restrictions=reject";
    let sleeping = "-o smtpd_delay_reject=no -o { smtpd_client_restrictions = sleep 30 }";
    let later = "-o smtpd_relay_restrictions=defer";
    let listeners = [
        ("2", good.clone()),
        ("3", expired),
        ("4", own),
        ("5", other),
        ("6", "-o smtpd_tls_security_level=none".to_owned()),
        ("7", old_tls),
        ("8", format!("{good} {relay}")),
        ("9", format!("{good} {refusing}")),
        ("10", format!("{good} {sleeping}")),
        ("11", format!("{good} {later}")),
    ]
    .map(|(at, options)| (format!("127.0.61.{at}:25"), options));
    let users = ["user@acme.test".to_owned()];
    let address = Ipv4Addr::new(127, 0, 61, 1);
    let _postfix = Postfix::with_listeners(address, &users, "", &listeners);
    for (at, what) in [
        ("127.0.61.30:25", Odd::Silent),
        ("127.0.61.31:25", Odd::Closes),
        ("127.0.61.32:25", Odd::Says("SSH-2.0-OpenSSH_9.2p1\r\n")),
        ("127.0.61.33:25", Odd::Says("421 4.3.2 come back later\r\n")),
        ("127.0.61.34:25", Odd::Says("554 5.3.2 go away\r\n")),
        ("127.0.61.35:25", Odd::HalfTls),
    ] {
        odd(at, what);
    }
    let at = |n: u8| format!("exchanges: [ \"{NAME}@127.0.61.{n}\" ], within: 3s");
    let [at2, at3, at4, at5, at6, at7, at8, at9, at10, at11] =
        [2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(at);
    let [silent, closing, ssh, busy, gone, half] = [30, 31, 32, 33, 34, 35].map(at);
    let dead = format!("exchanges: [ \"{NAME}@127.0.61.99\" ]");
    let dead6 = format!("exchanges: [ \"{NAME}@127.0.61.2\", \"{NAME}@::1\" ]");
    let any3 = format!("{at3}, certificate: any");
    let any5 = format!("{at5}, certificate: any");
    let any6 = format!("{at6}, certificate: any");
    let relay8 = format!("{at8}, relay: unchecked");
    let cases = [
        (&*at2, "pass", "mx.hosts.test [127.0.61.2:25]: greets after"),
        (&at3, "fail", "the certificate has expired"),
        (&at4, "fail", "the certificate is that of an authority, as self-signed"),
        (&at5, "fail", "the certificate is for other.hosts.test"),
        (&at6, "fail", "it does not offer STARTTLS"),
        (&at7, "fail", "TLS fails: "),
        (&at8, "fail", "it is an open relay"),
        (&at9, "fail", "it greets with 554"),
        (&at10, "unanswered", "was not over within 3 s"),
        (&at11, "inconclusive", "it does not say whether it relays: 45"),
        (&any3, "pass", "certificate not checked"),
        (&any5, "pass", "TLS 1.3"),
        (&any6, "fail", "it does not offer STARTTLS"),
        (&relay8, "pass", "certificate valid for 29 d"),
        (&silent, "unanswered", "was not over within 3 s"),
        (&closing, "unanswered", "closed"),
        (&ssh, "fail", "it does not speak the protocol"),
        (&busy, "inconclusive", "it greets with 421 4.3.2 come back later"),
        (&gone, "fail", "it greets with 554 5.3.2 go away"),
        (&half, "fail", "TLS fails: "),
        (&dead, "unanswered", "nobody answers: "),
        (&dead6, "unanswered", "mx.hosts.test [[::1]:25]: nobody answers: "),
    ];
    check(&authority.file(), "none", "smtp", &cases);
}

#[test]
fn servers_of_clients_are_told_apart() {
    let authority = Authority::new();
    let names = ["imap.hosts.test"];
    let good = authority.signs("good", &names);
    let expired = authority.signed_long_ago("expired", &names);
    let users = [("user", "open sesame")];
    let dovecot = Dovecot::serving("127.0.62.1", &good, &users, "");
    let _expired = Dovecot::serving("127.0.62.2", &expired, &users, "");
    let none = "auth_mechanisms = external\ndisable_plaintext_auth = yes\n";
    let _plain = Dovecot::serving("127.0.62.3", &good, &users, "ssl = no\n");
    let _none = Dovecot::serving("127.0.62.4", &good, &users, none);
    odd("127.0.62.30:993", Odd::Says("* OK this is not TLS\r\n"));
    odd("127.0.62.31:143", Odd::Says("* BYE not today\r\n"));
    odd("127.0.62.32:143", Odd::Says("220 mail.test ESMTP\r\n"));
    let tls = |pem: &std::path::Path| format!("-o smtpd_tls_chain_files={}", pem.display());
    let sasl = format!(
        "-o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path={} \
         -o smtpd_tls_auth_only=yes -o smtpd_tls_security_level=may",
        dovecot.auth().display()
    );
    let wrapped = "-o smtpd_tls_wrappermode=yes";
    let listeners = [
        ("127.0.62.1:587", format!("{} {sasl}", tls(&good))),
        ("127.0.62.1:465", format!("{} {sasl} {wrapped}", tls(&good))),
        ("127.0.62.2:465", format!("{} {sasl} {wrapped}", tls(&expired))),
        ("127.0.62.3:465", format!("{} {wrapped}", tls(&good))),
        ("127.0.62.3:587", format!("{} -o smtpd_tls_security_level=none", tls(&good))),
    ]
    .map(|(at, options)| (at.to_owned(), options));
    let users = ["user@acme.test".to_owned()];
    let address = Ipv4Addr::new(127, 0, 62, 9);
    let _postfix = Postfix::with_listeners(address, &users, "", &listeners);

    let at = |n: u8, more: &str| {
        format!("servers: [ \"imap.hosts.test@127.0.62.{n}\" ], within: 5s{more}")
    };
    let login = ", user: user, password: { file: password }";
    let wrong = ", user: user, password: { file: wrong }";
    let missing = ", user: user, password: { file: nowhere }";
    let starttls = ", tls: starttls";
    let both = format!("{starttls}{login}");
    let any = format!("{login}, certificate: any");
    let gates = [
        at(1, ""),
        at(1, login),
        at(1, &both),
        at(1, wrong),
        at(1, missing),
        at(2, login),
        at(2, &any),
        at(3, starttls),
        at(4, ""),
        at(30, ""),
        at(31, starttls),
        at(32, starttls),
        at(40, ""),
    ];
    let found = [
        ("pass", "AUTH PLAIN"),
        ("pass", "log-in accepted"),
        ("pass", "log-in accepted"),
        ("fail", "it refuses the log-in: NO"),
        ("unanswered", "the file nowhere"),
        ("fail", "the certificate has expired"),
        ("fail", "the password was not sent"),
        ("fail", "it does not offer STARTTLS"),
        ("pass", "AUTH EXTERNAL"),
        ("fail", "TLS fails: "),
        ("fail", "it greets with 554 BYE not today"),
        ("fail", "it does not speak the protocol"),
        ("unanswered", "nobody answers"),
    ];
    let cases: Vec<_> =
        gates.iter().zip(found).map(|(gate, (finding, said))| (&**gate, finding, said)).collect();
    check(&authority.file(), "none", "imap", &cases);

    let gates = [
        at(1, ""),
        at(1, login),
        at(1, &both),
        at(1, wrong),
        at(2, login),
        at(3, ""),
        at(3, starttls),
        at(40, login),
    ];
    let found = [
        ("pass", "AUTH PLAIN"),
        ("pass", "log-in accepted"),
        ("pass", "log-in accepted"),
        ("fail", "it refuses the log-in: 535"),
        ("fail", "the certificate has expired"),
        ("fail", "it offers no log-in"),
        ("fail", "it does not offer STARTTLS"),
        ("unanswered", "nobody answers"),
    ];
    let cases: Vec<_> =
        gates.iter().zip(found).map(|(gate, (finding, said))| (&**gate, finding, said)).collect();
    check(&authority.file(), "none", "submission", &cases);
    // A password that was sent is nowhere in the logs of either server, or in what is shown.
    assert!(!dovecot.log().contains("sesame"), "{}", dovecot.log());
}
