//! Case folding: one character at a time, so that folding a part gives a part of the folded whole.

/// Folds `text` for comparison without case.
///
/// Every character becomes its Unicode lower case, without regard to its neighbours: the
/// context-dependent final sigma of [`str::to_lowercase`] would make a folded pattern differ from
/// the same characters inside a folded value.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// As [`fold`], appending to `out`.
pub fn fold_into(text: &str, out: &mut String) {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        out[start..].make_ascii_lowercase();
        return;
    }
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
        } else {
            out.extend(c.to_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_a_part_gives_a_part_of_the_folded_whole() {
        for (text, part) in [("ΟΔΟΣ", "ΔΟΣ"), ("İSTANBUL", "STAN"), ("Straße", "ASSE")] {
            assert_eq!(
                fold(text).contains(&fold(part)),
                text.to_uppercase().contains(part) && part != "ASSE"
            );
        }
        assert_eq!(fold("C:\\Windows"), "c:\\windows");
    }
}
