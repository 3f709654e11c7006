//! Tests of `cutover` at its boundaries: one binary, one file per feature.

#[path = "../lab/cloudflare/mod.rs"]
mod cloudflare;
#[path = "../lab/mod.rs"]
mod lab;
#[expect(dead_code, reason = "the suite of the stores uses more of it")]
#[path = "../../src/store/suite/postgres/server.rs"]
mod postgres;
#[path = "../../src/store/suite/postgres/relay.rs"]
mod postgres_relay;
#[path = "../lab/route53/mod.rs"]
mod route53;
#[path = "../../src/store/suite/s3/server.rs"]
mod s3;
#[path = "../../src/store/suite/s3/relay.rs"]
mod s3_relay;
#[path = "../../src/store/suite/sshd.rs"]
mod sshd;

mod agreement;
mod alike;
mod approvals;
mod away;
mod bind_fixture;
mod cases;
mod checks;
mod cli;
mod clocks;
mod delegation;
mod differences;
mod discover;
mod earlier;
mod engine;
mod errors;
mod every_store;
mod evidence;
mod explain;
mod faults;
mod fleet;
mod flood;
mod forms;
mod forms_written;
mod garbage;
mod gates;
mod gather;
mod ground;
mod harmless;
mod harms;
mod history;
mod judges;
mod language;
mod lost;
mod mailboxes;
mod many;
mod markdown;
mod moves;
mod mutants;
mod names;
mod oracle;
mod over_https;
mod over_ssh;
mod pipelines;
mod plans;
mod probes;
mod profiles;
mod proof;
mod provider_matrix;
mod readme;
mod recipes;
mod registry;
mod relied;
mod replans;
mod rfc7208;
mod rollback;
mod run;
mod schema;
mod shared;
mod static_checks;
mod status;
mod store;
mod store_faults;
mod storm;
mod stream;
mod sweep;
mod tasks;
mod theorem;
mod through;
mod transfer;
mod traps;
mod trials;
mod trials_cli;
mod trials_engine;
mod trials_people;
mod trials_plan;
mod trials_review;
mod windows;
mod written;
mod zonefile_fixture;
mod zones;
