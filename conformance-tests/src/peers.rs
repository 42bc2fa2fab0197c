//! A suite on other people's libraries, with the failures that are known written down.
//!
//! An adapter that wraps a library keeps a table beside its tests, `tests/expected_failures.toml`: which version, which
//! of its configurations, which cases fail and why. The table is checked in both directions. A case that fails and is
//! not in it is a failure; so is one that is in it and passes, a case that does not exist, and another version than
//! the one that is locked. What fails only now and then is marked `flaky`, and may do either.
//!
//! `UPDATE_EXPECTED=3 cargo test -p <adapter> --test peers` runs every case three times and writes the table anew,
//! keeping the reasons; the reasons of new entries are for a person to fill in. It also writes the tables' part of
//! `docs/peers.md`, which is checked as well.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde::Deserialize;

use crate::{Case, Verdict};

/// How often each case is run to write the table anew.
const UPDATE: &str = "UPDATE_EXPECTED";

const TABLE: &str = "tests/expected_failures.toml";
const PAGE: &str = "docs/peers.md";
const BEGIN: &str = "<!-- From here on written by UPDATE_EXPECTED. -->\n";

/// A library in one configuration.
pub struct Peer<H: ?Sized> {
    /// What the configuration is called, in the table and in front of the cases.
    pub configuration: &'static str,
    /// Opens backends of this configuration, which declare what the library says of itself.
    pub harness: Arc<H>,
}

impl<H: ?Sized> fmt::Debug for Peer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("configuration", &self.configuration).finish_non_exhaustive()
    }
}

/// What is expected of one library.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    library: String,
    version: String,
    #[serde(default)]
    configuration: Vec<Configuration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    name: String,
    /// How many cases can run here.
    cases: usize,
    #[serde(default)]
    fails: Vec<Failure>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    case: String,
    /// Why, in one line.
    reason: String,
    /// It fails only now and then.
    #[serde(default)]
    flaky: bool,
}

/// Runs every one of these cases on every peer and compares what comes of it with the table, or writes the table anew.
///
/// `folder` is the adapter's, `env!("CARGO_MANIFEST_DIR")`; `library` is the name of the crate that the peers are of.
pub fn main<H>(folder: &str, library: &str, cases: &[Case<H>], peers: Vec<Peer<H>>) -> ExitCode
where
    H: ?Sized + Send + Sync + 'static,
{
    // Cases that are meant to fail would fill the screen. What they say is reported where it was not expected.
    std::panic::set_hook(Box::new(|_| {}));
    let place = Place::of(folder);
    let version = place.locked_version(library);
    match rounds() {
        Some(rounds) => update(&place, library, version, cases, &peers, rounds),
        None => check(&place, &version, cases, peers),
    }
}

/// The names of all files below a folder, and of the folders that hold nothing.
pub fn entries(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let below: Vec<_> =
            fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        if below.is_empty() && folder != root {
            found.push(folder);
        }
        let (inner, files): (Vec<_>, Vec<_>) = below.into_iter().partition(|path| path.is_dir());
        folders.extend(inner);
        found.extend(files);
    }
    let name =
        |path: PathBuf| path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
    found.into_iter().map(name).collect()
}

fn rounds() -> Option<usize> {
    #[expect(clippy::disallowed_methods, reason = "this is the edge: a test program that a person calls")]
    let wanted = std::env::var(UPDATE).ok()?;
    Some(wanted.parse().unwrap_or(1).max(1))
}

