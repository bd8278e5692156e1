//! The progress bar, on standard error, and only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::sampler::Sample;

/// How far the flood of all ways is.
pub struct Progress {
    bar: ProgressBar,
    per_way: u64,
}

impl Progress {
    /// For so many ways, each flooded for so long.
    pub fn new(per_way: Duration, ways: u64) -> Self {
        let per_way = per_way.as_millis() as u64;
        let bar = ProgressBar::new(per_way * ways);
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {prefix}: {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, per_way }
    }

    /// Starts the next way; what it returns is to be told of each look at it.
    pub fn way(&self, name: &'static str) -> impl Fn(&Sample) + Send + 'static {
        let before = self.bar.position().next_multiple_of(self.per_way);
        self.bar.set_prefix(name);
        let (bar, per_way) = (self.bar.clone(), self.per_way);
        move |sample| {
            let elapsed = (sample.at / 1_000_000).min(per_way);
            bar.set_position(before + elapsed);
            bar.set_message(format!("{} open, {} in use", sample.open, sample.in_use));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
