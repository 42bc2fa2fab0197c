//! What the layers promise beyond the contract: that nothing is created twice, that a quota holds in a race, that each
//! call is counted once, that faults can be repeated. And that the checks of it can fail.

mod bench;
mod careless;
mod faulty;
mod limited;
mod observed;
mod prefixed;
mod retried;
mod retried_streams;