fn check<H>(place: &Place, version: &str, cases: &[Case<H>], peers: Vec<Peer<H>>) -> ExitCode
where
    H: ?Sized + Send + Sync + 'static,
{
    let arguments = Arguments::from_args();
    let table = Arc::new(Table::read(&place.table()));
    let ran: Arc<Mutex<BTreeMap<&'static str, usize>>> = Arc::default();
    let mut trials: Vec<Trial> = Vec::new();
    for Peer { configuration, harness } in peers {
        ran.lock().expect("nobody panics with it").insert(configuration, 0);
        for &case in cases {
            let (table, ran, harness) = (Arc::clone(&table), Arc::clone(&ran), Arc::clone(&harness));
            let name = format!("{configuration}::{}", case.name());
            trials.push(Trial::ignorable_test(name, move || {
                let verdict = case.judge(&*harness);
                if !matches!(verdict, Verdict::Skipped(_)) {
                    *ran.lock().expect("nobody panics with it").entry(configuration).or_default() += 1;
                }
                as_expected(table.failure(configuration, case.name()), verdict)
            }));
        }
    }
    let filtered = arguments.filter.is_some() || !arguments.skip.is_empty() || arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    let mut wrong = table.wrong(version, &cases.iter().map(Case::name).collect::<Vec<_>>());
    if !filtered {
        wrong.extend(table.miscounted(&ran.lock().expect("nobody panics with it")));
        wrong.extend(place.stale_page());
    }
    for wrong in &wrong {
        eprintln!("{wrong}");
    }
    if wrong.is_empty() { conclusion.exit_code() } else { ExitCode::FAILURE }
}

fn as_expected(expected: Option<&Failure>, verdict: Verdict) -> Result<Completion, Failed> {
    match (expected, verdict) {
        (None, Verdict::Failed(why)) => Err(format!("not in the table: {why}").into()),
        (Some(failure), Verdict::Passed) if !failure.flaky => Err("in the table, but passed".into()),
        (Some(_), Verdict::Skipped(absent)) => Err(format!("in the table, but skipped: {absent}").into()),
        (None, Verdict::Skipped(absent)) => Ok(Completion::ignored_with(absent)),
        _ => Ok(Completion::Completed),
    }
}

fn update<H: ?Sized>(
    place: &Place,
    library: &str,
    version: String,
    cases: &[Case<H>],
    peers: &[Peer<H>],
    rounds: usize,
) -> ExitCode {
    let old = fs::read_to_string(place.table()).map(|text| Table::parse(&text)).unwrap_or_default();
    let configuration = peers.iter().map(|peer| observe(cases, peer, &old, rounds)).collect();
    let new = Table { library: library.to_owned(), version, configuration };
    fs::write(place.table(), new.render()).expect("the table can be written");
    fs::write(place.page(), place.render_page()).expect("the page can be written");
    let open =
        new.configuration.iter().flat_map(|found| &found.fails).filter(|failure| failure.reason.is_empty());
    match open.count() {
        0 => ExitCode::SUCCESS,
        open => {
            eprintln!("{open} entries want a reason");
            ExitCode::FAILURE
        }
    }
}

/// Runs every case so many times and notes which fail.
fn observe<H: ?Sized>(cases: &[Case<H>], peer: &Peer<H>, old: &Table, rounds: usize) -> Configuration {
    let mut seen = Configuration { name: peer.configuration.to_owned(), ..Configuration::default() };
    for case in cases {
        let verdicts: Vec<_> = (0..rounds).map(|_| case.judge(&*peer.harness)).collect();
        if verdicts.iter().all(|verdict| matches!(verdict, Verdict::Skipped(_))) {
            continue;
        }
        seen.cases += 1;
        let known = old.failure(peer.configuration, case.name());
        let messages: Vec<_> = verdicts
            .iter()
            .filter_map(|verdict| match verdict {
                Verdict::Failed(why) => Some(why),
                _ => None,
            })
            .collect();
        let was_flaky = known.is_some_and(|known| known.flaky);
        if messages.is_empty() && !was_flaky {
            continue;
        }
        eprintln!(
            "{}::{}: {} of {rounds}: {:?}",
            peer.configuration,
            case.name(),
            messages.len(),
            messages.first()
        );
        seen.fails.push(Failure {
            case: case.name().to_owned(),
            reason: known.map(|known| known.reason.clone()).unwrap_or_default(),
            flaky: was_flaky || messages.len() < rounds,
        });
    }
    seen
}

