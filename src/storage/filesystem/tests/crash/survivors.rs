//! What a power failure may leave of a world.
//!
//! Two models. POSIX: each name has any of the values that it had since the last sync of its directory, whatever became of
//! other names, so that the halves of a rename survive apart, and a file survives without its directory; and a file that was
//! not synced is whole, empty, cut off or zeroed. ext4: a prefix of the journal, each call whole, and files that were not
//! synced are whole or empty.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::world::{Content, DirNode, FileNode, Ino, Inode, Names, ROOT, World};

/// Something that a power failure decides.
enum Choice {
    /// What a name is.
    Name(Ino, OsString, Vec<Option<Ino>>),
    /// What a file holds.
    Bytes(Ino, Vec<Content>),
}

/// What may be left, and whether that is all.
pub(crate) struct Survivors {
    pub(crate) worlds: Vec<World>,
    /// Whether every combination is there. Otherwise they are the extremes and a sample.
    pub(crate) is_complete: bool,
}

impl Choice {
    fn options(&self) -> usize {
        match self {
            Self::Name(_, _, values) => values.len(),
            Self::Bytes(_, contents) => contents.len(),
        }
    }
}

fn choices(world: &World) -> Vec<Choice> {
    let mut choices = Vec::new();
    for (ino, inode) in &world.inodes {
        match inode {
            Inode::Dir(dir) => {
                let mut values: BTreeMap<&OsString, Vec<Option<Ino>>> = BTreeMap::new();
                for (name, value) in &dir.pending {
                    let seen = values
                        .entry(name)
                        .or_insert_with(|| vec![dir.synced.get(name).copied()]);
                    if !seen.contains(value) {
                        seen.push(*value);
                    }
                }
                for (name, values) in values.into_iter().filter(|(_, values)| values.len() > 1) {
                    choices.push(Choice::Name(*ino, name.clone(), values));
                }
            }
            Inode::File(file) => {
                let contents = file.survivors();
                if contents.len() > 1 {
                    choices.push(Choice::Bytes(*ino, contents));
                }
            }
        }
    }
    choices
}

/// Everything that POSIX allows, or at most `bound` of it: the oldest, the newest, each single difference from these, and
/// then combinations drawn by `seed`.
pub(crate) fn posix(world: &World, bound: usize, seed: u64) -> Survivors {
    let choices = choices(world);
    let sizes: Vec<usize> = choices.iter().map(Choice::options).collect();
    let possible = sizes
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size));
    let is_complete = possible.is_some_and(|possible| possible <= bound);
    let picks = if is_complete {
        every_pick(&sizes)
    } else {
        some_picks(&sizes, bound, seed)
    };
    Survivors {
        worlds: picks.iter().map(|pick| build(world, &choices, pick)).collect(),
        is_complete,
    }
}

fn every_pick(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut picks = vec![Vec::new()];
    for size in sizes {
        picks = picks
            .into_iter()
            .flat_map(|pick: Vec<usize>| {
                (0..*size).map(move |option| pick.iter().copied().chain([option]).collect())
            })
            .collect();
    }
    picks
}

fn some_picks(sizes: &[usize], bound: usize, seed: u64) -> Vec<Vec<usize>> {
    let oldest: Vec<usize> = sizes.iter().map(|_| 0).collect();
    let newest: Vec<usize> = sizes.iter().map(|size| size - 1).collect();
    let mut picks = vec![oldest.clone(), newest.clone()];
    for (place, size) in sizes.iter().enumerate() {
        for base in [&oldest, &newest] {
            for option in (0..*size).filter(|option| *option != base[place]) {
                let mut pick = base.clone();
                pick[place] = option;
                picks.push(pick);
            }
        }
    }
    let mut random = Random(seed);
    while picks.len() < bound {
        picks.push(sizes.iter().map(|size| random.below(*size)).collect());
    }
    picks
}

fn build(world: &World, choices: &[Choice], pick: &[usize]) -> World {
    let mut names: BTreeMap<Ino, Names> = BTreeMap::new();
    let mut contents: BTreeMap<Ino, Content> = BTreeMap::new();
    for (choice, option) in choices.iter().zip(pick) {
        match choice {
            Choice::Name(dir, name, values) => {
                let of_dir = names
                    .entry(*dir)
                    .or_insert_with(|| world.dir(*dir).unwrap().synced.clone());
                match values[*option] {
                    Some(ino) => of_dir.insert(name.clone(), ino),
                    None => of_dir.remove(name),
                };
            }
            Choice::Bytes(ino, options) => drop(contents.insert(*ino, options[*option].clone())),
        }
    }
    let names_of = |ino: Ino, dir: &DirNode| names.get(&ino).unwrap_or(&dir.synced).clone();
    let bytes_of = |ino: Ino, file: &FileNode| contents.get(&ino).unwrap_or(&file.cached).clone();
    materialize(world, &names_of, &bytes_of)
}

/// Every prefix of the journal, with the files that were not synced whole and empty.
pub(crate) fn ordered(world: &World) -> Vec<World> {
    let mut names: BTreeMap<Ino, Names> = BTreeMap::new();
    for (ino, inode) in &world.inodes {
        if let Inode::Dir(dir) = inode {
            names.insert(*ino, dir.committed.clone());
        }
    }
    let mut worlds = Vec::new();
    for transactions in 0..=world.journal.len() {
        if let Some(last) = transactions.checked_sub(1) {
            for (dir, name, value) in &world.journal[last] {
                let of_dir = names.entry(*dir).or_default();
                match value {
                    Some(ino) => of_dir.insert(name.clone(), *ino),
                    None => of_dir.remove(name),
                };
            }
        }
        for last in [false, true] {
            let names_of = |ino: Ino, _: &DirNode| names.get(&ino).cloned().unwrap_or_default();
            let bytes_of = |_: Ino, file: &FileNode| {
                let options = file.survivors();
                options[if last { 1.min(options.len() - 1) } else { 0 }].clone()
            };
            worlds.push(materialize(world, &names_of, &bytes_of));
        }
    }
    worlds
}

/// Builds the world of which the given names and bytes are left. What no name leads to is gone.
fn materialize(
    world: &World,
    names_of: &dyn Fn(Ino, &DirNode) -> Names,
    bytes_of: &dyn Fn(Ino, &FileNode) -> Content,
) -> World {
    let mut inodes = BTreeMap::new();
    let mut open = vec![ROOT];
    while let Some(ino) = open.pop() {
        if inodes.contains_key(&ino) {
            continue;
        }
        let inode = match &world.inodes[&ino] {
            Inode::File(file) => {
                let bytes = bytes_of(ino, file);
                Inode::File(FileNode {
                    synced: Some(bytes.clone()),
                    cached: bytes,
                    is_lost: false,
                    changed: file.changed,
                })
            }
            Inode::Dir(dir) => {
                let names = names_of(ino, dir);
                open.extend(names.values());
                let changed = if names == dir.synced {
                    dir.synced_changed
                } else {
                    dir.changed
                };
                Inode::Dir(DirNode::durable(names, changed))
            }
        };
        inodes.insert(ino, inode);
    }
    world.surviving(inodes)
}

/// Numbers that look random and are the same in every run (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}
