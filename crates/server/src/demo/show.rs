//! How far the demonstration is: bars on a terminal, lines elsewhere.
//! Invariant: no escape is written unless standard error is a terminal.
//! Called by the other rooms of `demo`.

use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// One activity and how far it is.
pub(super) struct Progress {
    name: &'static str,
    bar: Option<ProgressBar>,
    total: u64,
    done: AtomicU64,
}

/// All activities.
pub(super) struct Stage(Option<MultiProgress>);

impl Stage {
    /// Bars when somebody can see them move.
    pub(super) fn new() -> Self {
        Self(output::lively().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())))
    }

    /// Starts an activity of so many steps.
    pub(super) fn begin(&self, name: &'static str, total: u64) -> Progress {
        let bar = self.0.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total).with_message(name));
            let style = ProgressStyle::with_template("{msg:<24} {wide_bar} {human_pos:>7}/{human_len} {per_sec:>12}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Progress { name, bar, total, done: AtomicU64::new(0) }
    }

    /// Says something beside the bars.
    pub(super) fn say(&self, text: &str) {
        match &self.0 {
            // A terminal that is gone hears nothing.
            Some(bars) => drop(bars.println(text)),
            None => output::note(text),
        }
    }
}

impl Progress {
    /// Some steps are done.
    pub(super) fn advance(&self, steps: u64) {
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        match &self.bar {
            Some(bar) => bar.inc(steps),
            None if steps > 0 && done >= self.total => {
                output::note(&format!("{:<24} {done} of {}", self.name, self.total))
            }
            None => {}
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}
