//! The nearest known word to one that is not known.

/// The known word that `word` was probably meant to be: at most a third of its letters differ, or
/// it starts alike.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    const LONGEST: usize = 64;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = lower.chars().count().max(3) / 3;
    let close = |candidate: &str| {
        let distance = strsim::osa_distance(&lower, &candidate.to_lowercase());
        // `retires` for `retry`: the same start counts for more than the letters that differ.
        let alike = lower.len() >= 4 && strsim::jaro_winkler(&lower, candidate) > 0.84;
        (distance <= allowed || alike).then_some(distance)
    };
    known
        .filter(|candidate| candidate.len() <= LONGEST)
        .filter_map(|candidate| Some((close(candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ``a`, `b` and `c``, for messages.
pub(super) fn list<'k>(words: impl IntoIterator<Item = &'k str>) -> String {
    let quoted: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["retry", "timeout", "on_error", "max_attempts", "id"];
        for (word, meant) in [
            ("retrys", Some("retry")),
            ("tiemout", Some("timeout")),
            ("onerror", Some("on_error")),
            ("ID", Some("id")),
            ("max_atempts", Some("max_attempts")),
            ("retires", Some("retry")),
            ("time", Some("timeout")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), meant, "{word}");
        }
    }
}
