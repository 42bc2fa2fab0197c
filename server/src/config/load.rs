//! From flags, variables and the file to one set of options that knows where each came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde::Deserialize as _;
use toml::{Table, Value};

use super::options::{Field, VARIABLE_PREFIX, nearest};
use super::{Options, Problem, defaults};

/// Variables that are not settings.
const OTHER_VARIABLES: [&str; 2] = ["UNDERCROFT_CONFIG", super::PASSWORD_VARIABLE];

/// Where a value came from. The later of two wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// A key in the configuration file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// A flag on the command line.
    Flag(String),
}

/// What was set, where, and what could not be read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The values that could be read.
    pub options: Options,
    /// Where each came from; what is not in it is a default.
    pub origins: BTreeMap<String, Origin>,
    /// What was wrong with the rest.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// Puts the sources on top of each other: flags, then variables, then the file.
    ///
    /// `variables` are the names of all variables there are, to find those that are misspelt.
    pub fn new(matches: &ArgMatches, variables: impl IntoIterator<Item = String>) -> Self {
        let fields = Options::fields();
        let mut loaded = Self::default();
        let mut values = Table::new();
        for field in &fields {
            let Some((text, origin)) = given(matches, field) else { continue };
            values.insert(field.name.clone(), Value::String(text));
            loaded.origins.insert(field.name.clone(), origin);
        }
        loaded.refuse_unknown_variables(&fields, variables);
        if let Some((file, chosen)) = file(matches, &values) {
            loaded.read_file(&file, chosen, &fields, &mut values);
        }
        // Each value was read on its own before, so together they can be read as well.
        match Options::deserialize(values) {
            Ok(options) => loaded.options = options,
            Err(error) => loaded.problems.push(Problem::new("config", error.message())),
        }
        loaded
    }

    fn refuse_unknown_variables(&mut self, fields: &[Field], variables: impl IntoIterator<Item = String>) {
        let known = || fields.iter().map(|field| field.variable.as_str()).chain(OTHER_VARIABLES);
        let ours = variables.into_iter().filter(|name| name.starts_with(VARIABLE_PREFIX));
        for name in ours.filter(|name| !known().any(|known| known == name)) {
            let nearest = nearest(&name, known());
            self.problems.push(Problem::new(name, format!("unknown variable; did you mean {nearest}?")));
        }
    }

    /// Adds what the file says wherever neither flag nor variable said anything.
    fn read_file(&mut self, file: &Path, chosen: bool, fields: &[Field], values: &mut Table) {
        let table = match read_table(file) {
            Ok(table) => table,
            Err(message) => return self.problems.push(Problem::new("config", message)),
        };
        for (name, value) in table {
            if !fields.iter().any(|field| field.name == name) {
                let nearest = nearest(&name, fields.iter().map(|field| field.name.as_str()));
                let message = format!("unknown key in {}; did you mean `{nearest}`?", file.display());
                self.problems.push(Problem::new(name, message));
            } else if name == "data" && !chosen {
                let message = format!("{} lies in the data folder, so it cannot name it", file.display());
                self.problems.push(Problem::new(name, message));
            } else if let Err(error) = Options::deserialize(Table::from_iter([(name.clone(), value.clone())]))
            {
                let message = format!("{} in {}", error.message(), file.display());
                self.problems.push(Problem::new(name, message));
            } else if !values.contains_key(&name) {
                values.insert(name.clone(), value);
                self.origins.insert(name, Origin::File(file.to_owned()));
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// The text of a setting on the command line or in the environment.
fn given(matches: &ArgMatches, field: &Field) -> Option<(String, Origin)> {
    let origin = match matches.value_source(&field.name)? {
        ValueSource::CommandLine => Origin::Flag(field.flag.clone()),
        ValueSource::EnvVariable => Origin::Variable(field.variable.clone()),
        _ => return None,
    };
    let text = matches.get_raw(&field.name)?.next()?;
    Some((text.to_string_lossy().into_owned(), origin))
}

/// The file to read and whether the operator chose it; otherwise it is the one in the data folder, if there is one.
fn file(matches: &ArgMatches, values: &Table) -> Option<(PathBuf, bool)> {
    if let Some(file) = matches.get_one::<PathBuf>("config") {
        return Some((file.clone(), true));
    }
    let data = values.get("data").and_then(Value::as_str).unwrap_or(defaults::DATA);
    let file = Path::new(data).join("undercroft.toml");
    file.exists().then_some((file, false))
}

/// The error names the line, but does not quote it: it may hold a password.
fn read_table(file: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("{}, line {line}: {}", file.display(), error.message())
    })
}
