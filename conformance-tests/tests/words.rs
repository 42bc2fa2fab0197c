//! Words that have no place in this repository: unfinished work, silenced lints, tests switched off without a reason.

mod tree;

use std::iter;

use proc_macro2::{TokenStream, TokenTree};
use tree::Tree;

/// Macros that stand for code which nobody has written yet, or forgot to remove.
const UNFINISHED: [&str; 3] = ["dbg", "todo", "unimplemented"];

#[test]
fn this_repository_holds_no_unwanted_word() {
    let found = unwanted(&Tree::of_the_repository());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// One line for each unwanted word: file, line, and what to do instead.
fn unwanted(tree: &Tree) -> Vec<String> {
    let sources = tree.files().filter(|(path, _)| tree::is_source(path));
    sources
        .flat_map(|(path, text)| {
            let found = unwanted_in(tree::tokens(path, text));
            found.into_iter().map(move |(line, advice)| format!("{path}:{line}: {advice}"))
        })
        .collect()
}

fn unwanted_in(tokens: TokenStream) -> Vec<(usize, String)> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).map(ToString::to_string);
        match token {
            TokenTree::Ident(word)
                if next.as_deref() == Some("!") && UNFINISHED.iter().any(|macro_| word == macro_) =>
            {
                found.push((word.span().start().line, format!("`{word}!` is unfinished work")));
            }
            TokenTree::Group(group) => {
                let before = index.checked_sub(1).map(|before| tokens[before].to_string());
                if matches!(before.as_deref(), Some("#" | "!")) && group.to_string().starts_with('[') {
                    let line = group.span().start().line;
                    found.extend(unwanted_attribute(group.stream()).map(|advice| (line, advice)));
                }
                found.extend(unwanted_in(group.stream()));
            }
            _ => {}
        }
    }
    found
}

/// Looks into one attribute, and into those that it applies on a condition.
fn unwanted_attribute(attribute: TokenStream) -> impl Iterator<Item = String> {
    let words: Vec<_> = flatten(attribute).collect();
    let allow = words.windows(2).any(|pair| pair == ["allow", "("]);
    let ignored = words.iter().position(|word| word == "ignore");
    let without_reason = ignored.is_some_and(|index| words.get(index + 1).is_none_or(|next| next != "="));
    let advice = [
        allow.then_some("`allow` hides a lint for ever: write `#[expect(lint, reason = \"…\")]`"),
        without_reason.then_some("a test is switched off without a reason: write `#[ignore = \"…\"]`"),
    ];
    advice.into_iter().flatten().map(str::to_owned)
}

/// All tokens in order, with an opening bracket in front of each group.
fn flatten(tokens: TokenStream) -> Box<dyn Iterator<Item = String>> {
    Box::new(tokens.into_iter().flat_map(|token| match token {
        TokenTree::Group(group) => {
            let open = group.to_string().chars().take(1).collect();
            Box::new(iter::once(open).chain(flatten(group.stream()))) as Box<dyn Iterator<Item = String>>
        }
        other => Box::new(iter::once(other.to_string())),
    }))
}

// From here on: every word is found, and nothing that only looks like one.

fn said(source: &str) -> Vec<String> {
    unwanted(&Tree::of(&[("server/src/lib.rs", source)]))
}

#[test]
fn unfinished_work_is_found() {
    let told =
        said("fn a() {\n    todo!()\n}\nfn b() { if c { unimplemented!(\"later\") } else { dbg!(1); } }");
    let expected = [
        "server/src/lib.rs:2: `todo!` is unfinished work",
        "server/src/lib.rs:4: `unimplemented!` is unfinished work",
        "server/src/lib.rs:4: `dbg!` is unfinished work",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_silenced_lint_is_found() {
    let advice = "`allow` hides a lint for ever: write `#[expect(lint, reason = \"…\")]`";
    for source in [
        "#![allow(dead_code)]",
        "#[allow(dead_code)] fn f() {}",
        "#[cfg_attr(test, allow(dead_code))] fn f() {}",
    ] {
        assert_eq!(said(source), [format!("server/src/lib.rs:1: {advice}")], "{source}");
    }
    assert_eq!(
        said("fn f() {\n    #[allow(dead_code)]\n    let x = 1;\n}"),
        [format!("server/src/lib.rs:2: {advice}")]
    );
}

#[test]
fn a_test_switched_off_without_a_reason_is_found() {
    let advice = "a test is switched off without a reason: write `#[ignore = \"…\"]`";
    assert_eq!(said("#[test]\n#[ignore]\nfn f() {}"), [format!("server/src/lib.rs:2: {advice}")]);
    assert_eq!(said("#[ignore = \"needs a bucket\"] fn f() {}"), [""; 0]);
}

#[test]
fn prose_and_names_are_left_alone() {
    let fine = "// todo!()\n/// Never `#[allow(x)]`.\nfn allow(todo: &str) -> bool { policy.allow(todo) && s == \"todo!()\" }\n\
                #[expect(dead_code, reason = \"used by a macro\")] fn f() {}";
    assert_eq!(said(fine), [""; 0]);
}
