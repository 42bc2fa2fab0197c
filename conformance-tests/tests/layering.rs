//! The rules of the tree: who may depend on whom, what every crate is called, and what nobody links.
//!
//! [`broken_rules`] reads manifests and sources, so the last tests can show it trees with one rule broken each.

mod tree;

use std::collections::BTreeSet;
use std::process::Command;

use proc_macro2::{Spacing, TokenStream, TokenTree};
use toml::{Table, Value};
use tree::Tree;

const CONTRACTS: [&str; 3] = ["persistent-fs", "mailer", "dbconn"];

/// What a contract must not make everybody depend on: cloud SDKs, storage products, HTTP frameworks.
const NOT_IN_CONTRACTS: [&str; 9] =
    ["actix-", "aws-", "axum", "hyper", "object_store", "opendal", "reqwest", "rocket", "warp"];

/// Crates that stand for somebody else's, and obey nobody's rules here.
const EXAMPLES: &str = "conformance-tests/examples/";

#[test]
fn no_arrow_of_this_repository_is_wrong() {
    let broken = broken_rules(&Tree::of_the_repository());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_server_links_nothing_that_is_banned() {
    let tree = Tree::of_the_repository();
    let deny = tree.files().find(|(path, _)| *path == "deny.toml").expect("the policy is there").1;
    let banned = banned_crates(&deny.parse().expect("deny.toml is TOML"));
    assert!(banned.contains("openssl-sys"), "the list of bans was not found");

    let found = linked_crates();
    assert!(found.contains("undercroft-server"), "the graph was not read");
    assert_eq!(banned.intersection(&found).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// One line for each rule that the tree breaks, beginning with the file at fault.
fn broken_rules(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    let root: Table = manifest("Cargo.toml", text_of(tree, "Cargo.toml"));
    let adapters = adapters(tree);
    for (path, text) in tree.files().filter(|(path, _)| !path.starts_with(EXAMPLES)) {
        if let Some(folder) = path.strip_suffix("/Cargo.toml") {
            let Some(role) = Role::of(folder) else {
                broken.push(format!("{path}: nobody has said which layer this crate belongs to"));
                continue;
            };
            let package = manifest(path, text);
            broken.extend(wrong_dependencies(&root, folder, role, &package));
            broken.extend(wrong_heading(&root, folder, &package));
        } else if let Some((folder, file)) = path.split_once("/src/").filter(|_| tree::is_source(path)) {
            broken.extend(wrong_imports(&adapters, folder, file, path, text));
        }
    }
    broken
}

/// The layer of a crate, which is decided by its folder.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Contract,
    /// An adapter of the named contract.
    Adapter(&'static str),
    Suites,
    Server,
}

impl Role {
    fn of(folder: &str) -> Option<Self> {
        match folder {
            "conformance-tests" => Some(Self::Suites),
            "server" => Some(Self::Server),
            contract if CONTRACTS.contains(&contract) => Some(Self::Contract),
            adapter => match adapter.strip_prefix("adapters/")?.split('-').next()? {
                "fs" => Some(Self::Adapter("persistent-fs")),
                "mail" => Some(Self::Adapter("mailer")),
                "db" => Some(Self::Adapter("dbconn")),
                _ => None,
            },
        }
    }

    /// Says what is wrong with a dependency on another crate of the workspace, if anything is.
    fn objects_to(self, dependency: &str, optional: bool) -> Option<String> {
        let is_contract = CONTRACTS.contains(&dependency);
        match self {
            Self::Contract => {
                Some(format!("a contract imports no crate of the workspace, and {dependency} is one"))
            }
            Self::Adapter(contract) => {
                let sibling = Self::of(&format!("adapters/{dependency}")) == Some(self);
                (dependency != contract && !sibling).then(|| {
                    format!("an adapter imports {contract} and its adapters alone, not {dependency}")
                })
            }
            Self::Suites => (!is_contract && !optional).then(|| {
                format!("the suites import contracts alone; {dependency} may be optional or for tests")
            }),
            Self::Server => {
                (dependency == "conformance-tests").then(|| "the server has no use for the suites".to_owned())
            }
        }
    }
}

fn wrong_dependencies(root: &Table, folder: &str, role: Role, package: &Table) -> Vec<String> {
    let mut broken = Vec::new();
    for (key, spec) in dependencies(package) {
        let optional = spec.get("optional").and_then(Value::as_bool).unwrap_or(false);
        let objection = match workspace_crate(root, &key, &spec) {
            Some(dependency) => role.objects_to(&dependency, optional),
            None if role == Role::Contract && NOT_IN_CONTRACTS.iter().any(|name| key.starts_with(name)) => {
                Some(format!("a contract names no SDK and no HTTP framework, and {key} is one"))
            }
            None => None,
        };
        broken.extend(objection.map(|objection| format!("{folder}/Cargo.toml: {objection}")));
    }
    broken
}

/// What a crate links: everything but its dependencies for tests, for every platform.
fn dependencies(package: &Table) -> Vec<(String, Value)> {
    let targets = package.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let places = targets.filter_map(Value::as_table).chain([package]);
    let tables = places.flat_map(|place| [place.get("dependencies"), place.get("build-dependencies")]);
    let entries = tables.flatten().filter_map(Value::as_table).flatten();
    entries.map(|(key, spec)| (key.clone(), spec.clone())).collect()
}

/// The folder name of a dependency that is a crate of this workspace, whatever it is renamed to.
fn workspace_crate(root: &Table, key: &str, spec: &Value) -> Option<String> {
    let inherited = spec.get("workspace").and_then(Value::as_bool).unwrap_or(false);
    let spec = if inherited { root.get("workspace")?.get("dependencies")?.get(key)? } else { spec };
    let package = spec.get("package").and_then(Value::as_str).unwrap_or(key);
    package.strip_prefix("undercroft-").map(str::to_owned)
}

/// Names, licence and lints are the same everywhere.
fn wrong_heading(root: &Table, folder: &str, package: &Table) -> Vec<String> {
    let mut broken = Vec::new();
    let mut demand = |holds: bool, rule: String| {
        if !holds {
            broken.push(format!("{folder}/Cargo.toml: {rule}"));
        }
    };
    let text = |table: &Table, path: [&str; 2]| {
        table.get(path[0]).and_then(|inner| inner.get(path[1])).and_then(Value::as_str).map(str::to_owned)
    };
    let inherits =
        |value: Option<&Value>| value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true));

    let name = folder.rsplit('/').next().unwrap_or(folder);
    let package_name = format!("undercroft-{name}");
    let library = if folder == "server" { "undercroft".to_owned() } else { name.replace('-', "_") };
    demand(
        text(package, ["package", "name"]) == Some(package_name.clone()),
        format!("the package is named {package_name}"),
    );
    demand(
        text(package, ["lib", "name"]) == Some(library.clone()),
        format!("the library is named {library}"),
    );

    let licence =
        root.get("workspace").and_then(|workspace| workspace.get("package")?.get("license")?.as_str());
    let inherited = inherits(package.get("package").and_then(|package| package.get("license")));
    demand(
        inherited && licence == Some("MIT OR Apache-2.0"),
        "the licence is MIT OR Apache-2.0, from the workspace".to_owned(),
    );
    demand(
        inherits(package.get("lints")),
        "the lints are the workspace's: `[lints] workspace = true`".to_owned(),
    );
    broken
}

/// The library names of all adapters.
fn adapters(tree: &Tree) -> BTreeSet<String> {
    let folders =
        tree.files().filter_map(|(path, _)| path.strip_prefix("adapters/")?.strip_suffix("/Cargo.toml"));
    folders.map(|folder| folder.replace('-', "_")).collect()
}

/// Adapters are named in one place of the server, and in programs of the suites.
fn wrong_imports(
    adapters: &BTreeSet<String>,
    folder: &str,
    file: &str,
    path: &str,
    text: &str,
) -> Vec<String> {
    let may_name_adapters = match folder {
        "server" => file == "assemble.rs" || file.starts_with("assemble/"),
        "conformance-tests" => file == "main.rs" || file.starts_with("bin/"),
        _ => {
            let front =
                file == "lib.rs" && matches!(Role::of(folder), Some(Role::Contract | Role::Adapter(_)));
            let undocumented = front && !text.contains("#![deny(missing_docs)]");
            return undocumented
                .then(|| format!("{path}: `#![deny(missing_docs)]` is missing"))
                .into_iter()
                .collect();
        }
    };
    if may_name_adapters {
        return Vec::new();
    }
    let named = crates_named(tree::tokens(path, text));
    let wrong = named.iter().filter(|name| adapters.contains(*name));
    wrong.map(|name| format!("{path}: the adapter {name} is named outside of the place for it")).collect()
}

/// Names that are used as crates are: `name::…` anywhere, and `use name …`.
fn crates_named(tokens: TokenStream) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut before = String::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        if let TokenTree::Group(group) = &token {
            named.extend(crates_named(group.stream()));
        }
        let word = token.to_string();
        let leads_a_path = matches!(rest.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':' && next.spacing() == Spacing::Joint);
        if leads_a_path || before == "use" {
            named.insert(word.clone());
        }
        before = word;
    }
    named
}

