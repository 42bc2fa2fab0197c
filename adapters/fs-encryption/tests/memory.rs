//! Memory stays flat, whatever passes through.

mod common;

use bytes::Bytes;
use common::{key, ring};
use fs_encryption::Encrypted;
use fs_local::Local;
use futures_util::TryStreamExt;
use peak_alloc::PeakAlloc;
use persistent_fs::{ByteRange, Files, ReadOptions, WriteOptions};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How much passes through, and how much of it may be held at any time.
const TOTAL: usize = 256 << 20;
const BOUND: usize = 8 << 20;
const PIECE: usize = 256 * 1024;

#[tokio::test]
async fn a_large_object_passes_through_in_pieces() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Local::open(folder.path()).expect("a folder");
    let files = Files::new(Encrypted::new(store, "store", ring()).expect("a good name"));
    let piece = Bytes::from(common::noise(1, PIECE));
    let (a, before) = (key("a"), ALLOCATOR.current_usage());
    ALLOCATOR.reset_peak_usage();

    let mut upload = files.writer(&a, WriteOptions::default().atomic()).await.expect("an upload");
    for _ in 0..TOTAL / PIECE {
        upload.write(piece.clone()).await.expect("written");
    }
    assert_eq!(upload.finish().await.expect("finished").size, TOTAL as u64);
    let written = ALLOCATOR.peak_usage() - before;
    assert!(written < BOUND, "writing took {written} bytes");

    ALLOCATOR.reset_peak_usage();
    let mut download = files.read(&a, ReadOptions::default()).await.expect("there");
    let mut read = 0;
    while let Some(part) = download.body.try_next().await.expect("a piece") {
        let offset = read % PIECE;
        assert!(part == piece[offset..offset + part.len()], "changed at {read}");
        read += part.len();
    }
    assert_eq!(read, TOTAL);
    let peak = ALLOCATOR.peak_usage() - before;
    assert!(peak < BOUND, "reading took {peak} bytes");

    ALLOCATOR.reset_peak_usage();
    let range = ReadOptions::range(ByteRange::Last(100));
    let last = files.read(&a, range).await.expect("there").body.try_collect::<Vec<_>>().await.expect("read");
    assert_eq!(last.concat(), piece[PIECE - 100..]);
    let peak = ALLOCATOR.peak_usage() - before;
    assert!(peak < BOUND / 2, "a range at the end took {peak} bytes");
}
