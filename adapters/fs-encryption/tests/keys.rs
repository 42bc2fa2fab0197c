//! Who is asked for keys and how often, what happens when there is no answer, and how keys are replaced.

mod common;

use std::sync::Arc;

use common::{Counting, SEGMENT, key, master, noise, read, refused, ring, sealed, store, stored};
use fs_encryption::{Context, DataKey, Encrypted, KeyChain, KeyRing, KeyWrapper, MasterKey, WrappedKey};
use fs_memory::Memory;
use futures_util::TryStreamExt;
use persistent_fs::{Backend, ByteRange, ErrorKind, Files, Prefix, Retry, WriteOptions};

/// One question for each object that is written or read, however large, and none for anything else.
#[tokio::test]
async fn an_object_costs_one_question() {
    let wrapper = Counting::new(ring());
    let files = sealed(&Memory::new(), "store", Arc::clone(&wrapper));
    for length in [0, 100, 5 * SEGMENT, 40 * SEGMENT] {
        files.put(&key("a"), noise(1, length).into(), WriteOptions::default()).await.expect("written");
        assert_eq!(wrapper.asked(), (1, 0), "a put of {length}");
        read(&files, "a", None).await.1.expect("read");
        assert_eq!(wrapper.asked(), (0, 1), "a read of {length}");
    }
    read(&files, "a", Some(ByteRange::Span(3, 100))).await.1.expect("read");
    assert_eq!(wrapper.asked(), (0, 1), "a range");
    let mut upload = files.writer(&key("b"), WriteOptions::default()).await.expect("an upload");
    for _ in 0..100 {
        upload.write(noise(2, 10_000).into()).await.expect("written");
    }
    upload.finish().await.expect("finished");
    assert_eq!(wrapper.asked(), (1, 0), "an upload");
    files.copy(&key("b"), &key("c"), WriteOptions::default()).await.expect("copied");
    assert_eq!(wrapper.asked(), (1, 1), "a copy");
    files.head(&key("a")).await.expect("there");
    files.list(&Prefix::all(), None).try_collect::<Vec<_>>().await.expect("listed");
    files.delete(&key("a")).await.expect("deleted");
    assert_eq!(wrapper.asked(), (0, 0), "what needs no key");
}

/// A key service that does not answer stops reads and writes with its own kind, and nothing is written.
#[tokio::test]
async fn without_the_key_service_nothing_happens() {
    let (raw, wrapper) = (Memory::new(), Counting::new(ring()));
    let files = sealed(&raw, "store", Arc::clone(&wrapper));
    files.put(&key("a"), "old".into(), WriteOptions::default()).await.expect("written");
    let before = stored(&raw, "a").await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Denied, ErrorKind::Throttled, ErrorKind::Timeout] {
        wrapper.fail(Some(kind));
        let error = refused(files.put(&key("a"), "new".into(), WriteOptions::default()).await, kind);
        assert_eq!(error.retry() == Retry::Backoff, kind != ErrorKind::Denied, "{kind:?}");
        refused(files.put(&key("a"), noise(1, 40 * SEGMENT).into(), WriteOptions::default()).await, kind);
        refused(files.writer(&key("b"), WriteOptions::default()).await, kind);
        refused(files.copy(&key("a"), &key("b"), WriteOptions::default()).await, kind);
        refused(read(&files, "a", None).await.1, kind);
        refused(read(&files, "a", Some(ByteRange::Span(0, 1))).await.1, kind);
        // What needs no key goes on.
        assert_eq!(files.head(&key("a")).await.expect("there").size, 3);
    }
    assert!(stored(&raw, "a").await == before);
    wrapper.fail(None);
    assert_eq!(read(&files, "a", None).await.0, b"old");
}

