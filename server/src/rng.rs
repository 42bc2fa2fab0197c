//! Randomness as an argument.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, RngCore, SeedableRng};

/// A shared source of random bytes: `ChaCha20`, seeded by the operating system, or by a test.
#[derive(Clone)]
pub struct Rng(Arc<Mutex<ChaCha20Rng>>);

impl Rng {
    /// Seeded by the operating system; what every real process uses.
    pub fn from_os() -> Self {
        let mut seed = [0; 32];
        OsRng.fill_bytes(&mut seed);
        Self(Arc::new(Mutex::new(ChaCha20Rng::from_seed(seed))))
    }

    /// The same bytes on every run, for tests.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha20Rng::seed_from_u64(seed))))
    }

    /// `N` fresh bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }

    /// A generator of its own, seeded by this one, for libraries that want to hold one.
    pub fn fork(&self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.bytes())
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng")
    }
}
