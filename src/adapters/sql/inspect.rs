//! Compares a dataset with the live schema and says everything that is wrong
//! with it at once, each with what to do about it.

use super::{
    Session, conditions,
    fit::{Fitted, Misfit, Place},
    links,
    schema::{Schema, Table},
};
use crate::{
    domain::deployment::Dataset,
    ports::{SchemaFinding, SourceError},
};

/// What was found; an engine adds its own.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// The dataset could be laid over the schema; without that, nothing else was
    /// looked at.
    pub(crate) fits: bool,
    pub(crate) errors: Vec<Misfit>,
    pub(crate) warnings: Vec<Misfit>,
}

pub(crate) async fn inspect(
    session: &mut impl Session,
    schema: &Schema,
    dataset: &Dataset,
    all: &[&Dataset],
) -> Result<Inspected, SourceError> {
    let fitted = match Fitted::new(dataset, schema) {
        Ok(fitted) => fitted,
        Err(errors) => return Ok(Inspected { fits: false, errors, warnings: Vec::new() }),
    };
    let mut errors = Vec::new();
    for (owner, condition) in conditions(&fitted) {
        errors.extend(session.condition_misfit(owner, condition).await?);
    }
    let others = all.iter().copied().filter(|other| !std::ptr::eq(*other, dataset));
    let links = links::judge(&fitted, schema, others);
    errors.extend(links.errors);
    let mut warnings = links.warnings;
    warnings.extend(missing_indexes(&fitted));
    warnings.extend(triggers(&fitted));
    warnings.extend(records_of_others(&fitted, all));
    Ok(Inspected { fits: true, errors, warnings })
}

impl Inspected {
    pub(crate) fn findings(self, dataset: &Dataset) -> Vec<SchemaFinding> {
        let mut found = findings(dataset, true, self.errors);
        found.extend(findings(dataset, false, self.warnings));
        found
    }
}

fn findings(dataset: &Dataset, error: bool, misfits: Vec<Misfit>) -> Vec<SchemaFinding> {
    let finding = |misfit: Misfit| SchemaFinding {
        dataset: dataset.table.clone(),
        error,
        message: misfit.message,
        hint: misfit.hint,
    };
    misfits.into_iter().map(finding).collect()
}

/// Without these the same rows are found, slowly.
fn missing_indexes(fitted: &Fitted<'_>) -> Vec<Misfit> {
    let mut missing = Vec::new();
    let mut wanted = |table: &Table, columns: Vec<&str>, what: String| {
        let misfit = no_index(fitted.schema, table, &columns, &what);
        if !table.begins_an_index(&columns) && !missing.contains(&misfit) {
            missing.push(misfit);
        }
    };
    for (name, event) in &fitted.events {
        let column = event.columns.first();
        match event.place {
            Place::Own => wanted(fitted.root, vec![column], format!("event {name}")),
            Place::Through { table, on } => {
                wanted(table, vec![column], format!("event {name}"));
                let here = on.iter().map(|(here, _)| here.as_str()).collect();
                wanted(fitted.root, here, format!("the link to {}", table.name));
            }
        }
    }
    for child in &fitted.children {
        let here = child.on.iter().map(|(here, _)| here.as_str()).collect();
        wanted(child.table, here, format!("the link to {}", child.parent.name));
    }
    missing
}

fn no_index(schema: &Schema, table: &Table, columns: &[&str], what: &str) -> Misfit {
    let dialect = schema.dialect;
    // Without schemas an index is made where its table is.
    let on = if schema.default.is_some() { table.sql.clone() } else { dialect.quote(&table.name) };
    let listed = columns.iter().map(|column| dialect.quote(column)).collect::<Vec<_>>().join(", ");
    let name = dialect.quote(&format!("{}_{}", table.name, columns.join("_")).replace('.', "_"));
    Misfit::new(
        format!("no index of {} begins with the columns of {what}: every cycle reads the whole table", table.name),
        format!("CREATE INDEX {name} ON {on} ({listed})"),
    )
}

fn triggers(fitted: &Fitted<'_>) -> Vec<Misfit> {
    let mut tables = fitted.tables();
    tables.dedup_by(|one, other| one.name == other.name);
    let named = tables.into_iter().filter(|table| !table.triggers.is_empty()).map(|table| {
        Misfit::new(
            format!(
                "table {} has triggers, which run when rows move and return: {}",
                table.name,
                table.triggers.join(", ")
            ),
            "see that none of them changes rows that the record does not hold",
        )
    });
    named.collect()
}

/// Rows that go with this dataset's records and are records of another rule too.
fn records_of_others(fitted: &Fitted<'_>, all: &[&Dataset]) -> Vec<Misfit> {
    let mut found = Vec::new();
    for child in fitted.own() {
        let other = all.iter().find(|other| {
            !std::ptr::eq(**other, fitted.dataset)
                && fitted.schema.table(&other.table).is_some_and(|table| table.is(child.table))
        });
        let Some(other) = other else { continue };
        let misfit = Misfit::new(
            format!(
                "rows of {} go with {}, and are records of rule {} too: those that it has to keep longer move to the \
                 vault just before, as its own records, and one whose period cannot be counted keeps the record here",
                child.table.name, fitted.root.name, other.rule
            ),
            "let records wait for them (edge = \"wait\") if the application needs them to the end of that rule",
        );
        if !found.contains(&misfit) {
            found.push(misfit);
        }
    }
    found
}
