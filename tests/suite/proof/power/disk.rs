//! The journal of a store's files, and what a disk may hold of them after a power cut.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::numbers::Random;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Step {
    Write(usize, usize, Vec<u8>),
    Cut(usize, usize),
    Sync(usize),
}

pub struct Journal {
    names: Vec<PathBuf>,
    steps: Vec<Step>,
}

impl Journal {
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mut journal = Self { names: Vec::new(), steps: Vec::new() };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(40);
            let number = |index: usize| {
                let bytes = head[index * 8..index * 8 + 8].try_into().unwrap();
                usize::try_from(u64::from_ne_bytes(bytes)).unwrap()
            };
            let (kind, file, offset, length) = (number(0), number(1), number(2), number(3));
            let has_bytes = kind == 1 || kind == 4;
            let (body, tail) = tail.split_at(if has_bytes { length } else { 0 });
            match kind {
                1 => journal.steps.push(Step::Write(file, offset, body.to_vec())),
                2 => journal.steps.push(Step::Cut(file, length)),
                3 => journal.steps.push(Step::Sync(file)),
                _ => journal.names.push(PathBuf::from(String::from_utf8_lossy(body).into_owned())),
            }
            rest = tail;
        }
        journal
    }

    /// Makes it the journal of a store that never syncs, as one with `synchronous = OFF`.
    pub fn forget_syncs(&mut self) {
        self.steps.retain(|step| !matches!(step, Step::Sync(_)));
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    fn file(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|path| path.file_name().is_some_and(|file| file == name))
    }

    /// What had been written to the file of acknowledgements: it is not on the disk, somebody has heard it.
    pub fn acknowledged(&self, place: usize) -> String {
        let Some(wanted) = self.file("acknowledged") else { return String::new() };
        let mut text = Vec::new();
        for step in &self.steps[..place] {
            if let Step::Write(file, _, bytes) = step
                && *file == wanted
            {
                text.extend_from_slice(bytes);
            }
        }
        String::from_utf8(text).unwrap()
    }

    /// Builds the files as they may be when the power goes before step `place`. The index of the log lives in shared
    /// memory and is gone.
    pub fn write_disk(&self, place: usize, random: &mut Random, folder: &Path) {
        // How this cut treats what was not synced: drops all of it, keeps some, tears some.
        let mode = random.below(3);
        let mut disk: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for (number, name) in self.names.iter().enumerate() {
            let text = name.to_string_lossy();
            let is_kept = text.ends_with("store.db") || text.ends_with("store.db-wal");
            if !is_kept {
                continue;
            }
            let mine = |step: &Step| match step {
                Step::Write(file, ..) | Step::Cut(file, _) | Step::Sync(file) => *file == number,
            };
            let last_sync = self.steps[..place]
                .iter()
                .rposition(|step| matches!(step, Step::Sync(file) if *file == number))
                .map_or(0, |at| at + 1);
            let mut bytes = Vec::new();
            for (at, step) in self.steps[..place].iter().enumerate().filter(|(_, step)| mine(step)) {
                let is_synced = at < last_sync;
                if !is_synced && (mode == 0 || random.percent(40)) {
                    continue;
                }
                match step {
                    Step::Write(_, offset, new) => {
                        let is_torn = !is_synced && mode == 2;
                        put(&mut bytes, *offset, new, is_torn.then_some(&mut *random));
                    }
                    Step::Cut(_, length) => bytes.resize(*length, 0),
                    Step::Sync(_) => {}
                }
            }
            disk.insert(number, bytes);
        }
        for (number, bytes) in disk {
            std::fs::write(folder.join(self.names[number].file_name().unwrap()), bytes).unwrap();
        }
    }
}

/// Writes all of it, or some of its sectors.
fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8], mut torn: Option<&mut Random>) {
    let mut at = offset;
    let mut rest = new;
    while !rest.is_empty() {
        let length = (SECTOR - at % SECTOR).min(rest.len());
        let (sector, tail) = rest.split_at(length);
        let is_lost = torn.as_mut().is_some_and(|random| random.percent(50));
        if !is_lost {
            if bytes.len() < at + length {
                bytes.resize(at + length, 0);
            }
            bytes[at..at + length].copy_from_slice(sector);
        }
        at += length;
        rest = tail;
    }
}
