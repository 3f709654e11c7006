//! Who signs in, and how.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A password or an access token. It is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// How to sign in.
#[derive(Clone)]
pub enum SignIn {
    /// SASL PLAIN (RFC 4616), or `LOGIN` where a server offers no PLAIN.
    Password {
        /// Whose password it is.
        user: String,
        /// Whose mailbox is opened, if that is somebody else's: the authorization identity. It
        /// needs PLAIN.
        on_behalf_of: Option<String>,
        /// The password.
        password: Secret,
    },
    /// An OAuth 2 access token: OAUTHBEARER (RFC 7628), or XOAUTH2 where a server offers only that
    /// (developers.google.com/gmail/imap/xoauth2-protocol, 2026-11-28).
    Token {
        /// Whose mailbox is opened.
        user: String,
        /// The token.
        token: Secret,
    },
}

/// How a sign-in is sent.
pub(crate) enum Exchange {
    /// `AUTHENTICATE`, with this initial response in base64.
    Authenticate(&'static str, String),
    /// `LOGIN`, with a user and a password.
    Login(String, Secret),
}

impl SignIn {
    /// How it is sent to a server with these capabilities; what is missing otherwise.
    pub(crate) fn exchange(
        &self,
        has: &dyn Fn(&str) -> bool,
        host: &str,
        port: u16,
    ) -> Result<Exchange, &'static str> {
        match self {
            Self::Password { user, on_behalf_of, password } => {
                if has("AUTH=PLAIN") {
                    let other = on_behalf_of.as_deref().unwrap_or_default();
                    let text = format!("{other}\0{user}\0{}", password.text());
                    return Ok(Exchange::Authenticate("PLAIN", STANDARD.encode(text)));
                }
                match on_behalf_of {
                    Some(_) => Err("SASL PLAIN, which signing in for somebody else needs"),
                    None if has("LOGINDISABLED") => Err("any sign-in with a password"),
                    None => Ok(Exchange::Login(user.clone(), password.clone())),
                }
            }
            Self::Token { user, token } => {
                let token = token.text();
                if has("AUTH=OAUTHBEARER") {
                    let name = user.replace('=', "=3D").replace(',', "=2C");
                    let text = format!(
                        "n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01"
                    );
                    return Ok(Exchange::Authenticate("OAUTHBEARER", STANDARD.encode(text)));
                }
                match has("AUTH=XOAUTH2") {
                    true => {
                        let text = format!("user={user}\x01auth=Bearer {token}\x01\x01");
                        Ok(Exchange::Authenticate("XOAUTH2", STANDARD.encode(text)))
                    }
                    false => Err("OAUTHBEARER or XOAUTH2, which a token needs"),
                }
            }
        }
    }

    /// What is secret in an exchange, so that a server's text can be shown without it.
    pub(crate) fn sent(&self, exchange: &Exchange) -> Vec<String> {
        let secret = match self {
            Self::Password { password, .. } => password.text(),
            Self::Token { token, .. } => token.text(),
        };
        let encoded = match exchange {
            Exchange::Authenticate(_, first) => first.clone(),
            Exchange::Login(..) => STANDARD.encode(secret),
        };
        [secret.to_owned(), encoded].into_iter().filter(|text| !text.is_empty()).collect()
    }

    /// What to answer when a server rejects a token with a challenge, so that it says no. RFC 7628
    /// §3.2.3 wants one octet `^A`; Google's protocol wants an empty line.
    pub(crate) fn answer_to_rejection(mechanism: &str) -> &'static [u8] {
        if mechanism == "OAUTHBEARER" { b"AQ==\r\n" } else { b"\r\n" }
    }
}
