//! Whether overwriting a file erases it, on the file system and device below it.
//!
//! `judge` is pure and knows what may be promised; `Facts::of` looks at a path.
//! What cannot be found out counts as the worse case: a wrong `Pass` here would
//! be a false certificate, a wrong `Unknown` is only modest. Not visible from
//! here, and so not in the verdict: sectors a disk has remapped by itself, copies
//! somebody made of the file.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::{major, minor, statfs};

use crate::domain::verdict::Finding;

/// The file system that holds the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSystem {
    /// ext2, ext3 and ext4 share one number.
    Ext,
    Xfs,
    Tmpfs,
    Ramfs,
    /// Copies on write, lies on another one, is remote, or is not known.
    Other(String),
}

/// The block device below the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A disk that writes a block where the block was.
    Rotational,
    /// Shingled or zoned: rewrites whole bands elsewhere.
    Zoned,
    Flash,
    /// Mapped by software, or the disk of a virtual machine.
    Virtual,
    Unknown,
}

/// What decides whether overwriting erases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub file_system: FileSystem,
    pub device: Device,
    /// File contents go through the file system's journal first.
    pub data_journal: bool,
    /// The contents lie in the inode, which goes through the journal.
    pub in_inode: bool,
    /// Memory may be written to a swap device.
    pub swap: bool,
}

/// What can be promised about a file that was overwritten in place, in sentences
/// for an auditor.
#[must_use]
pub fn judge(facts: &Facts) -> Finding {
    match &facts.file_system {
        FileSystem::Ramfs => Finding::pass(),
        FileSystem::Tmpfs if facts.swap => {
            Finding::unknown("the root lay in memory that may have been written to a swap device")
        }
        FileSystem::Tmpfs => Finding::pass(),
        FileSystem::Ext | FileSystem::Xfs => on_disk(facts),
        FileSystem::Other(name) => Finding::unknown(format!(
            "the root lay on {name}, which does not promise that overwriting a file replaces its old contents"
        )),
    }
}

fn on_disk(facts: &Facts) -> Finding {
    let mut finding = match facts.device {
        Device::Rotational => Finding::pass(),
        Device::Zoned => Finding::unknown("the disk rewrites blocks elsewhere and may keep old copies of a block"),
        Device::Flash => Finding::unknown("the root lay on flash, and flash may keep old copies of a block"),
        Device::Virtual => {
            Finding::unknown("the disk is virtual, and what lies below it may keep old copies of a block")
        }
        Device::Unknown => Finding::unknown("it is not known on what kind of device the root lay"),
    };
    if facts.data_journal {
        finding = finding.and(Finding::unknown(
            "the file system writes file contents to its journal first, which may keep old copies of a block",
        ));
    }
    if facts.in_inode {
        finding = finding.and(Finding::unknown(
            "the file system kept the root inside its metadata, whose journal may keep old copies",
        ));
    }
    finding
}

impl Facts {
    /// Looks at an existing file or folder.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let number = (major(metadata.dev()), minor(metadata.dev()));
        let file_system = file_system(statfs(path)?.f_type as u32);
        let mounts = fs::read_to_string("/proc/self/mountinfo");
        let device = match mounts {
            Ok(_) => device(Path::new("/sys/dev/block"), number, virtual_machine()),
            // Without its mount options nothing is known about a file system.
            Err(_) => Device::Unknown,
        };
        let mounts = mounts.unwrap_or_default();
        Ok(Self {
            device,
            data_journal: file_system == FileSystem::Ext && journals_data(&mounts, number),
            in_inode: metadata.is_file() && metadata.len() > 0 && metadata.blocks() == 0,
            swap: !option_is_set(&mounts, number, "noswap") && swap_is_on(),
            file_system,
        })
    }
}

/// Names the numbers of statfs(2).
const fn known_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x9123_683e => "btrfs",
        0x2fc1_2fc1 => "zfs",
        0xca45_1a4e => "bcachefs",
        0x794c_7630 => "overlay",
        0xf2f5_2010 => "f2fs",
        0x0000_3434 => "nilfs",
        0x0000_6969 => "nfs",
        0xff53_4d42 | 0xfe53_4d42 | 0x0000_517b => "cifs",
        0x6573_5546 => "fuse",
        0x0102_1997 => "9p",
        0x00c3_6400 => "ceph",
        0x0000_f15f => "ecryptfs",
        _ => return None,
    })
}

fn file_system(magic: u32) -> FileSystem {
    match magic {
        0x0000_ef53 => FileSystem::Ext,
        0x5846_5342 => FileSystem::Xfs,
        0x0102_1994 => FileSystem::Tmpfs,
        0x8584_58f6 => FileSystem::Ramfs,
        other => FileSystem::Other(
            known_name(other).map_or_else(|| format!("an unknown file system (0x{other:08x})"), ToOwned::to_owned),
        ),
    }
}

