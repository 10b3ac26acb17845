//! Times of the day (or week) in which something may run.

use std::{fmt, str::FromStr};

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

/// From one time of the day to another, such as `01:00-05:00`. One that ends
/// before it begins runs past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: NaiveTime,
    /// The first instant that is outside again.
    pub until: NaiveTime,
}

/// A window that begins on one day of the week, such as `Sun 02:00-05:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeeklyWindow {
    pub day: Weekday,
    pub window: Window,
}

/// Text that is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAWindow {
    #[error("`{0}` does not have the form `01:00-05:00`")]
    Form(String),
    #[error("`{0}` is not a time of the day")]
    Time(String),
    #[error("the window begins and ends at {0}")]
    Empty(String),
    #[error("`{0}` is not a day of the week")]
    Day(String),
}

impl WeeklyWindow {
    /// The end of the window that `now` is in.
    #[must_use]
    pub fn end_at(&self, now: NaiveDateTime) -> Option<NaiveDateTime> {
        let starts = [now.date(), now.date() - Days::new(1)].into_iter().filter(|day| day.weekday() == self.day);
        let ends = starts.map(|day| (day.and_time(self.window.from), self.end_of(day)));
        ends.filter(|(start, end)| *start <= now && now < *end).map(|(_, end)| end).next()
    }

    /// The beginning of the next window after `now`.
    #[must_use]
    pub fn next_after(&self, now: NaiveDateTime) -> NaiveDateTime {
        let days = (0..=7).map(|days| (now.date() + Days::new(days)).and_time(self.window.from));
        let mut starts = days.filter(|start| start.weekday() == self.day && *start > now);
        starts.next().unwrap_or(now)
    }

    fn end_of(&self, day: NaiveDate) -> NaiveDateTime {
        let past_midnight = self.window.until <= self.window.from;
        let last = if past_midnight { day + Days::new(1) } else { day };
        last.and_time(self.window.until)
    }
}

impl FromStr for Window {
    type Err = NotAWindow;

    fn from_str(text: &str) -> Result<Self, NotAWindow> {
        let (from, until) = text.split_once('-').ok_or_else(|| NotAWindow::Form(text.to_owned()))?;
        if from == until {
            return Err(NotAWindow::Empty(from.to_owned()));
        }
        Ok(Self { from: time(from)?, until: time(until)? })
    }
}

impl FromStr for WeeklyWindow {
    type Err = NotAWindow;

    fn from_str(text: &str) -> Result<Self, NotAWindow> {
        let (day, window) = text.split_once(' ').ok_or_else(|| NotAWindow::Day(text.to_owned()))?;
        let is_short = day.len() == 3;
        let day = day.parse().ok().filter(|_| is_short).ok_or_else(|| NotAWindow::Day(day.to_owned()))?;
        Ok(Self { day, window: window.parse()? })
    }
}

/// Exactly `HH:MM`, from 00:00 to 23:59.
fn time(text: &str) -> Result<NaiveTime, NotAWindow> {
    let digits = text.bytes().enumerate().all(|(at, byte)| if at == 2 { byte == b':' } else { byte.is_ascii_digit() });
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| digits && text.len() == 5);
    time.ok_or_else(|| NotAWindow::Time(text.to_owned()))
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.format("%H:%M"), self.until.format("%H:%M"))
    }
}

impl fmt::Display for WeeklyWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.day, self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_written_as_it_was_read() {
        for text in ["01:00-05:00", "23:30-02:00", "00:00-23:59"] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), text);
        }
        for text in ["Sun 02:00-05:00", "Wed 23:00-01:00"] {
            assert_eq!(text.parse::<WeeklyWindow>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_weekly_window_knows_its_end_and_its_next_beginning() {
        let at = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        // 2026-11-22 is a Sunday.
        let morning: WeeklyWindow = "Sun 02:00-05:00".parse().unwrap();
        assert_eq!(morning.end_at(at("2026-11-22T01:59:59")), None);
        assert_eq!(morning.end_at(at("2026-11-22T02:00:00")), Some(at("2026-11-22T05:00:00")));
        assert_eq!(morning.end_at(at("2026-11-22T05:00:00")), None);
        assert_eq!(morning.end_at(at("2026-11-23T03:00:00")), None);
        assert_eq!(morning.next_after(at("2026-11-22T01:59:59")), at("2026-11-22T02:00:00"));
        assert_eq!(morning.next_after(at("2026-11-22T02:00:00")), at("2026-11-29T02:00:00"));
        let night: WeeklyWindow = "Sun 23:00-01:00".parse().unwrap();
        assert_eq!(night.end_at(at("2026-11-23T00:59:59")), Some(at("2026-11-23T01:00:00")));
        assert_eq!(night.end_at(at("2026-11-22T00:30:00")), None);
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in
            ["", "01:00", "1:00-5:00", "01:00-25:00", "01:00-01:00", "01:00 - 05:00", "+1:00-02:00", "오전-오후"]
        {
            assert!(text.parse::<Window>().is_err(), "{text:?}");
        }
        for text in ["02:00-05:00", "Sunday 02:00-05:00", "Son 02:00-05:00", "Sun", "일 02:00-05:00"] {
            assert!(text.parse::<WeeklyWindow>().is_err(), "{text:?}");
        }
    }
}
