//! The sources of a cycle. One that is down takes only its own rules with it.

use std::collections::BTreeMap;

use crate::{
    domain::id::SourceName,
    ports::{Failure, SourceError},
};

#[derive(Debug)]
pub struct Sources<S> {
    open: BTreeMap<SourceName, S>,
    down: BTreeMap<SourceName, String>,
}

impl<S> Default for Sources<S> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), down: BTreeMap::new() }
    }
}

impl<S> Sources<S> {
    /// Adds a source as it was opened, or the reason why it was not.
    pub fn add(&mut self, name: SourceName, opened: Result<S, SourceError>) {
        match opened {
            Ok(source) => drop(self.open.insert(name, source)),
            Err(error) => drop(self.down.insert(name, error.to_string())),
        }
    }

    pub fn get(&mut self, name: &SourceName) -> Result<&mut S, Failure> {
        if let Some(reason) = self.down.get(name) {
            return Err(Failure::Unreachable(reason.clone()));
        }
        let missing = || Failure::StateUnknown(format!("source {name} is not configured"));
        self.open.get_mut(name).ok_or_else(missing)
    }

    /// Sources that were opened.
    pub fn open(&mut self) -> impl Iterator<Item = (&SourceName, &mut S)> {
        self.open.iter_mut()
    }

    /// Why the first source that is down is down.
    pub fn first_down(&self) -> Option<&str> {
        self.down.values().next().map(String::as_str)
    }
}
