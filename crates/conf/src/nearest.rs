//! The word that was probably meant: nearest by edit distance among those that would be right.

/// Longer words are not compared: no keyword is half as long, and the cost is the product of the lengths.
const LENGTH_LIMIT: usize = 64;

/// More candidates are not compared: a file with thousands of names and a mistake in each use would take minutes.
const CANDIDATES_LIMIT: usize = 1000;

/// The candidate nearest to a word, if it is near enough to be what was meant: one edit in three letters.
#[must_use]
pub fn nearest<'c>(word: &[u8], candidates: impl Iterator<Item = &'c [u8]>) -> Option<&'c [u8]> {
    if word.is_empty() || word.len() > LENGTH_LIMIT {
        return None;
    }
    let allowed = word.len().div_ceil(3);
    let mut candidates: Vec<&[u8]> = candidates.take(CANDIDATES_LIMIT).collect();
    candidates.retain(|c| c.len() <= LENGTH_LIMIT);
    let edited = candidates
        .iter()
        .copied()
        .filter(|c| c.len().abs_diff(word.len()) <= allowed)
        .map(|c| (distance(word, c), c))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c);
    // `device` for `dev`, `prio` for `priority`: too far to edit, and clear.
    let begun = |c: &&[u8]| word.len() >= 3 && c.len() >= 3 && (word.starts_with(c) || c.starts_with(word));
    edited.or_else(|| candidates.into_iter().find(begun))
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other (optimal string
/// alignment). Another case and `-` for `_` count as one edit like any other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best = cell(&above, j) + usize::from(x != y);
            best = best.min(cell(&above, j + 1) + 1).min(cell(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(cell(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = core::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let words: [&[u8]; 4] = [b"priority", b"interface", b"state", b"virtual_router_id"];
        let near = |word: &[u8]| nearest(word, words.into_iter());
        assert_eq!(near(b"prioritty"), Some(&b"priority"[..]));
        assert_eq!(near(b"pirority"), Some(&b"priority"[..]));
        assert_eq!(near(b"virtual-router-id"), Some(&b"virtual_router_id"[..]));
        assert_eq!(near(b"smtp_alert"), None);
        assert_eq!(distance(b"abc", b"acb"), 1);
        assert_eq!(distance(b"", b"ab"), 2);
    }
}
