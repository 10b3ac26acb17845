//! Data to stdout, everything else to stderr. The only place that writes to
//! either.

mod notes;

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;

pub use notes::{Code, Level, Note, Notes, Place, ReportFormat, ReportFormatArgs, cell};

/// Prints data.
pub fn data(text: &str) -> io::Result<()> {
    line(io::stdout().lock(), text)
}

/// Prints data that is no line of text.
pub fn bytes(bytes: &[u8]) -> io::Result<()> {
    whole(io::stdout().lock(), bytes)
}

/// Prints data as JSON.
pub fn json<T: Serialize>(value: &T) -> io::Result<()> {
    data(&serde_json::to_string_pretty(value)?)
}

/// Prints what is not data.
pub fn note(text: &str) -> io::Result<()> {
    line(io::stderr().lock(), text)
}

fn line(stream: impl Write, text: &str) -> io::Result<()> {
    whole(stream, format!("{text}\n").as_bytes())
}

fn whole(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    match stream.write_all(bytes).and_then(|()| stream.flush()) {
        // Whoever reads has read enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Colours belong on a terminal whose owner did not ask for none.
pub fn coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// One line under the header, nothing else between the reader and the numbers.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table whose columns from `numbers` on are right-aligned.
pub fn table(header: &[&str], numbers: usize, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// A count with its noun: `1 row`, `2 rows`.
pub fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A number with thousands separators.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
