//! The guard of replies (Messages), on any bytes and on streams that are nearly right. What holds is
//! checked in `jetway_fuzz::guard`:
//!
//! - Where the bytes are cut makes no difference to what leaves.
//! - Where everything is allowed they leave as they came, or the reply breaks.
//! - A call that is barred is not among those that an SDK would put together from what leaves.
//! - A call that is judged by its input is judged by the input that an SDK would put together.
//! - Where calls are answered the turn is told again as JSON.
//! - Numbers that were in order are in order afterwards, also over two turns.

#![no_main]

use jetway_core::wire::Dialect;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| jetway_fuzz::guard::check(Dialect::Messages, bytes));
