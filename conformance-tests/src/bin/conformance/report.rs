//! What is shown while the cases run, and what remains of it.

use std::{collections::BTreeMap, fmt};

use conformance_tests::Verdict;
use serde_json::json;

/// The verdicts so far.
#[derive(Debug)]
pub(crate) struct Report {
    suite: &'static str,
    store: String,
    planned: usize,
    verdicts: Vec<(&'static str, Verdict)>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    pub(crate) fn new(suite: &'static str, store: &str, planned: usize) -> Self {
        Self { suite, store: store.to_owned(), planned, verdicts: Vec::new() }
    }

    /// Shows and keeps a verdict.
    pub(crate) fn add(&mut self, case: &'static str, verdict: Verdict) {
        print!("{:>3}/{} ", self.verdicts.len() + 1, self.planned);
        match &verdict {
            Verdict::Passed => println!("ok       {case}"),
            Verdict::Skipped(absent) => println!("skipped  {case}: {absent}"),
            Verdict::Failed(message) => println!("FAILED   {case}: {message}"),
        }
        self.verdicts.push((case, verdict));
    }

    pub(crate) fn len(&self) -> usize {
        self.verdicts.len()
    }

    /// Whether each planned case has its verdict.
    pub(crate) fn is_complete(&self) -> bool {
        self.len() == self.planned
    }

    pub(crate) fn failed(&self) -> usize {
        self.total().failed
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> String {
        let cases = self.verdicts.iter().map(|(case, verdict)| match verdict {
            Verdict::Passed => json!({ "case": case, "result": "passed" }),
            Verdict::Skipped(absent) => {
                json!({ "case": case, "result": "skipped", "reason": absent.to_string() })
            }
            Verdict::Failed(message) => json!({ "case": case, "result": "failed", "reason": message }),
        });
        let total = self.total();
        let report = json!({
            "suite": self.suite,
            "version": env!("CARGO_PKG_VERSION"),
            "store": self.store,
            "passed": total.passed,
            "failed": total.failed,
            "skipped": total.skipped,
            "cases": cases.collect::<Vec<_>>(),
        });
        format!("{report:#}\n")
    }

    fn total(&self) -> Count {
        self.verdicts.iter().fold(Count::default(), |count, (_, verdict)| count.and(verdict))
    }
}

impl Count {
    fn and(mut self, verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
        }
        self
    }
}

/// A table by group, then each failure once more, then the sum.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<&str, Count> = BTreeMap::new();
        for (case, verdict) in &self.verdicts {
            let group = case.rsplit_once("::").map_or(*case, |(group, _)| group);
            let count = groups.entry(group).or_default();
            *count = count.and(verdict);
        }
        writeln!(f, "{:<24} {:>7} {:>7} {:>7}", "group", "passed", "failed", "skipped")?;
        for (group, Count { passed, failed, skipped }) in &groups {
            writeln!(f, "{group:<24} {passed:>7} {failed:>7} {skipped:>7}")?;
        }
        for (case, verdict) in &self.verdicts {
            if let Verdict::Failed(message) = verdict {
                writeln!(f, "\n{case}\n  {message}")?;
            }
        }
        let Count { passed, failed, skipped } = self.total();
        writeln!(f, "\n{}: {passed} passed, {failed} failed, {skipped} skipped", self.store)
    }
}

#[cfg(test)]
mod tests {
    use conformance_tests::Absent;

    use super::*;

    #[test]
    fn every_verdict_is_counted_and_a_failure_told_with_its_reason() {
        let mut report = Report::new("files", "file", 3);
        report.add("files::create::one", Verdict::Passed);
        report.add("files::create::two", Verdict::Failed("both won".to_owned()));
        report.add("files::swap::three", Verdict::Skipped(Absent::because("not here")));
        assert_eq!((report.len(), report.failed()), (3, 1));
        let table = report.to_string();
        for wanted in ["files::create", "files::create::two\n  both won", "1 passed, 1 failed, 1 skipped"] {
            assert!(table.contains(wanted), "{table}");
        }
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!(json["cases"][1]["reason"], "both won");
        assert_eq!(json["cases"][2]["result"], "skipped");
    }
}
