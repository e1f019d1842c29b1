//! SPL, where only its syntax is looked at.
//!
//! Golden files: `tests/spl/{ok,err}/NAME.in` holds searches with a line of dashes between, and
//! beside it stands what is made of them: `.tokens`, `.ast` and `.diag`.
//! `UPDATE_GOLDEN=1 cargo test` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rulestone_dialects::containers::yaml::{self, Node};
use rulestone_dialects::spl::{Text, print_ast, print_tokens};
use rulestone_dialects::{Environment, Macro};
use rulestone_ir::{Clock, Diagnostic, Level, LineIndex, Schema, Span, Status};

/// The line between two searches of a case.
const BETWEEN: &str = "---\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spl")
}

fn environment() -> Environment {
    let one = |arguments: &[&str], definition: &str| Macro {
        arguments: arguments.iter().map(|name| (*name).to_owned()).collect(),
        definition: definition.to_owned(),
        is_eval: false,
    };
    let macros = [
        ("sysmon", one(&[], "eventtype=sysmon OR source=*Sysmon*")),
        ("by_image(2)", one(&["image", "user"], "Image=\"$image$\" `of_user($user$)` cost=$5")),
        ("of_user(1)", one(&["user"], "User=$user$ ```of the account```")),
        ("noop", one(&[], "")),
        ("piped", one(&[], "| inputlookup a | table b")),
        ("window", one(&[], "\"-90d@d\"")),
        ("limit", one(&[], "5")),
        ("two(2)", one(&["a", "b"], "$a$ $b$")),
        ("forever", one(&[], "search x `forever`")),
        ("computed", Macro { is_eval: true, ..one(&[], "1+1") }),
    ];
    let macros = macros.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    Environment { macros, ..Environment::default() }
}

/// Tokens, AST and diagnostics of one search that stands at `offset`.
fn read(
    search: &str,
    offset: usize,
    environment: &Environment,
) -> (String, String, Vec<Diagnostic>) {
    let place = |range: Range<usize>| Span::new(offset + range.start..offset + range.end);
    let text =
        Text { search, place: &place, clock: Clock::Whole, schema: Schema::Splunk, written: None };
    let mut diagnostics = Vec::new();
    let ast = print_ast(&text, environment, &mut diagnostics);
    (print_tokens(&text, environment, &mut Vec::new()), ast, diagnostics)
}

