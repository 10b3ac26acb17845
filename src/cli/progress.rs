//! Progress for people: a bar on a terminal, nothing anywhere else.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use crate::ports::{Pace, Progress};

#[derive(Debug, Default)]
pub struct TerminalProgress {
    bar: Option<ProgressBar>,
}

const TEMPLATE: &str = "{msg:32} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}";

impl Progress for TerminalProgress {
    fn begin(&mut self, what: &str, total: u64) {
        if !stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::new(total).with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        self.bar = Some(bar);
    }

    fn advance(&mut self, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(rows);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Pace for TerminalProgress {}
