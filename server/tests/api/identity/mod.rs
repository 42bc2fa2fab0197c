//! `/identity`, and devices.

mod devices;
mod prelogin;
mod register;
mod token;
