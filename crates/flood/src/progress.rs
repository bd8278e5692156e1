//! The progress bar, on standard error, and only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::sampler::Sample;

/// How far the flood of all servers is.
pub struct Progress {
    bar: ProgressBar,
    each: u64,
}

impl Progress {
    /// For so many servers, each flooded for about so long.
    pub fn new(each: Duration, servers: u64) -> Self {
        let each = each.as_millis() as u64;
        let bar = ProgressBar::new(each * servers);
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {prefix}: {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, each }
    }

    /// What is to be told of each look at the server of this index.
    pub fn of(&self, index: usize) -> impl Fn(&'static str, &Sample) + Send + 'static {
        let (bar, each) = (self.bar.clone(), self.each);
        move |name, sample| {
            bar.set_prefix(name);
            bar.set_position(each * index as u64 + (sample.at / 1_000_000).min(each));
            bar.set_message(format!("{} sessions", sample.alive));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
