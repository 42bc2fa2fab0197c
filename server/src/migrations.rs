//! The changes of the schema, oldest first.
//!
//! One folder a change, one file a step, one statement a file; the migrator in `dbconn` records each step.
//! A step that ran anywhere is never edited: a new change follows it.

use dbconn::migrate::{Migration, Sql, Step};

macro_rules! change {
    ($folder:literal: $($step:literal),+ $(,)?) => {
        Migration {
            name: $folder,
            steps: &[$(Step {
                name: $step,
                sql: Sql::Common(include_str!(concat!("../migrations/", $folder, "/", $step, ".sql"))),
            }),+],
        }
    };
}

/// All changes, in the order in which they run.
pub const ALL: &[Migration] = &[
    change!("0001_initial":
        "01_users",
        "02_users_email",
        "03_devices",
        "04_devices_user",
        "05_devices_refresh",
        "06_folders",
        "07_folders_user",
        "08_ciphers",
        "09_ciphers_user",
        "10_cipher_marks",
        "11_cipher_marks_cipher",
        "12_cipher_marks_folder",
        "13_attachments",
        "14_attachments_cipher",
        "15_outbox",
        "16_outbox_due",
        "17_stray_files",
    ),
    change!("0002_mail":
        "01_outbox_dedupe_key",
        "02_outbox_dedupe_key_unique",
        "03_suppressions",
        "04_mail_events",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_a_step_and_the_steps_are_in_order() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let listed: Vec<String> = ALL
            .iter()
            .flat_map(|change| change.steps.iter().map(|step| format!("{}/{}.sql", change.name, step.name)))
            .collect();
        let mut files = BTreeSet::new();
        for folder in std::fs::read_dir(&root).unwrap() {
            let folder = folder.unwrap();
            for file in std::fs::read_dir(folder.path()).unwrap() {
                let name = file.unwrap().file_name();
                files.insert(format!("{}/{}", folder.file_name().display(), name.display()));
            }
        }
        assert_eq!(listed, files.into_iter().collect::<Vec<_>>());
    }
}
