//! What a disk holds after some calls and a loss of power.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::Made;

/// What the power takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapters) enum Loss {
    Nothing,
    /// Every name that was not flushed with its folder.
    Names,
    /// All contents that were not flushed, whatever became of the names.
    Contents,
    /// The second half of contents that were not flushed.
    HalfOfContents,
    Everything,
}

pub(in crate::adapters) const LOSSES: [Loss; 5] =
    [Loss::Nothing, Loss::Names, Loss::Contents, Loss::HalfOfContents, Loss::Everything];

/// Files by name, as they are and as they are for certain. Two names may stand for
/// one file.
#[derive(Debug, Clone, Default)]
pub(in crate::adapters) struct Image {
    root: PathBuf,
    names: BTreeMap<PathBuf, usize>,
    names_flushed: BTreeMap<PathBuf, usize>,
    files: Vec<Contents>,
    folders: Vec<PathBuf>,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    bytes: Vec<u8>,
    flushed: Vec<u8>,
    mode: u32,
}

impl Image {
    /// What is below a folder now, all of it durable.
    pub(in crate::adapters) fn of(root: &Path) -> Self {
        let mut image = Self { root: root.to_owned(), ..Self::default() };
        let mut open = vec![root.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                let bytes = fs::read(&path).unwrap();
                image.names.insert(path, image.files.len());
                image.files.push(Contents { flushed: bytes.clone(), bytes, mode });
            }
            image.folders.push(folder);
        }
        image.names_flushed = image.names.clone();
        image
    }

    pub(in crate::adapters) fn after(mut self, calls: &[Made]) -> Self {
        calls.iter().for_each(|call| self.apply(call));
        self
    }

    pub(in crate::adapters) fn has(&self, path: &Path) -> bool {
        self.names.contains_key(path)
    }

    fn file(&mut self, path: &Path) -> &mut Contents {
        let file = self.names.get(path).unwrap_or_else(|| panic!("{} is not there", path.display()));
        &mut self.files[*file]
    }

    fn apply(&mut self, call: &Made) {
        match call {
            Made::Create(path) => {
                self.names.insert(path.clone(), self.files.len());
                self.files.push(Contents { mode: 0o600, ..Contents::default() });
            }
            Made::Append(path, bytes) => self.file(path).bytes.extend(bytes),
            Made::Overwrite(path, bytes) => {
                let file = self.file(path);
                let length = file.bytes.len().max(bytes.len());
                file.bytes.resize(length, 0);
                file.bytes[..bytes.len()].copy_from_slice(bytes);
            }
            Made::SetLength(path, length) => self.file(path).bytes.truncate(usize::try_from(*length).unwrap()),
            Made::Sync(paths) => {
                for path in paths {
                    let file = self.file(path);
                    file.flushed = file.bytes.clone();
                }
            }
            Made::SyncFolder(folder) => {
                let inside = |path: &Path| path.parent() == Some(folder);
                self.names_flushed.retain(|path, _| !inside(path));
                let now = self.names.iter().filter(|(path, _)| inside(path));
                self.names_flushed.extend(now.map(|(path, file)| (path.clone(), *file)));
            }
            Made::Rename(from, to) => {
                let file = self.names.remove(from).expect("what is renamed is there");
                self.names.insert(to.clone(), file);
            }
            Made::Link(file, second) => {
                let file = self.names[file];
                self.names.insert(second.clone(), file);
            }
            Made::Remove(path) => drop(self.names.remove(path)),
            Made::MakeFolder(path) => self.folders.push(path.clone()),
        }
    }

    /// Puts the folder into the state that is left.
    pub(in crate::adapters) fn write(&self, loss: Loss) {
        let mode_of_folder = 0o700;
        if self.root.exists() {
            fs::remove_dir_all(&self.root).unwrap();
        }
        for folder in &self.folders {
            fs::create_dir_all(folder).unwrap();
            fs::set_permissions(folder, Permissions::from_mode(mode_of_folder)).unwrap();
        }
        let names_lost = matches!(loss, Loss::Names | Loss::Everything);
        let names = if names_lost { &self.names_flushed } else { &self.names };
        for (path, file) in names {
            let file = &self.files[*file];
            fs::write(path, file.left(loss)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(file.mode)).unwrap();
        }
    }
}

impl Contents {
    fn left(&self, loss: Loss) -> Vec<u8> {
        match loss {
            Loss::Nothing | Loss::Names => self.bytes.clone(),
            Loss::Contents | Loss::Everything => self.flushed.clone(),
            Loss::HalfOfContents => {
                let half = self.bytes.iter().zip(&self.flushed).take_while(|(now, then)| now == then).count();
                let changed = self.bytes.len().max(self.flushed.len()) - half;
                let written = (half + changed / 2).min(self.bytes.len());
                // Nothing, where less was flushed than is written.
                let rest = self.flushed.get(written..).unwrap_or_default();
                [&self.bytes[..written], rest].concat()
            }
        }
    }
}
