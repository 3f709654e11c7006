//! What the two domains of `provider_matrix` hold before the move, after it, and after the way
//! back.

/// Both hosts' exchanges and the new host's key are published from the start. New records get a TTL
/// of an hour, for which the way back would have to wait.
pub(crate) const ZONES: &[(&str, &str)] = &[
    (
        "acme.test",
        "\
$TTL 6
@ SOA ns1 hostmaster 1 3600 600 86400 2
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 192.0.2.54
@ MX 10 mail
@ TXT \"v=spf1 mx ip4:192.0.2.11 -all\"
@ TXT \"site-verification=6dcd4ce2 3d88e2ee\"
mail A 192.0.2.10
mx A 203.0.113.25
www A 192.0.2.80
_dmarc TXT \"v=DMARC1; p=none\"
old1._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
new1._domainkey TXT \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\"
",
    ),
    (
        "acme.example",
        "\
$TTL 5
@ SOA ns1.acme.test. hostmaster.acme.test. 1 3600 600 86400 2
@ NS ns1.acme.test.
@ NS ns2.acme.test.
@ MX 10 mail.acme.test.
@ TXT \"v=spf1 mx ip4:192.0.2.11 -all\"
www CNAME www.acme.test.
old1._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
new1._domainkey TXT \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\"
",
    ),
];

/// What the zones hold after the move to the new host, written by hand.
pub(super) const THERE: [&[&str]; 2] = [
    &[
        "_dmarc.acme.test. 6 IN TXT \"v=DMARC1; p=none\"",
        "acme.test. 6 IN MX 10 mx.acme.test.",
        "acme.test. 6 IN NS ns1.acme.test.",
        "acme.test. 6 IN NS ns2.acme.test.",
        "acme.test. 6 IN TXT \"site-verification=6dcd4ce2 3d88e2ee\"",
        "acme.test. 6 IN TXT \"v=spf1 ip4:203.0.113.25 -all\"",
        "mail.acme.test. 6 IN A 192.0.2.10",
        "mx.acme.test. 6 IN A 203.0.113.25",
        "new1._domainkey.acme.test. 6 IN TXT \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\"",
        "ns1.acme.test. 6 IN A 192.0.2.53",
        "ns2.acme.test. 6 IN A 192.0.2.54",
        "www.acme.test. 6 IN A 192.0.2.80",
    ],
    &[
        "acme.example. 5 IN MX 10 mx.acme.test.",
        "acme.example. 5 IN NS ns1.acme.test.",
        "acme.example. 5 IN NS ns2.acme.test.",
        "acme.example. 5 IN TXT \"v=spf1 ip4:203.0.113.25 -all\"",
        "new1._domainkey.acme.example. 5 IN TXT \"v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\"",
        "www.acme.example. 5 IN CNAME www.acme.test.",
    ],
];

/// What they hold after the way back. A key that was removed is there again, with the TTL of new
/// records.
pub(super) const BACK: [&[&str]; 2] = [
    &[
        "_dmarc.acme.test. 6 IN TXT \"v=DMARC1; p=none\"",
        "acme.test. 6 IN MX 10 mail.acme.test.",
        "acme.test. 6 IN NS ns1.acme.test.",
        "acme.test. 6 IN NS ns2.acme.test.",
        "acme.test. 6 IN TXT \"site-verification=6dcd4ce2 3d88e2ee\"",
        "acme.test. 6 IN TXT \"v=spf1 mx ip4:192.0.2.11 -all\"",
        "mail.acme.test. 6 IN A 192.0.2.10",
        "mx.acme.test. 6 IN A 203.0.113.25",
        "ns1.acme.test. 6 IN A 192.0.2.53",
        "ns2.acme.test. 6 IN A 192.0.2.54",
        "old1._domainkey.acme.test. 3600 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"",
        "www.acme.test. 6 IN A 192.0.2.80",
    ],
    &[
        "acme.example. 5 IN MX 10 mail.acme.test.",
        "acme.example. 5 IN NS ns1.acme.test.",
        "acme.example. 5 IN NS ns2.acme.test.",
        "acme.example. 5 IN TXT \"v=spf1 mx ip4:192.0.2.11 -all\"",
        "old1._domainkey.acme.example. 3600 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"",
        "www.acme.example. 5 IN CNAME www.acme.test.",
    ],
];
