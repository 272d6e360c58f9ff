//! Random changes of real files, the same for the same seed.

use std::{fs, path::Path};

/// `splitmix64`: enough for choosing changes, and no dependency.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that always fall the same way for a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or(0)
    }
}

/// All files of some directories, in the order of their names.
///
/// # Panics
/// If a directory can't be read.
pub(crate) fn corpus(directories: &[&Path]) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    for directory in directories {
        let entries = fs::read_dir(directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        paths.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"));
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

const TOKENS: [&str; 36] = [
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "# ",
    "\t",
    "\r\n",
    "\u{feff}",
    "é",
    "日",
    "🚀",
    "\0",
    "---\n",
    "...\n",
    "? ",
    "~",
    "{{ input.x }}",
    "steps:",
    "map:",
    "decision:",
    "1e400",
    "0x",
    "\\u12",
    "%YAML 1.2\n",
    "  ",
    "\u{2028}",
];

/// One of the files with one to eight changes.
pub(crate) fn mutated(corpus: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut bytes = corpus.get(dice.below(corpus.len())).cloned().unwrap_or_default();
    for _ in 0..=dice.below(8) {
        change(&mut bytes, corpus, &mut dice);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    match dice.below(9) {
        0 => drop(bytes.splice(at..at, TOKENS[dice.below(TOKENS.len())].bytes())),
        1 => bytes.truncate(at),
        2 if at < bytes.len() => bytes[at] = dice.next().to_le_bytes()[0],
        3 => {
            let end = (at + dice.below(20)).min(bytes.len());
            bytes.drain(at..end);
        }
        4 => {
            let end = (at + dice.below(200)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let to = dice.below(bytes.len() + 1);
            bytes.splice(to..to, piece);
        }
        5 => lines(bytes, dice, |lines, from, to| lines.swap(from, to)),
        6 => lines(bytes, dice, |lines, from, to| {
            let line = lines.remove(from);
            lines.insert(to.min(lines.len()), line);
        }),
        7 => lines(bytes, dice, |lines, from, to| {
            let line = &mut lines[from];
            if to % 2 == 0 {
                line.splice(0..0, b"  ".iter().copied());
            } else if line.starts_with(b" ") {
                line.remove(0);
            }
        }),
        _ => {
            let other = &corpus[dice.below(corpus.len())];
            let from = dice.below(other.len() + 1);
            let end = (from + dice.below(300)).min(other.len());
            bytes.splice(at..at, other[from..end].iter().copied());
        }
    }
}

/// Changes the list of lines; the two numbers are lines.
fn lines(bytes: &mut Vec<u8>, dice: &mut Dice, how: impl Fn(&mut Vec<Vec<u8>>, usize, usize)) {
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return;
    }
    let (from, to) = (dice.below(lines.len()), dice.below(lines.len()));
    how(&mut lines, from, to);
    *bytes = lines.concat();
}
