//! Reading a person's separated records: all of them, nobody else's, and never
//! without an entry before and after.

use retentiond::{
    domain::{
        ledger::event::{Event, StepResult},
        record::Cell,
    },
    flow::read::{Request, Shown, conclude, read},
    ports::Failure,
};

use super::{
    faults::Fault,
    world::{World, now_or_never},
};

const REQUEST: Request<'_> =
    Request { subject: "person-3", rule: None, by: "support", reason: "request of the person" };

fn shown(world: &World, request: &Request<'_>) -> Result<Vec<Shown>, Failure> {
    let (mut process, book) = (world.process(), world.book());
    let reading = now_or_never(read(&book, &mut process, request))?;
    let records = reading.records.clone();
    conclude(&mut process, reading, StepResult::Done)?;
    Ok(records)
}

fn kinds(world: &World) -> Vec<(bool, u64)> {
    let kind = |event: Event| match event {
        Event::ReadIntent(_) => Some((true, 0)),
        Event::ReadOutcome { records, .. } => Some((false, records)),
        _ => None,
    };
    world.events().into_iter().filter_map(kind).collect()
}

#[test]
fn a_person_is_shown_every_separated_record_of_theirs_and_of_nobody_else() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let records = shown(&world, &REQUEST).unwrap();
    let mut found: Vec<(String, Vec<Cell>)> = Vec::new();
    for record in &records {
        for row in &record.rows[&record.dataset] {
            found.push((record.dataset.clone(), vec![row[0].1.clone()]));
        }
    }
    found.sort_by(|one, other| format!("{one:?}").cmp(&format!("{other:?}")));
    let text = |text: &str| vec![Cell::Text(text.as_bytes().to_vec())];
    let expected = [
        ("members".to_owned(), text("person-3")),
        ("orders".to_owned(), text("purchase-4")),
        ("orders".to_owned(), text("purchase-5")),
        ("visits".to_owned(), text("visit-4")),
    ];
    assert_eq!(found, expected);
    let member = records.iter().find(|record| record.dataset == "members").unwrap();
    assert_eq!(member.rows["addresses"].len(), 1, "what went with it is shown with it");
    assert_eq!(kinds(&world), [(true, 0), (false, 4)]);
}

#[test]
fn a_reading_of_one_rule_shows_that_rule_only_and_an_empty_one_is_on_record_too() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let of_visits = shown(&world, &Request { rule: Some(&"visit".into()), ..REQUEST }).unwrap();
    assert!(of_visits.len() == 1 && of_visits[0].dataset == "visits");
    assert!(shown(&world, &Request { subject: "nobody", ..REQUEST }).unwrap().is_empty());
    assert_eq!(kinds(&world), [(true, 0), (false, 1), (true, 0), (false, 0)]);
}

#[test]
fn without_an_entry_nothing_is_opened_and_an_interrupted_reading_is_closed_by_the_next_run() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    world.fail("ledger.append", 0, Fault::NotApplied);
    assert!(matches!(shown(&world, &REQUEST), Err(Failure::StateUnknown(_))));
    assert!(!world.disk.faults.borrow().trace.iter().rev().take(1).any(|call| call.name == "vault.segment"));
    assert_eq!(kinds(&world), []);
    world.fail("ledger.append", 1, Fault::CrashBefore);
    shown(&world, &REQUEST).unwrap_err();
    assert_eq!(kinds(&world), [(true, 0)]);
    world.recover().unwrap();
    assert_eq!(kinds(&world), [(true, 0), (false, 0)]);
    assert!(world.disk.ledger.borrow().history.open_reads.is_empty());
}

#[test]
fn a_vault_that_cannot_be_read_leaves_an_entry_that_says_so() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    world.fail("vault.segment", 0, Fault::NotApplied);
    shown(&world, &REQUEST).unwrap_err();
    let interrupted = |event: &Event| matches!(event, Event::ReadOutcome { result: StepResult::Interrupted, .. });
    assert_eq!(world.events().iter().filter(|event| interrupted(event)).count(), 1);
}
