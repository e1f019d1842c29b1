//! `rulestone check` as it is typed.

use std::process::{Command, Output};

fn rulestone(folder: &tempfile::TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulestone"));
    command.current_dir(folder.path()).args(arguments).output().expect("the program")
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).expect("text")
}

/// A folder with a rule that can fire and one that cannot.
fn rules() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("rules")).expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join("rules").join(name), text).expect("a file");
    };
    write("can.spl", "EventCode=4688 process=*whoami*\n");
    write("never.spl", "EventCode=4688 | where EventCode=4104\n");
    write("lower.spl", "EventCode=1 (\"net use\" or netstat)\n");
    folder
}

#[test]
fn what_is_wrong_in_rules() {
    let folder = rules();
    let cases: &[(&[&str], i32, &str)] = &[
        (&[], 0, "\"code\":\"contradiction\""),
        (&["--fail-on", "error"], 1, "\"never_fire\":1"),
        (
            &["--fail-on", "error", "--code", "lower-case-boolean"],
            0,
            "\"code\":\"lower-case-boolean\"",
        ),
        (&["-f", "table"], 0, "error[contradiction]"),
        (&["-f", "json"], 0, "\"can_fire\": 2"),
        (&["-f", "sarif"], 0, "\"uri\": \"rules/never.spl\""),
        (&["--fix"], 0, "+EventCode=1 (\"net use\" OR netstat)"),
        (&["--code", "nonsense"], 3, ""),
        (&["-f", "xml"], 3, ""),
    ];
    for (arguments, code, expected) in cases {
        let output = rulestone(&folder, &[&["check", "-r", "rules"], *arguments].concat());
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {}", text(&output.stderr));
        let out = text(&output.stdout);
        assert!(out.contains(expected), "{arguments:?}: {out}");
    }
}

#[test]
fn codes_are_explained() {
    let folder = rules();
    let explain = |code: &str| rulestone(&folder, &["check", "--explain", code]);
    assert!(text(&explain("term-with-breaker").stdout).contains("major breaker"));
    assert!(text(&explain("all").stdout).lines().count() > 20);
    assert_eq!(explain("nonsense").status.code(), Some(3));
}

#[test]
fn the_list_of_rules_has_the_same() {
    let folder = rules();
    let list = |more: &[&str]| {
        text(&rulestone(&folder, &[&["rules", "-r", "rules"], more].concat()).stdout)
    };
    assert!(!list(&[]).contains("contradiction"));
    assert!(list(&["--check"]).contains("\"code\":\"contradiction\""));
    assert!(list(&["--check", "-f", "table"]).contains("note[contradiction]"));
}
