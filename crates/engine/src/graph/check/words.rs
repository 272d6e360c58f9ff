//! Words for people.

pub(super) use crate::expr::nearest;

/// "did you mean `x`?", or what there is, if that is not much.
pub(super) fn suggest<'k>(
    word: &str,
    what: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> Option<String> {
    if let Some(near) = nearest(word, known.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let known: Vec<_> = known.collect();
    (1..=16).contains(&known.len()).then(|| format!("{what}: {}", list(known)))
}

/// ``a`, `b` and `c``.
pub(super) fn list<'k>(words: impl IntoIterator<Item = &'k str>) -> String {
    let quoted: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}
