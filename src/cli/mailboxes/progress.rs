//! Progress on a terminal: messages, rate, and the time that is left.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

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
            let template = "{bar:20} {pos}/{len} messages  {per_sec}  {eta} left  {msg}";
            bar.set_style(ProgressStyle::with_template(template).expect("a fixed template"));
            bar
        });
        Self { bar, progress }
    }

    /// Shows the counters until the work is done.
    pub(super) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        let Self { bar: Some(bar), progress } = self else { return work.await };
        let mut ticks = tokio::time::interval(DRAWN_EVERY);
        let drawing = async {
            loop {
                ticks.tick().await;
                bar.set_length(progress.expected());
                bar.set_position(progress.messages());
                let octets = HumanBytes(progress.octets());
                bar.set_message(match progress.waiting() {
                    0 => octets.to_string(),
                    waiting => format!("{octets}, {waiting} mailboxes wait for a server"),
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
