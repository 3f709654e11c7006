//! Adapters for servers of the lab.

use cutover_contract::Provider;
use cutover_kit::testing::connected;

/// The adapter for an address and a key.
pub(crate) fn adapter(url: &str, api_key: &str) -> Box<dyn Provider> {
    connected(&cutover_powerdns::ADAPTER, &[("url", url), ("api_key", api_key)])
}
