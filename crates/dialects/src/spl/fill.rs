//! Searches with places for values: those that authors offer for looking further into an alert.

/// A search with its places filled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled {
    /// The search.
    pub search: String,
    /// Names that had no value: their places stay as they are.
    pub missing: Vec<String>,
}

/// What stands for the search of the rule itself.
const ORIGINAL: &str = "%original_detection_search%";

/// Fills `$name$` with the values of a name, and the place of the rule's own search with that.
///
/// A value is put in quotes where there are none. Several are a list behind `IN (`, and else an
/// `OR` of the comparison they stand in.
pub fn fill(template: &str, original: &str, values: &dyn Fn(&str) -> Vec<String>) -> Filled {
    let mut filled = Filled::default();
    let mut rest = template;
    while let Some(at) = rest.find(['$', '%']) {
        filled.search.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(behind) = rest.strip_prefix(ORIGINAL) {
            filled.search.push_str(original);
            rest = behind;
            continue;
        }
        let Some((name, behind)) = place(rest) else {
            filled.search.push_str(&rest[..1]);
            rest = &rest[1..];
            continue;
        };
        let found = values(name);
        if found.is_empty() {
            filled.search.push_str(&rest[..rest.len() - behind.len()]);
            if !filled.missing.iter().any(|own| own == name) {
                filled.missing.push(name.to_owned());
            }
            rest = behind;
        } else {
            rest = put(&mut filled.search, &found, behind);
        }
    }
    filled.search.push_str(rest);
    filled
}

/// The name of a place at the start of a text, without a filter such as `|s`, and what follows.
fn place(text: &str) -> Option<(&str, &str)> {
    let (name, behind) = text.strip_prefix('$')?.split_once('$')?;
    let name = name.split_once('|').map_or(name, |(name, _)| name);
    let plain = |c: char| c.is_alphanumeric() || "_.{}:-@".contains(c);
    (!name.is_empty() && name.chars().all(plain)).then_some((name, behind))
}

/// Puts values where a search ends, and returns what goes on behind them.
fn put<'t>(search: &mut String, values: &[String], behind: &'t str) -> &'t str {
    let quoted = in_quotes(search);
    let all: Vec<String> = values.iter().map(|value| escaped(value)).collect();
    let comparison = if all.len() > 1 { comparison(search) } else { None };
    let Some(start) = comparison else {
        // Quotes that are there open the first value and close the last.
        let text = all.join("\", \"");
        let text = if quoted { text } else { format!("\"{text}\"") };
        search.push_str(&text);
        return behind;
    };
    let field = search[start..].trim_end_matches('"').to_owned();
    search.truncate(start);
    let each: Vec<String> = all.iter().map(|value| format!("{field}\"{value}\"")).collect();
    search.push_str(&format!("({})", each.join(" OR ")));
    if quoted { behind.strip_prefix('"').unwrap_or(behind) } else { behind }
}

/// Whether a search ends inside of quotes.
fn in_quotes(search: &str) -> bool {
    let mut bytes = search.bytes();
    let mut open = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => open = !open,
            _ => {}
        }
    }
    open
}

/// Where a comparison starts that a search ends with: `field =`, with an open quote or without.
fn comparison(search: &str) -> Option<usize> {
    let before = search.strip_suffix('"').unwrap_or(search).trim_end();
    let before = before.strip_suffix('=')?;
    let before = before.strip_suffix('!').unwrap_or(before).trim_end();
    let part = |c: char| c.is_alphanumeric() || "_.{}:-@'\"".contains(c);
    let start = before.trim_end_matches(part).len();
    (start < before.len()).then_some(start)
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let values = |name: &str| -> Vec<String> {
            let texts: &[&str] = match name {
                "dest" => &["ws 01"],
                "user" => &["amy", "CORP\\bob"],
                "path" => &["C:\\a \"b\""],
                "id" => &["4"],
                _ => &[],
            };
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        let cases = [
            ("search dest = $dest$ id=$id$", r#"search dest = "ws 01" id="4""#, ""),
            ("search dest = \"$dest$\"", r#"search dest = "ws 01""#, ""),
            ("search dest=$dest|s$", r#"search dest="ws 01""#, ""),
            ("x user = $user$ a=b", r#"x (user = "amy" OR user = "CORP\\bob") a=b"#, ""),
            ("x user=\"$user$\" a=b", r#"x (user="amy" OR user="CORP\\bob") a=b"#, ""),
            ("o IN ($user$, $dest$)", r#"o IN ("amy", "CORP\\bob", "ws 01")"#, ""),
            ("o IN (\"$user$\")", r#"o IN ("amy", "CORP\\bob")"#, ""),
            ("path=$path$", r#"path="C:\\a \"b\"""#, ""),
            ("%original_detection_search% | search a=$id$", r#"| x $dest$ | search a="4""#, ""),
            ("a=$none$ b=$none$", "a=$none$ b=$none$", "none"),
            ("cost>$5 or 50% $dest", "cost>$5 or 50% $dest", ""),
            ("", "", ""),
        ];
        for (template, expected, missing) in cases {
            let filled = fill(template, "| x $dest$", &values);
            assert_eq!(filled.search, expected, "{template}");
            assert_eq!(filled.missing.join(" "), missing, "{template}");
        }
    }
}
