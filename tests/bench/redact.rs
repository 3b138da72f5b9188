//! What looking for secrets costs. `cargo bench -p jetway-core --bench redact` reports; nothing here is asserted.

use divan::counter::BytesCount;
use jetway_core::redact::{Redactor, Rules};

fn main() {
    divan::main();
}

#[expect(clippy::unwrap_used, reason = "a bench may stop where nothing can be measured")]
fn redactor() -> Redactor {
    Redactor::new(Rules::default(), &[7; 32]).unwrap()
}

/// Source code of this project, again and again.
fn code(size: usize) -> String {
    let files = [
        include_str!("looking.rs"),
        include_str!("ledger.rs"),
        include_str!("../../gateway/core/src/wire/json.rs"),
        include_str!("../../gateway/core/src/policy/lockdown/mod.rs"),
        include_str!("../../gateway/core/src/wire/messages/reply.rs"),
    ];
    let mut text = files.concat();
    while text.len() < size {
        text = text.repeat(2);
    }
    text.truncate(text.floor_char_boundary(size));
    text
}

/// What tools return: files with line numbers, searches, logs; every 100 KB a file of variables.
fn conversation(size: usize) -> String {
    let key = concat!("sk_", "live_", "51H8sT3kLmN0pQrStUvWx");
    let env = format!(
        "     1→# keys\n     2→STRIPE_KEY={key}\n     3→PORT=3000\n     4→DATABASE_URL=postgres://app:hunter2@db/app\n"
    );
    let numbered: String =
        code(50_000).lines().enumerate().map(|(number, line)| format!("{number:6}→{line}\n")).collect();
    let log: String = (0..400)
        .map(|n| {
            format!("2026-01-01T00:00:{n:02}Z INFO request id=4f3c2a1b path=/api/items/{n} status=200 took=12ms\n")
        })
        .collect();
    let mut text = String::new();
    while text.len() < size {
        text.push_str(&numbered);
        text.push_str(&log);
        text.push_str(&env);
    }
    text.truncate(text.floor_char_boundary(size));
    text
}

#[divan::bench(args = [1_000_000, 8_000_000])]
fn a_conversation_with_few_secrets(bencher: divan::Bencher<'_, '_>, size: usize) {
    let (redactor, text) = (redactor(), conversation(size));
    bencher.counter(BytesCount::new(text.len())).bench(|| redactor.redact(&text));
}

#[divan::bench(args = [1_000_000, 8_000_000])]
fn code_without(bencher: divan::Bencher<'_, '_>, size: usize) {
    let (redactor, text) = (redactor(), code(size));
    bencher.counter(BytesCount::new(text.len())).bench(|| redactor.redact(&text));
}

#[divan::bench]
fn an_image(bencher: divan::Bencher<'_, '_>) {
    let redactor = redactor();
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 1_u64;
    let text: String = (0..1_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(letters[(state >> 58) as usize])
        })
        .collect();
    bencher.counter(BytesCount::new(text.len())).bench(|| redactor.redact(&text));
}

#[divan::bench]
fn make_a_redactor() -> Redactor {
    redactor()
}
