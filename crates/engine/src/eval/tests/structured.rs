//! JSON and XML in text; a backquote is a quotation mark here.

use super::check;
use crate::eval::functions::{json, xml};

#[test]
fn paths_into_json() {
    check(&[
        (r#"any_path("{`a`:{`b`:`x`}}", "a.b")"#, "\"x\""),
        (r#"any_path("{`a`:{`b`:`x`}}", "a")"#, "\"{`b`:`x`}\""),
        (r#"any_path("{`a`:[1,2,3]}", "a{}")"#, "[1, 2, 3]"),
        (r#"any_path("{`a`:[1,2,3]}", "a{1}")"#, "2"),
        (r#"any_path("{`a`:[1,2,3]}", "a{-1}")"#, "3"),
        (r#"any_path("{`a`:[1,2,3]}", "a{9}")"#, "null"),
        (r#"any_path("{`a`:[{`b`:1},{`b`:2},{`c`:3}]}", "a{}.b")"#, "[1, 2]"),
        (r#"any_path("[{`b`:1},{`b`:2}]", "{}.b")"#, "[1, 2]"),
        (r#"any_path("[[1,2],[3]]", "{}{}")"#, "[1, 2, 3]"),
        (r#"any_path("{`a`:true,`n`:null,`f`:1.0,`e`:1e3}", "a")"#, "\"true\""),
        (r#"any_path("{`a`:true,`n`:null,`f`:1.0,`e`:1e3}", "n")"#, "null"),
        (r#"any_path("{`a`:true,`n`:null,`f`:1.0,`e`:1e3}", "f")"#, "\"1.0\""),
        (r#"any_path("{`a.b`:1}", "'a.b'")"#, "1"),
        (r#"any_path("{`a`:1,`a`:2}", "a")"#, "[1, 2]"),
        (r#"any_path("{`a`:`\u00e9\n\ud83d\ude00\ud83d`}", "a")"#, "\"é\n😀\u{fffd}\""),
        (r#"any_path("{`a`:1", "a")"#, "null"),
        (r#"any_path("not json", "a")"#, "null"),
        (r#"any_path("{`a`:1}", "a{")"#, "null"),
        (r#"any_path("{`a`:1}", "")"#, "null"),
        (r#"any_path(null, "a")"#, "null"),
        (r#"json_path("{`a`:{`b`:`x`}}", "a.b")"#, "\"x\""),
        (r#"json_path("{`a`:[{`b`:`x`},{`b`:2}]}", "a{}.b")"#, "\"[`x`,2]\""),
        (r#"json_path("{`a`:[{`b`:`x`},{`b`:2}]}", "a{0}")"#, "\"{`b`:`x`}\""),
        (r#"json_path("{`a`:[]}", "a{}.b")"#, "null"),
        (r#"json_path("{`a`:true}", "a")"#, "true"),
        (r#"json_path("{`a`:true}", "b")"#, "null"),
        (r#"json_path(null, "b")"#, "null"),
    ]);
}

#[test]
fn json_made_and_asked() {
    check(&[
        (r#"json_keys("{`a`:1,`b`:{}}")"#, "\"[`a`,`b`]\""),
        (r#"json_keys("{`a`:{`x`:1}}", "a")"#, "\"[`x`]\""),
        (r#"json_keys("[1]")"#, "null"),
        (r#"json_keys(null)"#, "null"),
        (r#"json_valid("{`a`:[1,2.5e3,null,true,`x`]}")"#, "true"),
        (r#"json_valid("{`a`:01x}")"#, "false"),
        (r#"json_valid("{`a`:1} x")"#, "false"),
        (r#"json_valid(null)"#, "false"),
        (r#"json_valid("")"#, "false"),
        (r#"json_object("a", 1, "b", "x", "c", null)"#, "\"{`a`:1,`b`:`x`,`c`:null}\""),
        (r#"json_object("a", [1, 2], "b", "{`c`:1}")"#, "\"{`a`:[1,2],`b`:{`c`:1}}\""),
        (r#"json_object()"#, "\"{}\""),
        (r#"json_array(1, "a", null, true)"#, "\"[1,`a`,null,true]\""),
        (r#"json_array()"#, "\"[]\""),
        (r#"json_elements("[1,`a`,{`b`:2},null]")"#, "[1, \"a\", \"{`b`:2}\"]"),
        (r#"json_elements("{}")"#, "null"),
        (r#"json_elements(null)"#, "null"),
        (r#"mv_to_json(["a", 1])"#, "\"[`a`,1]\""),
        (r#"mv_to_json("a")"#, "\"[`a`]\""),
        (r#"mv_to_json(null)"#, "null"),
    ]);
}

#[test]
fn paths_into_xml() {
    check(&[
        (r#"any_path("<a><b>x</b></a>", "a.b")"#, "\"x\""),
        (r#"any_path("<a><b>x &amp; y</b></a>", "a.b")"#, "\"x & y\""),
        (r#"any_path("<a><b>1</b><b>2</b><c/></a>", "a.b")"#, "[\"1\", \"2\"]"),
        (r#"any_path("<a><b>1</b><b>2</b></a>", "a.b{2}")"#, "\"2\""),
        (r#"any_path("<a><b>1</b><b>2</b></a>", "a.b{0}")"#, "null"),
        (r#"any_path("<a><b n='1'>x</b><b n='2'/></a>", "a.b{@n}")"#, "[\"1\", \"2\"]"),
        (r#"any_path("<a><b n='1'>x</b><b n='2'/></a>", "a.b{2}{@n}")"#, "\"2\""),
        (r#"any_path("<a><b n='1'>x</b></a>", "a")"#, "\"<b n='1'>x</b>\""),
        (r#"any_path("<a><b>x</a>", "a.b")"#, "null"),
        (r#"any_path("<a/>", "b")"#, "null"),
    ]);
}

#[test]
fn everything_in_a_text() {
    let mut found = Vec::new();
    let mut keep = |name: &str, value| found.push(format!("{name}={}", super::shown(&value)));
    let json = r#"{"a":{"b":1},"c":[{"d":"x"},{"d":"y"}],"e":[1,[2]],"n":null}"#;
    json::parse(json).unwrap().leaves(&mut keep);
    assert_eq!(found, ["a.b=1", "c{}.d=\"x\"", "c{}.d=\"y\"", "e{}=1", "e{}{}=2", "n=null"]);
    let mut found = Vec::new();
    let mut keep = |name: &str, value| found.push(format!("{name}={}", super::shown(&value)));
    let xml = "<?xml version='1.0'?><E><S p='q'><I>1</I></S><D N='x'>v</D></E>";
    xml::parse(xml).unwrap().leaves(&mut keep);
    assert_eq!(found, ["E.S{@p}=\"q\"", "E.S.I=\"1\"", "E.D{@N}=\"x\"", "E.D=\"v\""]);
}
