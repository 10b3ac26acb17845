//! By which route a backlog is taken.
//!
//! A bucket is a date, so that rows are taken by their dates. Where these lie all
//! over a table, a batch changes nearly as many pages as it has rows, and the next
//! one changes them again. Once there is a row for every page, whoever goes through
//! the whole table page by page has less to do.

use chrono::{DateTime, Utc};

use crate::{
    domain::{event::Reading, record::Cell},
    ports::{Route, SourceError},
};

/// Of a table that is smaller the engine has every page at hand.
const PAGES_MIN: u64 = 1_000;

/// Of a batch by place, where the driver hands over each row as an object of its own:
/// all of them are in memory at once, beside ours.
pub(crate) const BY_PLACE_MAX: u32 = 20_000;

/// For so many rows to come of a table of so many pages.
pub(crate) const fn route(rows: u64, pages: u64) -> Route {
    if pages >= PAGES_MIN && rows >= pages { Route::ByPlace } else { Route::ByEvent }
}

/// How far a batch went whose rows come back in any order.
pub(crate) struct Furthest<P> {
    route: Route,
    place: Option<P>,
    latest: Option<(DateTime<Utc>, Cell)>,
}

impl<P: Ord> Furthest<P> {
    pub(crate) const fn on(route: Route) -> Self {
        Self { route, place: None, latest: None }
    }

    /// A row of the batch: what its event says, where it lies, and the value by which
    /// rows are sorted.
    pub(crate) fn add(
        &mut self,
        event: Option<Reading>,
        place: impl FnOnce() -> Result<P, SourceError>,
        value: impl FnOnce() -> Result<Cell, SourceError>,
    ) -> Result<(), SourceError> {
        if self.route == Route::ByPlace {
            self.place = self.place.take().max(Some(place()?));
        } else if let Some(Reading::At(at)) = event
            && self.latest.as_ref().is_none_or(|(latest, _)| *latest < at)
        {
            self.latest = Some((at, value()?));
        }
        Ok(())
    }

    /// Where the next batch begins.
    pub(crate) fn start<S>(self, place: impl FnOnce(P) -> S, event: impl FnOnce(Cell) -> S) -> Option<S> {
        self.place.map(place).or(self.latest.map(|(_, value)| event(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_of_a_row_a_page_is_taken_by_place_and_what_a_day_brings_is_not() {
        assert_eq!(route(1_000_000, 58_000), Route::ByPlace);
        assert_eq!(route(58_000, 58_000), Route::ByPlace);
        assert_eq!(route(57_999, 58_000), Route::ByEvent);
        assert_eq!(route(999, 20), Route::ByEvent, "a small table");
        assert_eq!(route(0, 0), Route::ByEvent);
    }
}