#[tokio::test]
async fn a_wrapped_key_that_does_not_fit_is_refused_before_anything_is_written() {
    #[derive(Debug)]
    struct Verbose;

    #[async_trait::async_trait]
    impl KeyWrapper for Verbose {
        fn current(&self) -> String {
            "verbose".to_owned()
        }

        async fn wrap(&self, _: &DataKey, _: Context<'_>) -> persistent_fs::Result<WrappedKey> {
            WrappedKey::new("verbose", vec![0; 1000])
        }

        async fn unwrap(&self, _: &WrappedKey, _: Context<'_>) -> persistent_fs::Result<DataKey> {
            unreachable!("nothing is ever written")
        }
    }

    let raw = Memory::new();
    let files = sealed(&raw, "store", Verbose);
    refused(files.put(&key("a"), "new".into(), WriteOptions::default()).await, ErrorKind::Config);
    refused(raw.head(&key("a")).await, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_ring_takes_good_keys_only_and_each_id_once() {
    refused(MasterKey::new("id", &[1; 31]), ErrorKind::Config);
    refused(MasterKey::new("id", &[1; 33]), ErrorKind::Config);
    for id in ["", "with space", "ümlaut", &"x".repeat(129)] {
        refused(MasterKey::new(id, &[1; 32]), ErrorKind::Config);
    }
    refused(ring().accepting(master("2026", 2)), ErrorKind::Config);
}

/// A data key is wrapped for one object of one store.
#[tokio::test]
async fn a_wrapped_key_is_good_for_its_context_alone() {
    let (ring, data_key, object) = (ring(), DataKey::generate().expect("randomness"), key("a"));
    let context = Context { store: "store", object: &object };
    let wrapped = ring.wrap(&data_key, context).await.expect("wrapped");
    assert_eq!(ring.unwrap(&wrapped, context).await.expect("unwrapped").expose(), data_key.expose());
    let other = key("b");
    for context in [Context { store: "other", ..context }, Context { object: &other, ..context }] {
        refused(ring.unwrap(&wrapped, context).await, ErrorKind::Integrity);
    }
    for position in 0..wrapped.blob.len() {
        let mut flipped = wrapped.clone();
        flipped.blob[position] ^= 1;
        refused(ring.unwrap(&flipped, context).await, ErrorKind::Integrity);
    }
}

/// The master key is replaced; headers and bodies keep every byte; and the old master key is not needed any more.
#[tokio::test]
async fn a_master_key_is_replaced_without_touching_an_object() {
    let (raw, keys) = (Memory::new(), Memory::new());
    let chain = |ring| KeyChain::open(Files::new(keys.clone()), "store", ring);
    let old = chain(ring()).await.expect("a chain");
    let files = sealed(&raw, "store", old);
    for n in 0..5 {
        files
            .put(&key(&n.to_string()), noise(n, 100_000).into(), WriteOptions::default())
            .await
            .expect("written");
    }
    let before = everything(&raw).await;

    let both = KeyRing::new(master("2027", 2)).accepting(master("2026", 1)).expect("two ids");
    let between = chain(both).await.expect("a chain");
    assert_eq!(between.rewrap().await.expect("rewrapped"), 1);
    assert_eq!(between.rewrap().await.expect("rewrapped"), 0, "there was nothing left to do");

    let new = chain(KeyRing::new(master("2027", 2))).await.expect("the new key is enough");
    let files = sealed(&raw, "store", new);
    for n in 0..5 {
        assert!(read(&files, &n.to_string(), None).await.0 == noise(n, 100_000));
    }
    assert!(everything(&raw).await == before, "an object was touched");
    let error = refused(chain(ring()).await.map(drop), ErrorKind::Config);
    assert!(error.to_string().contains("`2027`"), "{error}");
}

/// A chain's key is followed by another; both open what they sealed, in this process and in others.
#[tokio::test]
async fn a_key_of_the_chain_is_followed_by_another() {
    let (raw, keys) = (Memory::new(), Memory::new());
    let open = || KeyChain::open(Files::new(keys.clone()), "store", ring());
    let (here, there) = (Arc::new(open().await.expect("a chain")), open().await.expect("a chain"));
    let (first, elsewhere) = (here.current(), sealed(&raw, "store", there));
    let files = sealed(&raw, "store", Arc::clone(&here));
    files.put(&key("old"), "old".into(), WriteOptions::default()).await.expect("written");
    let second = here.rotate().await.expect("rotated");
    assert_ne!(first, second);
    files.put(&key("new"), "new".into(), WriteOptions::default()).await.expect("written");
    for files in [&files, &elsewhere, &sealed(&raw, "store", open().await.expect("a chain"))] {
        assert_eq!(read(files, "old", None).await.0, b"old");
        assert_eq!(read(files, "new", None).await.0, b"new");
    }
    assert_eq!(open().await.expect("a chain").current(), second);

    // Without its object, a key is gone, and the error names it.
    keys.delete(&key(&second)).await.expect("deleted");
    let files = sealed(&raw, "store", open().await.expect("a chain"));
    let error = refused(read(&files, "new", None).await.1, ErrorKind::Config);
    assert!(error.to_string().contains(&second), "{error}");
}

/// A service behind a chain is asked once, and not once per object.
#[tokio::test]
async fn a_chain_spares_the_service() {
    let wrapper = Counting::new(ring());
    let keys = Files::new(Memory::new());
    let chain = KeyChain::open(keys.clone(), "store", Arc::clone(&wrapper)).await.expect("a chain");
    assert_eq!(wrapper.asked(), (1, 1));
    let files = sealed(&Memory::new(), "store", chain);
    for _ in 0..20 {
        files.put(&key("a"), "body".into(), WriteOptions::default()).await.expect("written");
        read(&files, "a", None).await.1.expect("read");
    }
    assert_eq!(wrapper.asked(), (0, 0));
    wrapper.fail(Some(ErrorKind::Unavailable));
    refused(KeyChain::open(keys, "store", wrapper).await, ErrorKind::Unavailable);
    assert_eq!(read(&files, "a", None).await.0, b"body");
}

/// Of several processes that open an empty chain, all get one key.
#[tokio::test]
async fn racing_openers_agree() {
    let (raw, keys) = (Memory::new(), Memory::new());
    let open = || KeyChain::open(Files::new(keys.clone()), "store", ring());
    let chains = futures_util::future::try_join_all((0..8).map(|_| open())).await.expect("chains");
    assert_eq!(everything(&keys).await.len(), 1);
    for (n, chain) in chains.into_iter().enumerate() {
        let name = n.to_string();
        sealed(&raw, "store", chain)
            .put(&key(&name), "x".into(), WriteOptions::default())
            .await
            .expect("written");
    }
    let files = sealed(&raw, "store", open().await.expect("a chain"));
    for n in 0..8 {
        assert_eq!(read(&files, &n.to_string(), None).await.0, b"x");
    }
}

/// Somebody who can write to the key objects can destroy them, and cannot make them say something else.
#[tokio::test]
async fn a_damaged_key_object_is_refused() {
    let keys = Memory::new();
    let open = |name: &'static str| KeyChain::open(Files::new(keys.clone()), name, ring());
    let first = open("store").await.expect("a chain").current();
    refused(open("another").await, ErrorKind::Integrity);
    let good = stored(&keys, &first).await;
    for position in 0..good.len() {
        let mut flipped = good.clone();
        flipped[position] ^= 1;
        store(&keys, &first, flipped).await;
        let kind = open("store").await.map(drop).expect_err("damaged").kind();
        assert!(matches!(kind, ErrorKind::Integrity | ErrorKind::Config), "byte {position}: {kind:?}");
    }
    store(&keys, "000002", good.clone()).await;
    refused(open("store").await, ErrorKind::Integrity);
    keys.delete(&key("000002")).await.expect("deleted");
    store(&keys, "something else", good).await;
    refused(open("store").await, ErrorKind::Integrity);
}

/// A data key leaves nothing behind in the memory that it lay in.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_data_key_is_zeroed() {
    use std::os::unix::fs::FileExt;

    let memory = std::fs::File::open("/proc/self/mem").expect("this process's memory");
    let look = |address: usize| {
        let mut bytes = [0; 32];
        memory.read_exact_at(&mut bytes, address as u64).expect("the heap is still mapped");
        bytes.windows(8).any(|window| window == [0xA7; 8])
    };
    let plain = Box::new([0xA7_u8; 32]);
    let address = std::ptr::from_ref(&*plain).addr();
    drop(plain);
    assert!(look(address), "what is dropped without care can be seen here");

    let secret = Box::new(DataKey::from_slice(&[0xA7; 32]).expect("32 bytes"));
    let address = std::ptr::from_ref(secret.expose()).addr();
    assert!(look(address));
    drop(secret);
    assert!(!look(address), "the key is still there");
}

/// Links are the layer's own or none.
#[tokio::test]
async fn the_links_of_the_inner_store_are_not_passed_on() {
    let inner = Memory::new().with_links(conformance_tests::files::signer());
    let layer = Encrypted::new(inner, "store", ring()).expect("a good name");
    assert!(!layer.capabilities().get_links);
    let request = persistent_fs::LinkRequest::get(std::time::Duration::from_mins(1));
    refused(layer.link(&key("a"), request).await, ErrorKind::Unsupported);
}

/// The names and bytes of all that is stored.
async fn everything(raw: &Memory) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let names = raw.list(&Prefix::all(), None).try_collect::<Vec<_>>().await.expect("listed");
    for meta in names {
        all.push((meta.key.to_string(), stored(raw, meta.key.as_str()).await));
    }
    all
}