impl Table {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path);
        Self::parse(&text.unwrap_or_else(|error| panic!("{}: {error}; {UPDATE}=3 writes it", path.display())))
    }

    fn parse(text: &str) -> Self {
        toml::from_str(text).unwrap_or_else(|error| panic!("the table of expected failures: {error}"))
    }

    fn failure(&self, configuration: &str, case: &str) -> Option<&Failure> {
        let found = self.configuration.iter().find(|found| found.name == configuration)?;
        found.fails.iter().find(|failure| failure.case == case)
    }

    /// What can be said against the table without running anything.
    fn wrong(&self, locked: &str, known: &[&str]) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.version != locked {
            wrong.push(format!(
                "the table is about {} {}, and {locked} is locked",
                self.library, self.version
            ));
        }
        for failure in self.configuration.iter().flat_map(|found| &found.fails) {
            if !known.contains(&failure.case.as_str()) {
                wrong.push(format!("the table names {}, which is no case", failure.case));
            }
            if failure.reason.trim().is_empty() {
                wrong.push(format!("the table gives no reason for {}", failure.case));
            }
        }
        wrong
    }

    /// Where the table counts other cases than there are.
    fn miscounted(&self, ran: &BTreeMap<&'static str, usize>) -> Vec<String> {
        let counted = self.configuration.iter().map(|found| (found.name.as_str(), found.cases));
        let counted: BTreeMap<_, _> = counted.collect();
        let all = counted.keys().chain(ran.keys()).collect::<std::collections::BTreeSet<_>>();
        let differ = all.into_iter().filter(|name| counted.get(**name) != ran.get(**name));
        differ
            .map(|name| {
                let (counted, ran) = (counted.get(name).unwrap_or(&0), ran.get(name).unwrap_or(&0));
                format!(
                    "{name}: {ran} cases ran, and the table counts {counted}; {UPDATE}=3 counts them anew"
                )
            })
            .collect()
    }

    fn render(&self) -> String {
        let mut text = format!(
            "# Which cases of the suite fail on this library, and why. See `conformance_tests::peers`.\n\
             library = {:?}\nversion = {:?}\n",
            self.library, self.version
        );
        for found in &self.configuration {
            write!(text, "\n[[configuration]]\nname = {:?}\ncases = {}\n", found.name, found.cases)
                .expect("a string grows");
            for failure in &found.fails {
                let flaky = if failure.flaky { "flaky = true\n" } else { "" };
                write!(
                    text,
                    "\n[[configuration.fails]]\ncase = {:?}\nreason = {:?}\n{flaky}",
                    failure.case, failure.reason
                )
                .expect("a string grows");
            }
        }
        text
    }
}

/// Where the adapter and the repository around it keep things.
struct Place {
    adapter: PathBuf,
    root: PathBuf,
}

impl Place {
    fn of(folder: &str) -> Self {
        let adapter = PathBuf::from(folder);
        let root = adapter.ancestors().nth(2).expect("an adapter lies in `adapters`").to_owned();
        Self { adapter, root }
    }

    fn table(&self) -> PathBuf {
        self.adapter.join(TABLE)
    }

    fn page(&self) -> PathBuf {
        self.root.join(PAGE)
    }

    fn locked_version(&self, library: &str) -> String {
        let lock = fs::read_to_string(self.root.join("Cargo.lock")).expect("the workspace has a lock file");
        let lock: toml::Table = lock.parse().expect("it is TOML");
        let packages = lock["package"].as_array().expect("it lists packages");
        let found = packages.iter().find(|package| package["name"].as_str() == Some(library));
        found.and_then(|package| package["version"].as_str()).expect("the library is locked").to_owned()
    }

    /// The tables of all adapters that have one, in the order of their folders.
    fn tables(&self) -> Vec<Table> {
        let adapters = fs::read_dir(self.root.join("adapters")).expect("there are adapters");
        let mut paths: Vec<_> = adapters.map(|entry| entry.expect("an entry").path().join(TABLE)).collect();
        paths.retain(|path| path.exists());
        paths.sort();
        paths.iter().map(|path| Table::read(path)).collect()
    }

