//! Did you mean …?

/// The candidate nearest to `word`, if one is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    // Two letters changed places are two replacements: half of a word of four.
    let limit = word.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether two words are one by more than their case and punctuation, but for one letter of a
/// longer word.
pub(crate) fn is_slip(a: &str, b: &str) -> bool {
    const LONG: usize = 6;
    let letters = |word: &str| -> String {
        word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (letters(a), letters(b));
    a == b || a.len().min(b.len()) >= LONG && distance(&a, &b) == 1
}

/// Insertions, deletions and replacements that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen() {
        let cases = [
            ("Share_Name", "ShareName", true),
            ("process_guidr", "process_guid", true),
            ("Recipients", "Recipients{}", true),
            ("user", "User", true),
            ("user", "users", false),
            ("process_id", "process", false),
            ("user_arn", "userName", false),
        ];
        for (a, b, expected) in cases {
            assert_eq!(is_slip(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["contains", "startswith", "re", "selection_img"];
        let cases = [
            ("contain", Some("contains")),
            ("StartWith", Some("startswith")),
            ("selection_image", Some("selection_img")),
            ("rex", Some("re")),
            ("filter", None),
            ("selection_mig", Some("selection_img")),
            ("", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
