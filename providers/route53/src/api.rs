//! The client of Amazon's SDK. It is created when it is first needed, because its credentials may
//! come from files, from a program, or from a service of the machine.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_route53::Client;
use aws_smithy_http_client::{Builder, tls};
use cutover_contract::Secret;
use tokio::sync::OnceCell;

use crate::limits::{ATTEMPT_MAX, CONNECT_MAX, QUESTION_ATTEMPTS};

/// The region of all public zones of Route 53 (AWS General Reference, "Route 53 endpoints").
const REGION: &str = "us-east-1";

/// Credentials from the plan.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    pub(crate) session_token: Option<Secret>,
}

/// How to reach Route 53.
pub(crate) struct Server {
    pub(crate) endpoint_url: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) keys: Option<Keys>,
    client: OnceCell<Client>,
}

impl Server {
    pub(crate) fn new(
        endpoint_url: Option<String>,
        profile: Option<String>,
        region: Option<String>,
        keys: Option<Keys>,
    ) -> Self {
        Self { endpoint_url, profile, region, keys, client: OnceCell::new() }
    }

    /// The name of the other side in errors.
    pub(crate) fn peer(&self) -> String {
        self.endpoint_url.clone().unwrap_or_else(|| "Route 53".to_owned())
    }

    /// The client for questions, which retries by itself.
    pub(crate) async fn client(&self) -> &Client {
        self.client.get_or_init(|| self.made()).await
    }

    async fn made(&self) -> Client {
        // A single TLS library for all of `cutover`; the SDK's default is another.
        let http = Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_MAX)
            .operation_attempt_timeout(ATTEMPT_MAX)
            .operation_timeout(ATTEMPT_MAX * QUESTION_ATTEMPTS + Duration::from_secs(10))
            .build();
        let region = self.region.clone().unwrap_or_else(|| REGION.to_owned());
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(region))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(QUESTION_ATTEMPTS));
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(Keys { id, secret, session_token }) = &self.keys {
            let token = session_token.as_ref().map(|token| token.expose().to_owned());
            let keys = Credentials::new(id, secret.expose(), token, None, "plan");
            loader = loader.credentials_provider(keys);
        }
        Client::new(&loader.load().await)
    }

    /// A text from the other side with our secrets removed, in case they were sent back.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        let Some(Keys { secret, session_token, .. }) = &self.keys else { return text.to_owned() };
        let mut text = text.replace(secret.expose(), "(the key)");
        if let Some(token) = session_token {
            text = text.replace(token.expose(), "(the token)");
        }
        text
    }
}
