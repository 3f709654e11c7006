//! Inventories.

use cutover_mailbox::clock::RealClock;
use cutover_mailbox::inventory::{MailboxInventory, Survey, inventory};
use cutover_mailbox::report::Progress;

use crate::bed::{Bed, run};
use crate::copies::{dots, slash};
use crate::lab::mailbox_host::Setup;
use crate::mail::{TIME, commands, plain};

fn surveyed(bed: &Bed, user: &str) -> MailboxInventory {
    let survey = Survey { clock: &RealClock, progress: &Progress::default(), mailboxes: 1 };
    run(inventory(&[bed.pair(user)], &survey)).remove(0)
}

#[test]
fn an_inventory_counts_measures_and_finds_what_will_be_refused() {
    let quota = "mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
  imap_capability = +APPENDLIMIT=1000
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=10K
}";
    let bed = Bed::start(dots(), Setup { more: quota, ..slash() });
    for number in 0..30 {
        let time = TIME + i64::try_from(number).expect("small") * 86_400;
        bed.old.deliver("u1", ".Work", &format!("w{number}"), &plain(number), time);
    }
    commands(&bed.old, "u1", &["SUBSCRIBE INBOX.Work"]);
    let found = surveyed(&bed, "u1");
    assert_eq!(found.error, None);
    let names: Vec<_> = found.folders.iter().map(|one| (&*one.old, &*one.new)).collect();
    assert_eq!(names, [("INBOX", "INBOX"), ("INBOX.Work", "Work")]);
    let sizes: Vec<u64> = (0..30).map(|number| plain(number).len() as u64).collect();
    let work = &found.folders[1];
    assert_eq!((work.messages, work.octets), (30, sizes.iter().sum()));
    assert_eq!(Some(work.largest), sizes.iter().max().copied());
    assert_eq!((work.oldest, work.newest), (Some(TIME), Some(TIME + 29 * 86_400)));
    assert_eq!((work.recent_messages, work.unknown), (0, 0));
    assert!(work.is_subscribed && !found.folders[0].is_subscribed);
    assert_eq!(found.limit_at_new, Some(1000));
    assert_eq!(work.too_large, sizes.iter().filter(|size| **size > 1000).count() as u64);
    assert_eq!(work.too_large_uids.len() as u64, work.too_large);
    assert_eq!(found.quota_at_new.map(|quota| quota.limit), Some(10 * 1024));
    assert_eq!(found.excess(), work.octets - 10 * 1024);
}

#[test]
fn an_inventory_says_whose_mailbox_cannot_be_opened() {
    let bed = Bed::start(slash(), slash());
    let mut pairs = vec![bed.pair("u1"), bed.pair("u2")];
    pairs[0].new.sign_in = crate::bed::password("u1", "wrong");
    let survey = Survey { clock: &RealClock, progress: &Progress::default(), mailboxes: 2 };
    let found = run(inventory(&pairs, &survey));
    let error = found[0].error.as_deref().expect("an error");
    assert!(error.starts_with("new side: the sign-in is refused"), "{error}");
    assert_eq!((found[1].error.as_ref(), found[1].folders.len()), (None, 1));
}