/// The names under `[bans]` in the dependency policy.
fn banned_crates(policy: &Table) -> BTreeSet<String> {
    let entries = policy.get("bans").and_then(|bans| bans.get("deny")).and_then(Value::as_array);
    let names = entries.into_iter().flatten().filter_map(|entry| entry.get("crate").and_then(Value::as_str));
    names.map(str::to_owned).collect()
}

/// Every crate in the server's build, with all of its features, on this platform.
fn linked_crates() -> BTreeSet<String> {
    let arguments = ["tree", "--package", "undercroft-server", "--all-features", "--edges", "normal,build"];
    let shape = ["--prefix", "none", "--format", "{p}", "--locked"];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(shape)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("crate names are ASCII");
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn manifest(path: &str, text: &str) -> Table {
    text.parse().unwrap_or_else(|error| panic!("{path} is not TOML: {error}"))
}

fn text_of<'a>(tree: &'a Tree, wanted: &str) -> &'a str {
    tree.files().find(|(path, _)| *path == wanted).unwrap_or_else(|| panic!("{wanted} is missing")).1
}

// From here on: the rules can be broken, and say so.

const ROOT: &str = r#"
    [workspace.package]
    license = "MIT OR Apache-2.0"
    [workspace.dependencies]
    mailer = { path = "mailer", package = "undercroft-mailer" }
    mail-memory = { path = "adapters/mail-memory", package = "undercroft-mail-memory" }
    conformance-tests = { path = "conformance-tests", package = "undercroft-conformance-tests" }
    serde = "1"