#[test]
fn golden_files() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for kind in ["ok", "err"] {
        for input in inputs(&folder().join(kind)) {
            let text = std::fs::read_to_string(&input).unwrap();
            for (extension, found) in outputs(&text, kind) {
                let path = input.with_extension(extension);
                if update && !found.is_empty() {
                    std::fs::write(&path, found).unwrap();
                } else if update {
                    let _ = std::fs::remove_file(&path);
                } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
                    wrong.push(format!("{}:\n{found}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not as recorded:\n{}", wrong.join("\n"));
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of cases");
    let paths = entries.map(|entry| entry.expect("a case").path());
    let is_input = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "in");
    let mut inputs: Vec<_> = paths.filter(is_input).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no cases in {}", folder.display());
    inputs
}

/// What is made of the searches of a case, by the extension of its golden file.
fn outputs(text: &str, kind: &str) -> [(&'static str, String); 3] {
    let lines = LineIndex::new(text);
    let (mut tokens, mut asts, mut said) = (Vec::new(), Vec::new(), String::new());
    let mut offset = 0;
    for search in text.split(BETWEEN) {
        let (token, ast, diagnostics) = read(search, offset, &environment());
        assert_eq!(Status::of(&diagnostics).runs(), kind == "ok", "{search}: {diagnostics:#?}");
        diagnostics.iter().for_each(|found| print_diagnostic(text, &lines, found, &mut said));
        tokens.push(token);
        asts.push(ast);
        offset += search.len() + BETWEEN.len();
    }
    [("tokens", tokens.join(BETWEEN)), ("ast", asts.join(BETWEEN)), ("diag", said)]
}

fn print_diagnostic(text: &str, lines: &LineIndex, diagnostic: &Diagnostic, out: &mut String) {
    let Diagnostic { code, level, message, span, help, .. } = diagnostic;
    let (line, column) = lines.position(text, span.start);
    let _ = writeln!(out, "{} {code} at {line}:{column}: {message}", level.as_str());
    let _ = writeln!(out, "  on {:?}", text.get(span.start..span.end).unwrap_or("(no text)"));
    if let Some(help) = help {
        let _ = writeln!(out, "  help: {help}");
    }
}

/// The two precedences, and what escapes mean, as the tree says them.
#[test]
fn expressions_print_with_their_structure() {
    let cases = [
        ("a b OR c", "a (b OR c)"),
        ("a OR b c OR d", "(a OR b) (c OR d)"),
        ("a AND b OR c AND NOT d", "a (b OR c) NOT d"),
        ("NOT a OR b", "(NOT a OR b)"),
        ("(a b) OR c", "((a AND b) OR c)"),
        ("NOT (a OR b) c", "NOT (a OR b) c"),
        ("x=a OR x=b y=c", "(x=a OR x=b) y=c"),
        (r#"x="\\\\server\*""#, r#"x="\\\\server\\*""#),
        (r#"x="C:\\a\b""#, r#"x="C:\\a\\b""#),
        (r"x=C:\\a\b", r"x=C:\a\b"),
        (r#"x=\"a\" y"#, r#"x="a" y"#),
        (r#""\"" \\"#, r#""\"" \"#),
        ("| where a OR b AND c", "('a' OR ('b' AND 'c'))"),
        ("| where a XOR b OR c", "('a' XOR ('b' OR 'c'))"),
        ("| where NOT a AND b", "((NOT 'a') AND 'b')"),
        ("| where NOT a=b", "(NOT ('a' = 'b'))"),
        ("| where not a in (1) or b", "((NOT ('a' IN (1))) OR 'b')"),
        ("| where !a", "(NOT 'a')"),
        ("| where a+b*c", "('a' + ('b' * 'c'))"),
        ("| where a-b-c", "(('a' - 'b') - 'c')"),
        ("| where a.b+c", "('a' . ('b' + 'c'))"),
        ("| where a.b=c", "(('a' . 'b') = 'c')"),
        ("| where a%2=1 AND -b<3", "((('a' % 2) = 1) AND ((- 'b') < 3))"),
        ("| where a like b AND c", "(('a' LIKE 'b') AND 'c')"),
        (r#"| where x="\\a\.\"""#, r#"('x' = "\\a\\.\"")"#),
        (r#"| where match(x, "^\\\\a\d")"#, r#"match('x', "^\\\\a\\d")"#),
        (r#"| regex x="\\\\a\d\"""#, r#"x = \\a\d""#),
        ("| where 'a.b'=\"c.d\"", r#"('a.b' = "c.d")"#),
    ];
    for (search, expected) in cases {
        let (_, ast, diagnostics) = read(search, 0, &Environment::default());
        let lines: Vec<_> = ast.lines().skip(1).map(str::trim).collect();
        assert_eq!(lines.join(" "), expected, "{search}");
        let said = diagnostics.iter().filter(|own| own.code != "mixed-boolean");
        assert_eq!(said.count(), 0, "{search}: {diagnostics:?}");
    }
}

/// Every code that comes of syntax has a case and is documented.
#[test]
fn codes_are_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut seen = BTreeSet::new();
    for kind in ["ok", "err"] {
        for input in inputs(&folder().join(kind)) {
            let text = std::fs::read_to_string(&input).unwrap();
            for search in text.split(BETWEEN) {
                seen.extend(read(search, 0, &environment()).2.iter().map(|found| found.code));
            }
        }
    }
    for code in seen {
        assert!(page.contains(&format!("| `{code}` |")), "{code} is not documented");
    }
}

/// Searches of the second set that are broken as published: parentheses and quotes that are
/// missing or too many (14), and operators that are none (4).
const BROKEN_OF_AN_ARMORY: usize = 18;

/// The public searches, where they are at hand: each of them is read.
#[test]
fn public_searches_are_read() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/rules");
    if !corpora.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let rules = corpora.join("splunk-escu");
    let environment = Environment { macros: macros_of(&rules), ..Environment::default() };
    let mut searches = Vec::new();
    for part in ["detections", "baselines"] {
        collect(&rules.join(part), &mut |path, node| {
            let text = |node: &Node<'_>| node.get("search").and_then(Node::text).map(str::to_owned);
            searches.extend(text(node).map(|search| (path.to_owned(), search)));
        });
    }
    println!("{} searches, {} macros", searches.len(), environment.macros.len());
    assert!(searches.len() > 1000);
    check(&searches, &environment, 0);
}

/// A second set of searches, of which a part is broken as published: quotes and parentheses that
/// are missing, and operators glued to what follows.
#[test]
fn searches_of_an_armory_are_read() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/rules");
    if !corpora.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let mut searches = Vec::new();
    collect(&corpora.join("anvilogic"), &mut |path, node| {
        let text = |key: &str| node.get(key).and_then(Node::text);
        if text("logic_format").is_some_and(|format| format.eq_ignore_ascii_case("splunk")) {
            searches.extend(text("logic").map(|search| (path.to_owned(), search.to_owned())));
        }
    });
    println!("{} searches", searches.len());
    check(&searches, &Environment::default(), BROKEN_OF_AN_ARMORY);
}

/// So many searches are invalid, and no other.
fn check(searches: &[(PathBuf, String)], environment: &Environment, broken: usize) {
    let mut invalid = Vec::new();
    for (path, search) in searches {
        let (_, _, diagnostics) = read(search, 0, environment);
        if let Some(found) = diagnostics.iter().find(|found| found.level == Level::Invalid) {
            let rest = search.get(found.span.start..).unwrap_or_default();
            invalid.push(format!("{}: {} {rest:?}", path.display(), found.message));
        }
    }
    assert_eq!(invalid.len(), broken, "{}", invalid.join("\n"));
}

fn macros_of(rules: &Path) -> BTreeMap<String, Macro> {
    let mut macros = BTreeMap::new();
    collect(&rules.join("macros"), &mut |_, node| {
        let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
        let arguments: Vec<String> = match node.get("arguments").map(|node| &node.kind) {
            Some(yaml::Kind::Sequence(nodes)) => {
                nodes.iter().filter_map(Node::text).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        if let (Some(name), Some(definition)) = (text("name"), text("definition")) {
            let key = match arguments.len() {
                0 => name,
                count => format!("{name}({count})"),
            };
            macros.insert(key, Macro { arguments, definition, is_eval: false });
        }
    });
    macros
}

/// The documents of all files below a folder.
fn collect(folder: &Path, found: &mut dyn FnMut(&Path, &Node<'_>)) {
    for entry in std::fs::read_dir(folder).expect("a folder of rules") {
        let path = entry.expect("a rule").path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text");
        for document in yaml::parse(&text) {
            if let Some(root) = &document.root {
                found(&path, root);
            }
        }
    }
}

/// What the language has a meaning for.
const PARTS: [&str; 96] = [
    "search ",
    "| ",
    "|",
    "eval ",
    "where ",
    "stats ",
    "tstats ",
    "count",
    "values(",
    "by ",
    " AS ",
    "from ",
    "datamodel=",
    "rename ",
    "table ",
    "fields ",
    "- ",
    "rex ",
    "field=",
    "mode=sed ",
    "regex ",
    "bin ",
    "span=1h ",
    "convert ",
    "ctime(",
    "lookup ",
    "OUTPUT ",
    "inputlookup ",
    "sort ",
    "dedup ",
    "sortby ",
    "head ",
    "top ",
    "join ",
    "append ",
    "map ",
    "search=\"",
    "foreach ",
    "<<FIELD>>",
    "transaction ",
    "startswith=",
    "endswith=",
    "eval(",
    "replace ",
    " WITH ",
    " IN ",
    "IN(",
    "makeresults ",
    "from datamodel:",
    "TERM(",
    "CASE(",
    " AND ",
    " OR ",
    " NOT ",
    "and ",
    "!",
    "=",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    ".",
    "%",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "`",
    "```",
    "`m`",
    "`n(a, \"b\")`",
    "$a$",
    ",",
    ";",
    ":",
    "\\",
    "\\\"",
    "\n",
    " ",
    "1",
    "2.5e3",
    "x",
    "a.b",
    "é",
    "𝄞",
    "union ",
    "chart ",
    "over ",
];

/// Text made of that.
fn search_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        9 => prop::sample::select(PARTS.as_slice()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

/// Reads a search in the middle of a file: every place that is said lies inside of it, and every
/// token comes of the text.
fn read_anything(search: &str) -> Result<(), TestCaseError> {
    let one = |definition: &str| Macro {
        arguments: vec!["x".into(), "y".into()],
        definition: definition.into(),
        is_eval: false,
    };
    let macros = BTreeMap::from([
        ("m".to_owned(), Macro { arguments: Vec::new(), ..one("a OR [ b \"") }),
        ("n(2)".to_owned(), one("$x$ | eval $y$=`m`")),
    ]);
    let environment = Environment { macros, ..Environment::default() };
    let (_, _, diagnostics) = read(search, 0, &environment);
    for found in diagnostics {
        prop_assert!(search.get(found.span.start..found.span.end).is_some(), "{found:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_search_is_read(search in search_text()) {
        read_anything(&search)?;
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,120}") {
        read_anything(&text)?;
        read_anything(&format!("| eval x={text}"))?;
        read_anything(&format!("| stats count by {text}"))?;
    }
}

/// Long texts take time by their length, and deep ones do not reach the end of the stack.
#[test]
fn long_and_deep_searches_are_read() {
    let parts = [
        "(",
        "[",
        "a OR ",
        "NOT ",
        "`",
        "``",
        "```",
        "\"",
        "'",
        "`m`",
        "| ",
        "| eval x=",
        "-",
        "!",
        "f(",
        "{",
        "x{",
        "a=",
        "a IN (",
        "TERM(",
        "| append [",
        "| eval x=(",
        "\\",
        "`\"`",
        ",",
        "| rex (",
        "| stats c(",
        "| table a(",
        "| where a=1 AND ",
        "| foreach x [",
        "a=[",
        "'|",
        "| where x IN (",
        "a.",
        "| map [",
        "(a OR ",
        "| sort -",
        "<<A",
        "[|",
        " | join a [",
    ];
    for part in parts {
        for before in ["", "| eval x=", "| table "] {
            let text = format!("{before}{}", part.repeat(10_000));
            let started = std::time::Instant::now();
            read(&text, 0, &Environment::default());
            assert!(started.elapsed().as_secs() < 5, "{part}");
        }
    }
}
