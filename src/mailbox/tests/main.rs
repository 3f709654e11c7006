//! Copies between real Dovecots, judged by Python's `imaplib`; faults of all kinds; and a server that
//! answers in odd ways.

#[path = "../../../tests/lab/mod.rs"]
mod lab;

mod backups;
mod bed;
mod breaks;
mod copies;
mod cuts;
mod fake;
mod killed;
mod lies;
mod mail;
mod names;
mod odd;
mod store;
mod surveys;