"#;

/// A crate that keeps every rule, with these dependencies.
fn good(name: &str, library: &str, dependencies: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nlicense.workspace = true\n[lib]\nname = \"{library}\"\n\
         [lints]\nworkspace = true\n{dependencies}"
    )
}

/// What is said about a workspace that holds the given files only.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let adapter = good("undercroft-mail-memory", "mail_memory", "");
    broken_rules(&Tree::of(
        &[&[("Cargo.toml", ROOT), ("adapters/mail-memory/Cargo.toml", &adapter)], files].concat(),
    ))
}

/// A crate in `folder` with one dependency table must be told exactly this (or nothing, if empty).
fn assert_told(folder: &str, name: &str, dependencies: &str, expected: &str) {
    let library = if folder == "server" { "undercroft".to_owned() } else { name.replace('-', "_") };
    let path = format!("{folder}/Cargo.toml");
    let told = said(&[(&path, &good(&format!("undercroft-{name}"), &library, dependencies))]);
    let expected: Vec<_> = Some(expected)
        .filter(|text| !text.is_empty())
        .map(|text| format!("{path}: {text}"))
        .into_iter()
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn a_contract_may_not_import_the_workspace() {
    let objection = "a contract imports no crate of the workspace, and mailer is one";
    assert_told("dbconn", "dbconn", "[dependencies]\nmailer.workspace = true", objection);
    assert_told(
        "dbconn",
        "dbconn",
        "[dependencies]\nm = { path = \"../mailer\", package = \"undercroft-mailer\" }",
        objection,
    );
    assert_told("dbconn", "dbconn", "[target.'cfg(unix)'.dependencies]\nmailer.workspace = true", objection);
    assert_told("dbconn", "dbconn", "[build-dependencies]\nmailer.workspace = true", objection);
    assert_told(
        "dbconn",
        "dbconn",
        "[dependencies]\nserde.workspace = true\n[dev-dependencies]\nmailer.workspace = true",
        "",
    );
}

#[test]
fn a_contract_may_not_name_a_cloud_or_a_framework() {
    let objection = "a contract names no SDK and no HTTP framework, and aws-sdk-sesv2 is one";
    assert_told("mailer", "mailer", "[dependencies]\naws-sdk-sesv2 = \"1\"", objection);
}

#[test]
fn an_adapter_may_import_its_contract_and_siblings_alone() {
    let folder = "adapters/fs-local";
    assert_told(
        folder,
        "fs-local",
        "[dependencies]\nmailer.workspace = true",
        "an adapter imports persistent-fs and its adapters alone, not mailer",
    );
    assert_told(
        folder,
        "fs-local",
        "[dependencies]\nundercroft-mail-memory = \"1\"",
        "an adapter imports persistent-fs and its adapters alone, not mail-memory",
    );
    assert_told(folder, "fs-local", "[dependencies]\nundercroft-fs-memory = \"1\"", "");
    assert_told(folder, "fs-local", "[dependencies]\nundercroft-persistent-fs = \"1\"", "");
    assert_told(folder, "fs-local", "[dev-dependencies]\nconformance-tests.workspace = true", "");
}

#[test]
fn the_suites_may_import_contracts_alone() {
    let objection = "the suites import contracts alone; mail-memory may be optional or for tests";
    assert_told(
        "conformance-tests",
        "conformance-tests",
        "[dependencies]\nmail-memory.workspace = true",
        objection,
    );
    assert_told("conformance-tests", "conformance-tests", "[dependencies]\nmailer.workspace = true", "");
    assert_told(
        "conformance-tests",
        "conformance-tests",
        "[dependencies]\nmail-memory = { workspace = true, optional = true }",
        "",
    );
    let source = [("conformance-tests/src/mailer.rs", "use mail_memory::Memory;")];
    assert_eq!(
        said(&source),
        ["conformance-tests/src/mailer.rs: the adapter mail_memory is named outside of the place for it"]
    );
    assert_eq!(said(&[("conformance-tests/src/bin/conformance.rs", "use mail_memory::Memory;")]), [""; 0]);
}

#[test]
fn the_server_may_name_adapters_where_it_assembles_them_alone() {
    assert_told(
        "server",
        "server",
        "[dependencies]\nmail-memory.workspace = true\nmailer.workspace = true",
        "",
    );
    let objection = "the server has no use for the suites";
    assert_told("server", "server", "[dependencies]\nconformance-tests.workspace = true", objection);

    let wrong = [
        "use mail_memory::Memory;",
        "use mail_memory as m;",
        "fn f() { let m = ::mail_memory::Memory::new(); }",
        "log!(mail_memory::NAME);",
    ];
    for source in wrong {
        let told = said(&[("server/src/vault/routes.rs", source)]);
        assert_eq!(
            told,
            ["server/src/vault/routes.rs: the adapter mail_memory is named outside of the place for it"],
            "{source}"
        );
        assert_eq!(said(&[("server/src/assemble.rs", source)]), [""; 0]);
        assert_eq!(said(&[("server/src/assemble/mail.rs", source)]), [""; 0]);
    }
    let fine = [
        "// See mail_memory::Memory.\nuse mailer::Mailer;",
        "fn f(mail_memory: &str) {}",
        "const S: &str = \"mail_memory::x\";",
    ];
    for source in fine {
        assert_eq!(said(&[("server/src/vault/routes.rs", source)]), [""; 0], "{source}");
    }
}

#[test]
fn a_crate_needs_a_layer() {
    let told = said(&[("adapters/queue-redis/Cargo.toml", ""), ("tools/Cargo.toml", "")]);
    let unknown = "nobody has said which layer this crate belongs to";
    assert_eq!(
        told,
        [format!("adapters/queue-redis/Cargo.toml: {unknown}"), format!("tools/Cargo.toml: {unknown}")]
    );
}

#[test]
fn a_crate_needs_its_name_its_licence_and_its_lints() {
    let manifest = "[package]\nname = \"mailer\"\nlicense = \"GPL-3.0\"\n[lib]\nname = \"undercroft_mailer\"";
    let expected = [
        "mailer/Cargo.toml: the package is named undercroft-mailer",
        "mailer/Cargo.toml: the library is named mailer",
        "mailer/Cargo.toml: the licence is MIT OR Apache-2.0, from the workspace",
        "mailer/Cargo.toml: the lints are the workspace's: `[lints] workspace = true`",
    ];
    assert_eq!(said(&[("mailer/Cargo.toml", manifest)]), expected);
}

#[test]
fn a_contract_and_an_adapter_deny_missing_docs() {
    let told = said(&[
        ("mailer/src/lib.rs", "//! Mail."),
        ("adapters/mail-memory/src/lib.rs", "#![deny(missing_docs)]"),
    ]);
    assert_eq!(told, ["mailer/src/lib.rs: `#![deny(missing_docs)]` is missing"]);
}

#[test]
fn a_ban_is_read_from_the_policy() {
    let policy = "[bans]\ndeny = [{ crate = \"openssl\", reason = \"rustls\" }]".parse().expect("TOML");
    assert_eq!(banned_crates(&policy), BTreeSet::from(["openssl".to_owned()]));
}