/// The kind of a block device, from the tree of links at `/sys/dev/block`.
/// `virtual_machine` is `None` where that could not be found out.
fn device(tree: &Path, (major, minor): (u32, u32), virtual_machine: Option<bool>) -> Device {
    let Ok(device) = fs::canonicalize(tree.join(format!("{major}:{minor}"))) else {
        return Device::Unknown;
    };
    // A partition's queue is its disk's.
    let disk = match device.parent() {
        Some(disk) if device.join("partition").exists() => disk.to_path_buf(),
        _ => device,
    };
    if is_mapped_or_emulated(&disk) || virtual_machine == Some(true) {
        return Device::Virtual;
    }
    // What cannot be read says nothing: without `rotational` the device is unknown,
    // and kernels without `zoned` know no such disks.
    let queue = |name: &str| fs::read_to_string(disk.join("queue").join(name)).unwrap_or_default();
    match (queue("rotational").trim(), queue("zoned").trim()) {
        ("0", _) => Device::Flash,
        ("1", "none" | "") if virtual_machine == Some(false) => Device::Rotational,
        ("1", "none" | "") => Device::Unknown,
        ("1", _) => Device::Zoned,
        _ => Device::Unknown,
    }
}

/// Device mapper, loop, RAID and the like stand under `virtual`; disks of a
/// hypervisor hang on its bus.
fn is_mapped_or_emulated(disk: &Path) -> bool {
    disk.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name == "virtual" || ["virtio", "vbd-", "xen", "vmbus", "VMBUS"].iter().any(|bus| name.starts_with(bus))
    })
}

