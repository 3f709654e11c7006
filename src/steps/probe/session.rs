//! What a session with a mail server shows, before anything is asked in it.

use std::time::Duration;

use cutover_contract::{ConfigField, FieldKind};

use super::{Finding, text};
use crate::ask::{Broken, Channel, LoggedIn, MailSeen, Trust};
use crate::graph::gate::Settings;

/// The key that says whether the certificate matters.
pub(super) const CERTIFICATE: &str = "certificate";
const ANY: &str = "any";

/// Whether the certificate matters.
pub(super) const CERTIFICATE_FIELD: ConfigField = ConfigField {
    name: CERTIFICATE,
    kind: FieldKind::Choice(&["valid", ANY]),
    required: false,
    former: None,
    doc: "`valid` (the default): the certificate has to be valid for the server's name, from an authority that this machine trusts; `any`: there only has to be TLS.",
};

/// What a finding says, with its server.
pub(super) type Said = (Finding, String);

/// What the end of a session shows that broke.
pub(super) fn broken(broken: &Broken) -> Said {
    match broken {
        Broken::NoConnection(why) => (Finding::Unanswered, format!("nobody answers: {why}")),
        Broken::Garbage(why) => (Finding::Fail, format!("it does not speak the protocol: {why}")),
        Broken::TooSlow(_) | Broken::Closed(_) | Broken::Here(_) => {
            (Finding::Unanswered, broken.to_string())
        }
    }
}

/// What a session shows until commands are sent: the greeting, EHLO, TLS and the certificate.
/// `Err` if that is the finding.
pub(super) fn opened(settings: &Settings, seen: &MailSeen) -> Result<String, Said> {
    match opened_as_offered(settings, seen)? {
        Some(said) => Ok(said),
        None => Err((Finding::Fail, "it does not offer STARTTLS".to_owned())),
    }
}

/// The same, but `None` if the server does not offer STARTTLS, and the session goes on without.
pub(super) fn opened_as_offered(
    settings: &Settings,
    seen: &MailSeen,
) -> Result<Option<String>, Said> {
    let fail = |said: String| Err((Finding::Fail, said));
    // Without TLS there is no greeting if TLS comes first.
    if let Channel::Failed(why) = &seen.channel {
        return fail(format!("TLS fails: {why}"));
    }
    let Some(greeting) = &seen.greeting else {
        return Err(match &seen.broken {
            Some(why) => broken(why),
            None => (Finding::Unanswered, "it says nothing".to_owned()),
        });
    };
    for (reply, of) in
        [(Some(greeting), "greets with"), (seen.refused.as_ref(), "answers EHLO with")]
    {
        match reply.map(|reply| (reply, reply.class())) {
            None | Some((_, 2)) => {}
            Some((reply, 4)) => return Err((Finding::Inconclusive, format!("it {of} {reply}"))),
            Some((reply, _)) => return fail(format!("it {of} {reply}")),
        }
    }
    let certified = match &seen.channel {
        Channel::Tls(certified) => certified,
        Channel::NotOffered => return Ok(None),
        Channel::Refused(why) if why.starts_with('4') => {
            return Err((Finding::Inconclusive, format!("it puts STARTTLS off: {why}")));
        }
        Channel::Refused(why) => return fail(format!("it refuses STARTTLS: {why}")),
        Channel::Failed(why) => return fail(format!("TLS fails: {why}")),
        Channel::NotReached => {
            return Err(match &seen.broken {
                Some(why) => broken(why),
                None => (Finding::Unanswered, "it ended the session".to_owned()),
            });
        }
    };
    let is_any = text(settings, CERTIFICATE) == Some(ANY);
    match &certified.trust {
        Trust::Valid => {}
        Trust::Invalid(_) | Trust::Unknown(_) if is_any => {}
        Trust::Invalid(why) => return fail(why.clone()),
        Trust::Unknown(why) => {
            let said = format!("this machine cannot check the certificate: {why}");
            return Err((Finding::Unanswered, said));
        }
    }
    let days = certified.left.map(|left| left.as_secs() / Duration::from_hours(24).as_secs());
    let valid = match (&certified.trust, days) {
        (Trust::Valid, Some(days)) => format!("certificate valid for {days} d"),
        (_, _) => "certificate not checked".to_owned(),
    };
    let millis = seen.greeted_after.as_millis();
    Ok(Some(format!("greets after {millis} ms, {}, {valid}", certified.version)))
}

/// What a log-in shows.
pub(super) fn logged_in(login: Option<&LoggedIn>) -> Result<&'static str, Said> {
    match login {
        None => Ok(""),
        Some(LoggedIn::Accepted) => Ok(", log-in accepted"),
        Some(LoggedIn::Refused(why)) => {
            Err((Finding::Fail, format!("it refuses the log-in: {why}")))
        }
        Some(LoggedIn::Later(why)) => {
            Err((Finding::Inconclusive, format!("it puts the log-in off: {why}")))
        }
        Some(LoggedIn::NotTried(why)) => {
            Err((Finding::Fail, format!("the password was not sent, since {why}")))
        }
    }
}
