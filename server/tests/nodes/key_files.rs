//! The server's own secrets, made by whichever node comes first.

use std::collections::BTreeSet;
use std::sync::Arc;

use persistent_fs::Files;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use undercroft::key_files::load_or_create;
use undercroft::rng::Rng;

/// How many ask at once.
const RACERS: usize = 32;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_on_an_empty_store_have_one_key() {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let stores: [Files; 2] =
            std::array::from_fn(|_| Files::new(fs_local::Local::open(folder.path()).unwrap()));
        let start = Arc::new(Barrier::new(RACERS));
        let mut racers = JoinSet::new();
        for number in 0..RACERS {
            let (files, start) = (stores[number % 2].clone(), Arc::clone(&start));
            racers.spawn(async move {
                let rng = Rng::from_os();
                start.wait().await;
                load_or_create(&files, "test.key", &rng).await.unwrap()
            });
        }
        let keys: BTreeSet<[u8; 32]> = racers.join_all().await.into_iter().collect();
        assert_eq!(keys.len(), 1, "the nodes do not agree");

        let later = Files::new(fs_local::Local::open(folder.path()).unwrap());
        assert!(keys.contains(&load_or_create(&later, "test.key", &Rng::from_os()).await.unwrap()));
    }
}