    /// The page with the part that is written anew, behind the words that are not.
    fn render_page(&self) -> String {
        let old = fs::read_to_string(self.page()).unwrap_or_default();
        let words = old.split(BEGIN).next().unwrap_or_default();
        format!("{words}{BEGIN}{}", render(&self.tables()))
    }

    fn stale_page(&self) -> Option<String> {
        let current = fs::read_to_string(self.page()).unwrap_or_default();
        (current != self.render_page())
            .then(|| format!("{PAGE} does not say what the tables say; {UPDATE}=3 writes it"))
    }
}

fn render(tables: &[Table]) -> String {
    let mut text =
        "\n| Library | Configuration | Passes | Fails now and then | Fails |\n|---|---|---|---|---|\n"
            .to_owned();
    for (table, found) in
        tables.iter().flat_map(|table| table.configuration.iter().map(move |found| (table, found)))
    {
        let flaky = found.fails.iter().filter(|failure| failure.flaky).count();
        let (library, version, name, cases) = (&table.library, &table.version, &found.name, found.cases);
        let (passing, failing) = (cases - found.fails.len(), found.fails.len() - flaky);
        writeln!(text, "| `{library}` {version} | {name} | {passing} of {cases} | {flaky} | {failing} |")
            .expect("a string grows");
    }
    for (table, found) in
        tables.iter().flat_map(|table| table.configuration.iter().map(move |found| (table, found)))
    {
        write!(text, "\n## `{}` {}\n\n", table.library, found.name).expect("a string grows");
        if found.fails.is_empty() {
            text.push_str("Nothing fails.\n");
        }
        for Failure { case, reason, flaky } in &found.fails {
            let now_and_then = if *flaky { ", now and then" } else { "" };
            writeln!(text, "- `{case}`{now_and_then}: {reason}").expect("a string grows");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "library = \"l\"\nversion = \"1.2.3\"\n\n[[configuration]]\nname = \"c\"\ncases = 3\n\n\
                        [[configuration.fails]]\ncase = \"files::no::such\"\nreason = \"a \\\"quoted\\\" word\"\n\n\
                        [[configuration.fails]]\ncase = \"files::keys::long_and_deep_keys_work\"\nreason = \"\"\nflaky = true\n";

    #[test]
    fn a_table_that_is_written_reads_the_same() {
        let table = Table::parse(TEXT);
        assert_eq!(Table::parse(&table.render()).render(), table.render());
        assert!(table.render().ends_with(&TEXT[TEXT.find("\n\n[[configuration.fails]]").expect("there")..]));
    }

    #[test]
    fn a_table_is_wrong_about_versions_cases_reasons_and_counts() {
        let table = Table::parse(TEXT);
        let known = ["files::keys::long_and_deep_keys_work"];
        assert_eq!(table.wrong("1.2.3", &known).len(), 2);
        assert_eq!(table.wrong("1.2.4", &known).len(), 3);
        assert!(table.miscounted(&BTreeMap::from([("c", 3)])).is_empty());
        assert_eq!(table.miscounted(&BTreeMap::from([("c", 4)])).len(), 1);
        assert_eq!(table.miscounted(&BTreeMap::from([("c", 3), ("d", 1)])).len(), 1);
    }

    #[test]
    fn what_is_not_as_expected_fails_in_both_directions() {
        let (always, flaky) = (Failure::default(), Failure { flaky: true, ..Failure::default() });
        let failed = || Verdict::Failed("why".into());
        assert!(as_expected(None, Verdict::Passed).is_ok());
        assert!(as_expected(None, failed()).is_err());
        assert!(as_expected(Some(&always), failed()).is_ok());
        assert!(as_expected(Some(&always), Verdict::Passed).is_err());
        assert!(as_expected(Some(&flaky), failed()).is_ok());
        assert!(as_expected(Some(&flaky), Verdict::Passed).is_ok());
        assert!(as_expected(Some(&flaky), Verdict::Skipped(crate::Absent::hook("x"))).is_err());
    }
}
