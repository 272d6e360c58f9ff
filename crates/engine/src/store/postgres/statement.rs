//! The statement of a batch, put together from what the batch needs.
//!
//! Every part of a statement costs its share whether it has anything to do or not: PostgreSQL sets
//! up each scan and each table to be written anew. Most batches begin and end runs; few have mail,
//! and hardly any large values.
//!
//! Each part is a file in `sql/append`, and they share their parameters, which are always bound:
//!
//! | parameters | what |
//! |---|---|
//! | `$1`–`$5` | every row, sorted by run |
//! | `$6`–`$17`, `$34` | the runs that rows 0 begin, sorted by key: two writers wait for keys in one order |
//! | `$18`–`$23`, `$35` | changes of runs |
//! | `$24`–`$25` | inbox rows that are consumed |
//! | `$26`–`$29` | messages: from, to, key, body |
//! | `$30` | whether to say which rows went in |
//! | `$31`–`$33` | large values: run, hash, bytes |
//!
//! Where a table is joined, its rows are named by `ANY` as well: then an index is probed, however
//! the planner joins, also by a plan that was made while the tables were empty.

use std::sync::LazyLock;

use crate::store::Append;

/// Rows alone.
pub(super) const PLAIN: &str = include_str!("sql/append/plain.sql");

/// What a batch does beside adding rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent parts of a statement")]
pub(super) struct Shape {
    /// It begins runs.
    makes: bool,
    /// It changes runs' rows.
    changes: bool,
    /// It reads or sends messages.
    mails: bool,
    /// It has large values.
    keeps: bool,
}

impl Shape {
    pub(super) fn of<'a>(batch: impl Iterator<Item = &'a Append>) -> Self {
        let mut shape = Self::default();
        for append in batch {
            shape.makes |= append.create.is_some();
            // A new run's row is made with its update in it.
            shape.changes |= append.update.is_some() && append.create.is_none();
            shape.mails |= !append.consumed.is_empty() || !append.send.is_empty();
            shape.keeps |= !append.blobs.is_empty();
        }
        shape
    }

    /// The statement that commits such a batch, whole or not at all.
    pub(super) fn statement(self) -> &'static str {
        static ALL: LazyLock<Vec<String>> =
            LazyLock::new(|| (0..16).map(|bits| Shape::from_bits(bits).text()).collect());
        ALL.get(self.bits()).map_or(PLAIN, String::as_str)
    }

    fn bits(self) -> usize {
        let bits = [self.makes, self.changes, self.mails, self.keeps];
        bits.iter().rev().fold(0, |all, bit| all * 2 + usize::from(*bit))
    }

    fn from_bits(bits: usize) -> Self {
        let is_set = |place: usize| bits >> place & 1 == 1;
        Self { makes: is_set(0), changes: is_set(1), mails: is_set(2), keeps: is_set(3) }
    }

    fn text(self) -> String {
        let mut parts = vec![
            if self.changes {
                include_str!("sql/append/held.sql")
            } else {
                include_str!("sql/append/no_held.sql")
            },
            if self.makes {
                include_str!("sql/append/made.sql")
            } else {
                include_str!("sql/append/no_made.sql")
            },
            include_str!("sql/append/put.sql"),
        ];
        if self.changes {
            parts.push(include_str!("sql/append/changed.sql"));
            parts.push(include_str!("sql/append/cleared.sql"));
        }
        if self.mails {
            parts.push(include_str!("sql/append/read.sql"));
            parts.push(include_str!("sql/append/sent.sql"));
        }
        if self.keeps {
            parts.push(include_str!("sql/append/kept.sql"));
        }
        format!("WITH {}{}", parts.join(","), include_str!("sql/append/answer.sql"))
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    #[test]
    fn each_shape_has_its_statement() {
        let mut texts = std::collections::HashSet::new();
        for bits in 0..16 {
            let shape = Shape::from_bits(bits);
            assert_eq!(shape.bits(), bits);
            let text = shape.statement();
            assert!(texts.insert(text));
            assert_eq!(text.contains("INSERT INTO runs"), shape.makes, "{text}");
            assert_eq!(text.contains("UPDATE runs"), shape.changes, "{text}");
            assert_eq!(text.contains("INSERT INTO inbox"), shape.mails, "{text}");
            assert_eq!(text.contains("INSERT INTO blobs"), shape.keeps, "{text}");
        }
    }
}
