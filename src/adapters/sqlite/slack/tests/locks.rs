//! The search runs in the process that holds the engine's locks.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use super::{Form, PLAIN, Shop, fill, search};

/// Locks that this process holds on the file, as the kernel lists them.
fn locks(path: &Path) -> usize {
    let inode = format!(":{}", std::fs::metadata(path).unwrap().ino());
    let process = std::process::id().to_string();
    let listed = std::fs::read_to_string("/proc/locks").unwrap();
    let ours = listed.lines().filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.contains(&"POSIX")
            && fields.contains(&process.as_str())
            && fields.iter().any(|one| one.ends_with(&inode))
    });
    ours.count()
}

#[tokio::test]
async fn a_search_leaves_the_locks_of_the_connection_alone() {
    let mut shop = Shop::open(Form { journal_mode: "DELETE", ..PLAIN }).await;
    fill(&mut shop, 100).await;
    let path = shop.path();
    shop.run("BEGIN; SELECT count(*) FROM orders").await;
    assert_eq!(locks(&path), 1, "a read transaction holds a lock");
    search(&path).unwrap();
    search(&path).unwrap();
    assert_eq!(locks(&path), 1, "the search dropped it");
    // What must not happen, and does happen to who opens the file by itself.
    drop(std::fs::File::open(&path).unwrap());
    assert_eq!(locks(&path), 0);
}
