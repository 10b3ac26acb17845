//! Faults at the n-th call of any port, and what else happens at that moment.

use std::{collections::VecDeque, fmt};

use super::disk::Disk;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call changes nothing and reports an error.
    NotApplied,
    /// The call does all it should and reports an error.
    AppliedButFailed,
    /// The process ends before the call did anything.
    CrashBefore,
    /// The process ends after the call did all it should.
    CrashAfter,
}

impl Fault {
    pub const OF_WRITES: [Self; 4] = [Self::NotApplied, Self::AppliedButFailed, Self::CrashBefore, Self::CrashAfter];
    /// A call that changes nothing cannot be applied and fail.
    pub const OF_READS: [Self; 2] = [Self::NotApplied, Self::CrashBefore];

    pub fn of(call: Call) -> &'static [Self] {
        if call.writes { &Self::OF_WRITES } else { &Self::OF_READS }
    }
}

/// One call of a port, as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub name: &'static str,
    pub writes: bool,
}

/// What a port must report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing was changed.
    NotApplied,
    /// Everything was changed.
    Applied,
    /// The process is no more; whatever it is told, it cannot act on it.
    Dead,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotApplied => "injected: not applied",
            Self::Applied => "injected: applied, reported as failed",
            Self::Dead => "injected: the process has ended",
        })
    }
}

type Meanwhile = Box<dyn FnOnce(&Disk)>;

#[derive(Default)]
pub struct Faults {
    /// Faults by number of the call, ascending.
    pub planned: VecDeque<(usize, Fault)>,
    /// Every call so far, over all incarnations.
    pub trace: Vec<Call>,
    /// The process has ended.
    pub dead: bool,
    /// What is only computed counts as a call, too.
    pub computing: bool,
    meanwhile: Vec<(&'static str, usize, Meanwhile)>,
    named: Vec<(&'static str, usize, Fault)>,
}

impl Faults {
    /// Does `what` right before the call of this name after `skip` others of it.
    pub fn meanwhile(&mut self, name: &'static str, skip: usize, what: impl FnOnce(&Disk) + 'static) {
        self.meanwhile.push((name, skip, Box::new(what)));
    }

    /// Makes the call of this name fail after `skip` others of it.
    pub fn fail(&mut self, name: &'static str, skip: usize, fault: Fault) {
        self.named.push((name, skip, fault));
    }

    fn named(&mut self, name: &str) -> Option<Fault> {
        let at = self.named.iter().position(|(wanted, ..)| *wanted == name)?;
        if self.named[at].1 == 0 {
            return Some(self.named.remove(at).2);
        }
        self.named[at].1 -= 1;
        None
    }

    fn due_meanwhile(&mut self, name: &str) -> Option<Meanwhile> {
        let at = self.meanwhile.iter().position(|(wanted, ..)| *wanted == name)?;
        if self.meanwhile[at].1 == 0 {
            return Some(self.meanwhile.remove(at).2);
        }
        self.meanwhile[at].1 -= 1;
        None
    }

    fn next(&mut self, call: Call) -> Option<Fault> {
        let number = self.trace.len();
        self.trace.push(call);
        if let Some(fault) = self.named(call.name) {
            return Some(fault);
        }
        self.planned.pop_front_if(|(at, _)| *at <= number).map(|(_, fault)| fault)
    }
}

impl Disk {
    /// A call that changes something durable, or may.
    pub fn write<T, E>(
        &self,
        name: &'static str,
        error: impl Fn(Trouble) -> E,
        apply: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let result = self.call(Call { name, writes: true }, error, apply);
        self.check_at_every_instant(name);
        result
    }

    /// A call that moves no record.
    pub fn note<T, E>(
        &self,
        name: &'static str,
        error: impl Fn(Trouble) -> E,
        apply: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.call(Call { name, writes: true }, error, apply)
    }

    /// A call that only computes.
    pub fn compute<E>(&self, name: &'static str, error: impl Fn(Trouble) -> E) -> Result<(), E> {
        let counts = self.faults.borrow().computing;
        if counts { self.read(name, error, || Ok(())) } else { Ok(()) }
    }

    /// A call that only looks.
    pub fn read<T, E>(
        &self,
        name: &'static str,
        error: impl Fn(Trouble) -> E,
        apply: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.call(Call { name, writes: false }, error, apply)
    }

    fn call<T, E>(
        &self,
        call: Call,
        error: impl Fn(Trouble) -> E,
        apply: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.faults.borrow().dead {
            return Err(error(Trouble::Dead));
        }
        let meanwhile = self.faults.borrow_mut().due_meanwhile(call.name);
        if let Some(meanwhile) = meanwhile {
            meanwhile(self);
        }
        let fault = self.faults.borrow_mut().next(call);
        match fault {
            None => apply(),
            Some(Fault::NotApplied) => Err(error(Trouble::NotApplied)),
            Some(Fault::AppliedButFailed) => {
                apply()?;
                Err(error(Trouble::Applied))
            }
            Some(Fault::CrashBefore) => {
                self.faults.borrow_mut().dead = true;
                Err(error(Trouble::Dead))
            }
            Some(Fault::CrashAfter) => {
                let applied = apply();
                self.faults.borrow_mut().dead = true;
                applied?;
                Err(error(Trouble::Dead))
            }
        }
    }
}
