//! Progress on a terminal: messages, rate, and the time that is left.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};

use crate::mailbox::report::Progress;

/// How often the line is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(250);

/// Shows the counters of a pass on standard error, if that is a terminal.
pub(super) struct Shown<'a> {
    bar: Option<ProgressBar>,
    progress: &'a Progress,
}

impl<'a> Shown<'a> {
    pub(super) fn of(progress: &'a Progress) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let template = "{bar:20} {pos}/{len} messages  {per_sec}  {msg}";
            bar.set_style(ProgressStyle::with_template(template).expect("a fixed template"));
            bar
        });
        Self { bar, progress }
    }

    /// Shows the counters until the work is done.
    pub(super) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        let Self { bar: Some(bar), progress } = self else { return work.await };
        let begun = tokio::time::Instant::now();
        let mut ticks = tokio::time::interval(DRAWN_EVERY);
        let drawing = async {
            loop {
                ticks.tick().await;
                bar.set_length(progress.expected());
                bar.set_position(progress.messages());
                let octets = HumanBytes(progress.octets());
                // Waits for servers count, too: they will ask again.
                let left = progress.left(begun.elapsed());
                let left = left.map_or_else(String::new, |left| {
                    format!("  {} left in the mailboxes that are open", HumanDuration(left))
                });
                bar.set_message(match progress.waiting() {
                    0 => format!("{octets}{left}"),
                    waiting => format!("{octets}, {waiting} mailboxes wait for a server{left}"),
                });
            }
        };
        let done = tokio::select! {
            done = work => done,
            () = drawing => unreachable!("drawing does not end"),
        };
        bar.finish_and_clear();
        done
    }
}
