//! The integration functions that `object_store` offers to authors of stores, run on ours.
//!
//! Not run, because they ask for a trait or a transport that [`AsObjectStore`] does not have:
//!
//! * `multipart`, `multipart_with_opts`, `multipart_put_part_out_of_order`: `MultipartStore`, whose uploads are known
//!   by an identifier that outlives the process; ours are values that are finished or dropped.
//! * `list_paginated`: `PaginatedListStore`, pages with a token; our listings resume behind a key.
//! * `response_extensions`: a store that speaks HTTP.

use std::sync::Arc;

use fs_local::Local;
use fs_memory::Memory;
use fs_object_store::AsObjectStore;
use object_store::integration as theirs;
use persistent_fs::Backend;
use tempfile::TempDir;

/// One test per function and store.
macro_rules! their_suite {
    ($($name:ident |$store:ident| $body:expr;)+) => {
        mod memory {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let $store = &AsObjectStore::new(Arc::new(Memory::new()));
                $body
            })+
        }
        mod local {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let folder = TempDir::new().expect("a folder");
                let local = Local::open(folder.path()).expect("a store");
                let $store = &AsObjectStore::new(Arc::new(local));
                $body
            })+
        }
    };
}

their_suite! {
    put_get_delete_list |store| theirs::put_get_delete_list(store).await;
    put_get_attributes |store| theirs::put_get_attributes(store).await;
    get_opts |store| theirs::get_opts(store).await;
    put_opts |store| theirs::put_opts(store, store.backend().capabilities().compare_and_swap).await;
    stream_get |store| theirs::stream_get(store).await;
    list_uses_directories_correctly |store| theirs::list_uses_directories_correctly(store).await;
    list_with_delimiter |store| theirs::list_with_delimiter(store).await;
    list_with_offset_exclusivity |store| theirs::list_with_offset_exclusivity(store).await;
    get_nonexistent_object |store| {
        let error = theirs::get_nonexistent_object(store, None).await.expect_err("it does not exist");
        assert!(matches!(error, object_store::Error::NotFound { .. }), "{error}");
    };
    rename_and_copy |store| theirs::rename_and_copy(store).await;
    copy_if_not_exists |store| theirs::copy_if_not_exists(store).await;
    copy_rename_nonexistent_object |store| theirs::copy_rename_nonexistent_object(store).await;
    multipart_race_condition |store| theirs::multipart_race_condition(store, true).await;
    multipart_out_of_order |store| theirs::multipart_out_of_order(store).await;
}
