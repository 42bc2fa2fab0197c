//! The budget of docs/STYLE.md: how long files and functions are, and how much of a contract is documentation.
//!
//! [`measure`] reads sources and [`overdrafts`] judges the sums, so the last tests can show them code that is
//! over the budget in one respect each.

mod tree;

use std::fmt;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, Item, ItemFn, Signature, TraitItemFn};
use tree::Tree;

const FILE_TARGET: usize = 400;
const FILE_LIMIT: usize = 600;
const FUNCTION_TARGET: usize = 45;
const FUNCTION_LIMIT: usize = 100;
const INLINE_TESTS_LIMIT: usize = 150;
const DOC_LIMIT_PERCENT: usize = 25;
const CONTRACTS: [&str; 3] = ["persistent-fs", "mailer", "dbconn"];

#[test]
fn this_repository_keeps_its_budget() {
    let sums = measure(&Tree::of_the_repository());
    println!("{sums}");
    let over = overdrafts(&sums);
    assert!(over.is_empty(), "{}\n{sums}", over.join("\n"));
}

/// What production code weighs.
#[derive(Debug, Default)]
struct Sums {
    files: Vec<Length>,
    functions: Vec<Length>,
    inline_tests: Vec<Length>,
    /// Folder of the contract, its lines of documentation, its lines.
    contracts: Vec<(&'static str, usize, usize)>,
}

/// Something with a place and a number of lines.
#[derive(Debug)]
struct Length {
    place: String,
    lines: usize,
}

fn measure(tree: &Tree) -> Sums {
    let mut sums = Sums { contracts: CONTRACTS.map(|folder| (folder, 0, 0)).to_vec(), ..Sums::default() };
    for (path, text) in tree.files().filter(|(path, _)| is_production(path)) {
        let code = Code::read(path, text);
        let production: Vec<_> = (1..).zip(text.lines()).filter(|(line, _)| !code.is_test(*line)).collect();
        let documentation = production.iter().filter(|(_, line)| is_documentation(line)).count();
        if let Some(contract) =
            sums.contracts.iter_mut().find(|(folder, ..)| path.split('/').next() == Some(folder))
        {
            contract.1 += documentation;
            contract.2 += production.len();
        }
        sums.files.push(Length { place: path.to_owned(), lines: production.len() });
        sums.functions.extend(code.functions);
        let tests = code.tests.iter().map(|(first, last)| last - first + 1).sum();
        sums.inline_tests.push(Length { place: path.to_owned(), lines: tests });
    }
    sums
}

/// One line for everything that is over the budget.
fn overdrafts(sums: &Sums) -> Vec<String> {
    let mut over = Vec::new();
    over.extend(too_long("the file", &sums.files, FILE_LIMIT));
    over.extend(too_many_long("files", &sums.files, FILE_TARGET));
    over.extend(too_long("the function", &sums.functions, FUNCTION_LIMIT));
    over.extend(too_many_long("functions", &sums.functions, FUNCTION_TARGET));
    over.extend(too_long(
        "the inline tests, which belong into tests.rs:",
        &sums.inline_tests,
        INLINE_TESTS_LIMIT,
    ));
    for (folder, documentation, lines) in &sums.contracts {
        if documentation * 100 < lines * DOC_LIMIT_PERCENT {
            over.push(format!("{folder}: {documentation} of {lines} lines are documentation, less than {DOC_LIMIT_PERCENT} %"));
        }
    }
    over
}

fn too_long(what: &str, lengths: &[Length], limit: usize) -> Vec<String> {
    let over = lengths.iter().filter(|length| length.lines > limit);
    over.map(|Length { place, lines }| format!("{place}: {what} has {lines} lines, more than {limit}"))
        .collect()
}

fn too_many_long(what: &str, lengths: &[Length], target: usize) -> Option<String> {
    let long: Vec<_> = lengths.iter().filter(|length| length.lines > target).collect();
    let places: Vec<_> = long.iter().map(|Length { place, lines }| format!("\n  {place}: {lines}")).collect();
    (long.len() * 10 > lengths.len())
        .then(|| format!("more than one in ten {what} have over {target} lines:{}", places.concat()))
}

/// Tables that are written by a tool or hold nothing but data are exempt, and so are tests.
fn is_production(path: &str) -> bool {
    let Some((_, file)) = path.split_once("/src/") else { return false };
    let name = file.rsplit('/').next().unwrap_or(file);
    tree::is_source(path) && !["schema.rs", "tests.rs"].contains(&name) && !file.contains("tests/")
}

fn is_documentation(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("///") || line.starts_with("//!")
}

/// The functions of one file, and the lines that are compiled for tests only.
struct Code<'a> {
    path: &'a str,
    functions: Vec<Length>,
    tests: Vec<(usize, usize)>,
}

impl<'a> Code<'a> {
    fn read(path: &'a str, text: &str) -> Self {
        let mut code = Self { path, functions: Vec::new(), tests: Vec::new() };
        let file = syn::parse2(tree::tokens(path, text)).unwrap_or_else(|error| panic!("{path}: {error}"));
        code.visit_file(&file);
        code
    }

    fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    fn function(&mut self, signature: &Signature, body: &Block) {
        let lines = body.span().end().line - signature.span().start().line + 1;
        self.functions.push(Length { place: format!("{}: {}", self.path, signature.ident), lines });
    }
}

impl<'ast> Visit<'ast> for Code<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test_only(item) {
            let span = item.span();
            self.tests.push((span.start().line, span.end().line));
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.function(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn is_test_only(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl fmt::Display for Sums {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, lengths) in [("files", &self.files), ("functions", &self.functions)] {
            let mut lines: Vec<_> = lengths.iter().map(|length| length.lines).collect();
            lines.sort_unstable();
            let at = |tenths: usize| {
                lines.get((lines.len() * tenths / 10).min(lines.len().saturating_sub(1))).unwrap_or(&0)
            };
            writeln!(
                out,
                "{} {what}: median {}, 9 of 10 up to {}, longest {}",
                lines.len(),
                at(5),
                at(9),
                at(10)
            )?;
        }
        for (folder, documentation, lines) in &self.contracts {
            writeln!(
                out,
                "{folder}: {} % of {lines} lines are documentation",
                documentation * 100 / (*lines).max(1)
            )?;
        }
        Ok(())
    }
}

// From here on: the budget can be overdrawn, and the test says so.

/// A function of so many lines.
fn function(name: &str, lines: usize) -> String {
    format!("fn {name}() {{\n{}}}\n", "    work();\n".repeat(lines - 2))
}

/// A file of so many lines that defines nothing long.
fn file(lines: usize) -> String {
    "fn one_line() {}\n".repeat(lines)
}

fn said(files: &[(&str, &str)]) -> Vec<String> {
    overdrafts(&measure(&Tree::of(files)))
}

#[test]
fn a_file_may_not_be_longer_than_the_limit() {
    let nine: Vec<_> = (0..9).map(|n| (format!("server/src/f{n}.rs"), file(1))).collect();
    let mut files: Vec<_> = nine.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (fits, long) = (file(600), file(601));
    files.push(("server/src/long.rs", &fits));
    assert_eq!(said(&files), [""; 0]);
    files[9].1 = &long;
    assert_eq!(said(&files), ["server/src/long.rs: the file has 601 lines, more than 600"]);
}

#[test]
fn more_than_one_file_in_ten_may_not_be_over_the_target() {
    let (fits, long) = (file(400), file(401));
    assert_eq!(said(&[("server/src/a.rs", &fits)]), [""; 0]);
    let told = said(&[("server/src/a.rs", &long)]);
    assert_eq!(told, ["more than one in ten files have over 400 lines:\n  server/src/a.rs: 401"]);
}

#[test]
fn a_function_may_not_be_longer_than_the_limit() {
    let short: String = (0..9).map(|n| function(&format!("f{n}"), 3)).collect();
    let with = |long: &str| said(&[("server/src/a.rs", &format!("{short}{long}"))]);
    assert_eq!(with(&function("long", 100)), [""; 0]);
    assert_eq!(
        with(&function("long", 101)),
        ["server/src/a.rs: long: the function has 101 lines, more than 100"]
    );

    let long = function("long", 101);
    let expected = ["server/src/a.rs: long: the function has 101 lines, more than 100"];
    assert_eq!(with(&format!("impl S {{\n{long}}}")), expected);
    assert_eq!(with(&format!("trait T {{\n{long}}}")), expected);
    assert_eq!(with(&format!("mod m {{\n/// Says.\n#[inline]\n{long}}}")), expected);
}

#[test]
fn more_than_one_function_in_ten_may_not_be_over_the_target() {
    assert_eq!(said(&[("server/src/a.rs", &function("f", 45))]), [""; 0]);
    let told = said(&[("server/src/a.rs", &function("f", 46))]);
    assert_eq!(told, ["more than one in ten functions have over 45 lines:\n  server/src/a.rs: f: 46"]);
}

#[test]
fn inline_tests_do_not_count_but_must_stay_short() {
    let source = |lines: usize| format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", file(390), file(lines - 3));
    assert_eq!(said(&[("server/src/a.rs", &source(150))]), [""; 0]);
    let told = said(&[("server/src/a.rs", &source(151))]);
    assert_eq!(
        told,
        ["server/src/a.rs: the inline tests, which belong into tests.rs: has 151 lines, more than 150"]
    );
}

#[test]
fn a_contract_must_be_documented() {
    let source = |documentation: usize| {
        format!("{}{}", "/// Says.\n".repeat(documentation), file(100 - documentation))
    };
    assert_eq!(said(&[("mailer/src/lib.rs", &source(25)), ("server/src/lib.rs", &source(0))]), [""; 0]);
    let told = said(&[("mailer/src/lib.rs", &source(24))]);
    assert_eq!(told, ["mailer: 24 of 100 lines are documentation, less than 25 %"]);
}

#[test]
fn tests_and_tables_are_exempt() {
    let long = file(601);
    for path in [
        "server/src/schema.rs",
        "server/src/vault/tests.rs",
        "server/tests/api.rs",
        "server/src/vault/tests/a.rs",
    ] {
        assert_eq!(said(&[(path, &long)]), [""; 0], "{path}");
    }
}
