//! The rows: members of whom some leave, with values short and long, in the row
//! and out of line, indexed, unique and in Korean, and a child row each.

use std::time::{Duration, Instant};

use super::{servers::Engine, world::World};

/// Stand in every value of those who leave, the second one in those in Korean.
pub const MARKS: [&str; 2] = ["kanarie-", "카나리아-"];

/// Members at the beginning, and of them those who leave: every third.
pub const MEMBERS: u32 = 900;
pub const LEAVING: usize = 300;

/// A row on disk is found by any piece of a value: the mark stands in it over and
/// over.
fn long(name: &str, id: u32) -> String {
    let mut state = u64::from(id) + 1;
    let mut text = String::new();
    while text.len() < 10_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text += &format!("{name}-{id:05}/{:x}/", state >> 8);
    }
    text
}

pub fn schema(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => {
            "CREATE TABLE members (id INTEGER PRIMARY KEY, name VARCHAR(60), token TEXT UNIQUE, korean TEXT, big TEXT,
                 withdrawn_at TIMESTAMP NULL);
             ALTER TABLE members ALTER COLUMN big SET STORAGE EXTERNAL;
             ALTER TABLE members ALTER COLUMN name SET STATISTICS 20;
             CREATE TABLE notes (id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL REFERENCES members (id), note TEXT);
             CREATE INDEX members_name ON members (name);
             CREATE INDEX members_left ON members (withdrawn_at);
             CREATE INDEX notes_member ON notes (member_id);"
        }
        Engine::MariaDb => {
            "CREATE TABLE members (id INTEGER PRIMARY KEY, name VARCHAR(60) CHARACTER SET latin1, token VARCHAR(60) UNIQUE,
                 korean VARCHAR(100), big LONGTEXT, withdrawn_at DATETIME NULL, KEY members_name (name),
                 KEY members_left (withdrawn_at));
             CREATE TABLE notes (id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL, note VARCHAR(100),
                 FOREIGN KEY (member_id) REFERENCES members (id));"
        }
    }
}

/// Statements that add members, each third of whom leaves or has left.
pub fn members(ids: std::ops::RangeInclusive<u32>, left: &str) -> String {
    let (first, count) = (*ids.start(), ids.end() - ids.start() + 1);
    let (mut members, mut notes) = (Vec::new(), Vec::new());
    for step in 0..count {
        // Out of order, so that pages are split.
        let id = first + step * 7919 % count;
        let leaves = id % 3 == 0;
        let (name, korean) = if leaves { ("kanarie", "카나리아") } else { ("bewoner", "주민") };
        let big = if id % 4 == 0 { format!("'{}'", long(name, id)) } else { "NULL".to_owned() };
        let left = if leaves { format!("'{left}'") } else { "NULL".to_owned() };
        let token = u64::from(id) * 2_654_435_761 % 4_294_967_291;
        members.push(format!(
            "({id}, '{name}-{id:05}', '{token:08x}/{name}-{id:05}', '서울시 마포구 {korean}-{id:05} 번지', {big}, {left})"
        ));
        notes.push(format!("({id}, {id}, 'note of {name}-{id:05}')"));
    }
    format!("INSERT INTO members VALUES {}; INSERT INTO notes VALUES {};", members.join(", "), notes.join(", "))
}

/// What is in memory only goes to the files.
pub fn flush(world: &World<'_>) {
    if world.engine() == Engine::Postgres {
        return world.database.run("CHECKPOINT;");
    }
    // Whatever page is dirty, those of the undo log too.
    world.database.run("SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0, innodb_max_dirty_pages_pct = 0;");
    let started = Instant::now();
    let dirty = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = \
                 'Innodb_buffer_pool_pages_dirty'";
    while world.database.number(dirty) > 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "pages stay dirty");
        std::thread::sleep(Duration::from_millis(20));
    }
    world.database.run("SET GLOBAL innodb_max_dirty_pages_pct = 90;");
}

/// Fills the statistics, which hold values of their own.
pub fn analyze(world: &World<'_>) {
    world.database.run(match world.engine() {
        Engine::Postgres => "ANALYZE members; ANALYZE notes;",
        Engine::MariaDb => "ANALYZE TABLE members PERSISTENT FOR ALL; ANALYZE TABLE notes PERSISTENT FOR ALL;",
    });
}
