//! Suggests the nearest known word for "did you mean", if one is near.

/// Share of the letters of a word that may be wrong for a suggestion.
const TOLERANCE: f64 = 0.4;

/// The candidate nearest to `word`, if it is near enough (Damerau-Levenshtein). The first one wins a tie.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() as f64 * TOLERANCE).ceil() as usize;
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The `count` candidates whose beginnings are most similar to `word`, which may be cut short; the most similar first.
pub fn similar<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    count: usize,
) -> Vec<&'a str> {
    let length = word.chars().count();
    let distance = |candidate: &&str| {
        let beginning: String = candidate.chars().take(length).collect();
        strsim::damerau_levenshtein(word, &beginning)
    };
    let mut candidates: Vec<&str> = candidates.into_iter().collect();
    candidates.sort_by_cached_key(distance);
    candidates.truncate(count);
    candidates
}

/// Returns `; did you mean ...?` with the nearest candidate, or else a list of the known words.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None if known.is_empty() => String::new(),
        None => format!(
            "; known: {}",
            known
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_similar_by_their_beginnings() {
        let known = ["evaluate-0a1b", "distill-77aa", "distill-0a1c"];
        assert_eq!(
            similar("distil-0a1", known, 2),
            ["distill-0a1c", "distill-77aa"]
        );
        assert_eq!(similar("", known, 5).len(), 3);
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["steps", "rate", "weight-decay"];
        assert_eq!(nearest("setps", known), Some("steps"));
        assert_eq!(nearest("weight_decay", known), Some("weight-decay"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(
            hint("banana", known),
            "; known: `steps`, `rate`, `weight-decay`"
        );
        assert_eq!(
            nearest("x", ["y"]),
            None,
            "a word of which no letter is right is not meant"
        );
    }
}