/// Whether the kernel runs under a hypervisor: its own processor flag on x86,
/// `/sys/hypervisor` under Xen. `None`: not known, as on other processors.
fn virtual_machine() -> Option<bool> {
    if Path::new("/sys/hypervisor/type").exists() {
        return Some(true);
    }
    let processors = fs::read_to_string("/proc/cpuinfo").ok()?;
    let flags = processors.lines().find(|line| line.starts_with("flags"))?;
    Some(flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// Whether ext writes file contents to its journal: by mount option, or by the
/// default in its superblock, which only the file system's own list shows.
fn journals_data(mounts: &str, number: (u32, u32)) -> bool {
    option_is_set(mounts, number, "data=journal")
        || own_options(number).is_some_and(|options| options.lines().any(|option| option == "data=journal"))
}

fn own_options((major, minor): (u32, u32)) -> Option<String> {
    let device: PathBuf = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    fs::read_to_string(Path::new("/proc/fs/ext4").join(device.file_name()?).join("options")).ok()
}

/// Whether a mount of the device has the option, in the text of
/// `/proc/self/mountinfo` (proc(5): the device is field 3, the options of the file
/// system are the last field after ` - `).
fn option_is_set(mounts: &str, (major, minor): (u32, u32), option: &str) -> bool {
    let number = format!("{major}:{minor}");
    mounts.lines().filter(|line| line.split(' ').nth(2) == Some(number.as_str())).any(|line| {
        // A line without them, which proc(5) does not know, has none set.
        let options = line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').nth(2)).unwrap_or_default();
        options.split(',').any(|set| set == option)
    })
}

/// Where the list of swap devices cannot be read, there may be one.
fn swap_is_on() -> bool {
    fs::read_to_string("/proc/swaps").map_or(true, |swaps| swaps.lines().count() > 1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::domain::verdict::Verdict;

    fn facts(file_system: FileSystem, device: Device) -> Facts {
        Facts { file_system, device, data_journal: false, in_inode: false, swap: false }
    }

    fn verdict_of(facts: &Facts) -> Verdict {
        let finding = judge(facts);
        assert_eq!(finding.verdict == Verdict::Pass, finding.reasons.is_empty(), "{finding:?}");
        finding.verdict
    }

    #[test]
    fn only_a_rotational_disk_promises_anything_below_ext_and_xfs() {
        for device in [Device::Rotational, Device::Zoned, Device::Flash, Device::Virtual, Device::Unknown] {
            let expected = match device {
                Device::Rotational => Verdict::Pass,
                Device::Zoned | Device::Flash | Device::Virtual | Device::Unknown => Verdict::Unknown,
            };
            for file_system in [FileSystem::Ext, FileSystem::Xfs] {
                assert_eq!(verdict_of(&facts(file_system, device)), expected, "{device:?}");
            }
        }
    }

    #[test]
    fn every_file_system_has_its_verdict_on_the_best_disk() {
        let all = [
            (FileSystem::Ext, Verdict::Pass),
            (FileSystem::Xfs, Verdict::Pass),
            (FileSystem::Tmpfs, Verdict::Pass),
            (FileSystem::Ramfs, Verdict::Pass),
            (FileSystem::Other("btrfs".into()), Verdict::Unknown),
        ];
        for (file_system, expected) in all {
            assert_eq!(verdict_of(&facts(file_system.clone(), Device::Rotational)), expected, "{file_system:?}");
        }
    }

    #[test]
    fn a_journal_of_contents_or_contents_in_the_inode_take_the_promise_away() {
        let journal = Facts { data_journal: true, ..facts(FileSystem::Ext, Device::Rotational) };
        assert_eq!(verdict_of(&journal), Verdict::Unknown);
        let inode = Facts { in_inode: true, ..facts(FileSystem::Ext, Device::Rotational) };
        assert_eq!(verdict_of(&inode), Verdict::Unknown);
        let all = Facts { in_inode: true, data_journal: true, ..facts(FileSystem::Ext, Device::Flash) };
        assert_eq!(judge(&all).reasons.len(), 3);
    }

    #[test]
    fn memory_is_gone_unless_it_may_have_been_swapped_out() {
        let swapped = |file_system| Facts { swap: true, ..facts(file_system, Device::Unknown) };
        assert_eq!(verdict_of(&swapped(FileSystem::Tmpfs)), Verdict::Unknown);
        assert_eq!(verdict_of(&swapped(FileSystem::Ramfs)), Verdict::Pass);
    }

    #[test]
    fn every_known_number_of_a_copying_or_remote_file_system_has_its_name() {
        for (magic, name) in [
            (0x9123_683e, "btrfs"),
            (0x2fc1_2fc1, "zfs"),
            (0x794c_7630, "overlay"),
            (0xf2f5_2010, "f2fs"),
            (0x6969, "nfs"),
            (0xff53_4d42, "cifs"),
            (0xfe53_4d42, "cifs"),
            (0x6573_5546, "fuse"),
        ] {
            let file_system = file_system(magic);
            assert_eq!(file_system, FileSystem::Other(name.into()));
            let finding = judge(&facts(file_system, Device::Rotational));
            assert!(finding.reasons[0].contains(name), "{finding:?}");
        }
        assert_eq!(file_system(0xef53), FileSystem::Ext);
        assert_eq!(file_system(1), FileSystem::Other("an unknown file system (0x00000001)".into()));
    }

    /// A tree like `/sys`, with one disk `8:0` and its partition `8:1`.
    fn disk(place: &str, rotational: &str, zoned: &str) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let disk = root.path().join(place);
        fs::create_dir_all(disk.join("queue")).unwrap();
        fs::create_dir_all(disk.join("sda1")).unwrap();
        fs::write(disk.join("sda1/partition"), "1\n").unwrap();
        fs::write(disk.join("queue/rotational"), rotational).unwrap();
        fs::write(disk.join("queue/zoned"), zoned).unwrap();
        let links = root.path().join("links");
        fs::create_dir(&links).unwrap();
        symlink(&disk, links.join("8:0")).unwrap();
        symlink(disk.join("sda1"), links.join("8:1")).unwrap();
        (root, links)
    }

    #[test]
    fn a_device_is_what_its_disk_says_and_virtual_where_anything_says_so() {
        let real = Some(false);
        let cases = [
            ("pci/ata1/block/sda", "1\n", "none\n", real, Device::Rotational),
            ("pci/ata1/block/sda", "1\n", "host-managed\n", real, Device::Zoned),
            ("pci/ata1/block/sda", "0\n", "none\n", real, Device::Flash),
            ("pci/ata1/block/sda", "", "", real, Device::Unknown),
            ("pci/ata1/block/sda", "1\n", "none\n", Some(true), Device::Virtual),
            ("pci/ata1/block/sda", "1\n", "none\n", None, Device::Unknown),
            ("virtual/block/dm-0", "1\n", "none\n", real, Device::Virtual),
            ("pci/virtio1/block/vda", "1\n", "none\n", real, Device::Virtual),
        ];
        for (place, rotational, zoned, virtual_machine, expected) in cases {
            let (_root, links) = disk(place, rotational, zoned);
            for minor in [0, 1] {
                let found = device(&links, (8, minor), virtual_machine);
                assert_eq!(found, expected, "{place} {rotational:?} {zoned:?} {virtual_machine:?} 8:{minor}");
            }
            assert_eq!(device(&links, (0, 51), virtual_machine), Device::Unknown);
        }
    }

    #[test]
    fn mount_options_are_read_for_the_right_device() {
        let mounts = "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
                      27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,data=journal\n\
                      30 27 8:2 / /srv rw,data=journal master:2 shared:9 - ext4 /dev/sda2 rw,data=ordered\n\
                      31 27 0:40 / /run/keys rw - tmpfs none rw,size=4k,noswap\n";
        assert!(option_is_set(mounts, (8, 1), "data=journal"));
        assert!(!option_is_set(mounts, (8, 2), "data=journal"));
        assert!(!option_is_set(mounts, (8, 3), "data=journal"));
        assert!(option_is_set(mounts, (0, 40), "noswap"));
    }

    #[test]
    fn a_real_path_has_facts() {
        let dir = tempfile::tempdir().unwrap();
        let facts = Facts::of(dir.path()).unwrap();
        assert!(!facts.in_inode);
        assert!(Facts::of(&dir.path().join("missing")).is_err());
    }
}
