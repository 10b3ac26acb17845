//! The same work on many pieces, by several cores.

use std::{
    num::NonZero,
    panic,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// More would take the cores from the databases beside us.
const CORES_MAX: usize = 4;

/// Does `work` on each piece. Results stand in the order of the pieces; the first
/// error in that order is the error.
pub(super) fn spread<P: Sync, R: Send, E: Send>(
    pieces: &[P],
    work: impl Fn(&P) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let cores = cores().min(pieces.len());
    if cores < 2 {
        return pieces.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let share = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let taken = numbers.map_while(|number| Some((number, pieces.get(number)?)));
        taken.map(|(number, piece)| (number, work(piece))).collect::<Vec<_>>()
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(share)).collect();
        let mut done = share();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Asked once: the answer is read from files.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get).min(CORES_MAX))
}

/// The same on so many pieces that a core takes a handful at a time.
pub(super) fn spread_many<P: Sync, R: Send, E: Send>(
    pieces: &[P],
    work: impl Fn(&[P]) -> Result<Vec<R>, E> + Sync,
) -> Result<Vec<R>, E> {
    let handful = (pieces.len() / HANDFULS).max(1);
    let handfuls: Vec<&[P]> = pieces.chunks(handful).collect();
    Ok(spread(&handfuls, |handful| work(handful))?.into_iter().flatten().collect())
}

const HANDFULS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_pieces() {
        for length in [0, 1, 2, 3, 1_000] {
            let pieces: Vec<usize> = (0..length).collect();
            let squares = spread(&pieces, |piece| Ok::<_, ()>(piece * piece));
            assert_eq!(squares, Ok(pieces.iter().map(|piece| piece * piece).collect()));
            let same = spread_many(&pieces, |some| Ok::<_, ()>(some.to_vec()));
            assert_eq!(same, Ok(pieces));
        }
    }

    #[test]
    fn the_first_error_is_the_error() {
        let pieces: Vec<usize> = (0..1_000).collect();
        let outcome = spread(&pieces, |piece| if *piece >= 300 { Err(*piece) } else { Ok(()) });
        assert_eq!(outcome, Err(300));
    }
}
