//! How hard a secret is to guess. Mesh parameters are not stretched and some are public (the DHT infohash), so anybody can
//! try secrets offline as fast as SHA-256 runs: at 80 bits that stops being possible.
//!
//! The rule, in bits, over at most the first 256 bytes:
//!
//! 1. A character costs log2 of the alphabet the secret draws from: 10 for digits, 16 for hex, and else the sum of 26 for
//!    lower case, 26 for upper case, 10 for digits, 33 for other ASCII, 100 for the rest.
//! 2. A letter of a word-like run costs at most 2 bits, about what a letter of English tells: three letters or more of one
//!    case (the first may be a capital) with a vowel and no five consonants in a row.
//! 3. In a run of three or more, each equal or next to the one before (`aaa`, `abc`, `321`, `qwerty`), each character after
//!    the first costs 1 bit.
//! 4. Four characters or more that came before (whatever their case) cost 10 bits together: where, and how many.
//!
//! The cheapest rule counts for each character. It errs on the low side: a random lower-case text comes out about a third
//! lower than it is. It knows no lists of words or leaked passwords.

use super::secret::Secret;

/// Bytes that are looked at: more only add strength, and the search for repeats is quadratic.
const MAX_BYTES: usize = 256;
const WORD_LETTER_BITS: f64 = 2.0;
const RUN_STEP_BITS: f64 = 1.0;
const REPEAT_BITS: f64 = 10.0;
const SHORTEST_RUN: usize = 3;
const SHORTEST_REPEAT: usize = 4;
const MAX_CONSONANTS: usize = 4;

type ByteTest = fn(&u8) -> bool;

/// Estimated strength in whole bits, rounded down.
pub fn bits(secret: &Secret) -> u32 {
    let text = &secret.as_bytes()[..secret.as_bytes().len().min(MAX_BYTES)];
    let mut costs = [0.0; MAX_BYTES];
    let alphabet_bits = alphabet_size(text).log2();
    for (cost, &byte) in costs.iter_mut().zip(text) {
        // The bytes of a UTF-8 character after its first one tell little.
        *cost = if is_continuation(byte) { 0.0 } else { alphabet_bits };
    }
    limit_words(text, &mut costs);
    limit_runs(text, &mut costs);
    limit_repeats(text, &mut costs);
    costs.iter().sum::<f64>() as u32
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

fn alphabet_size(text: &[u8]) -> f64 {
    if text.iter().all(u8::is_ascii_digit) {
        return 10.0;
    }
    let hex = |letters: ByteTest| text.iter().all(|byte| byte.is_ascii_hexdigit() && !letters(byte));
    if hex(u8::is_ascii_uppercase) || hex(u8::is_ascii_lowercase) {
        return 16.0;
    }
    let classes: [(f64, ByteTest); 5] = [
        (26.0, u8::is_ascii_lowercase),
        (26.0, u8::is_ascii_uppercase),
        (10.0, u8::is_ascii_digit),
        (33.0, |byte| byte.is_ascii() && !byte.is_ascii_alphanumeric()),
        (100.0, |byte| !byte.is_ascii()),
    ];
    classes.iter().filter(|(_, holds)| text.iter().any(holds)).map(|(size, _)| size).sum()
}

fn limit(costs: &mut [f64], bits: f64) {
    for cost in costs {
        *cost = cost.min(bits);
    }
}

fn limit_words(text: &[u8], costs: &mut [f64]) {
    let mut start = 0;
    while start < text.len() {
        let length = word_length(&text[start..]);
        let has_vowel = text[start..start + length].iter().any(is_vowel);
        if length >= SHORTEST_RUN && has_vowel {
            limit(&mut costs[start..start + length], WORD_LETTER_BITS);
        }
        start += length.max(1);
    }
}

/// How many letters at the start read like one word.
fn word_length(text: &[u8]) -> usize {
    let mut consonants = 0;
    for (index, byte) in text.iter().enumerate() {
        // From the second letter on the case stays; the first one may be a capital before small letters.
        let fits = match index {
            0 => byte.is_ascii_alphabetic(),
            1 => byte.is_ascii_lowercase() || (byte.is_ascii_uppercase() && text[0].is_ascii_uppercase()),
            _ => byte.is_ascii_alphabetic() && byte.is_ascii_lowercase() == text[1].is_ascii_lowercase(),
        };
        consonants = if is_vowel(byte) { 0 } else { consonants + 1 };
        if !fits || consonants > MAX_CONSONANTS {
            return index;
        }
    }
    text.len()
}

fn is_vowel(byte: &u8) -> bool {
    b"aeiouy".contains(&byte.to_ascii_lowercase())
}

fn limit_runs(text: &[u8], costs: &mut [f64]) {
    let mut start = 0;
    for end in 1..=text.len() {
        if end < text.len() && is_step(text[end - 1], text[end]) {
            continue;
        }
        if end - start >= SHORTEST_RUN {
            limit(&mut costs[start + 1..end], RUN_STEP_BITS);
        }
        start = end;
    }
}

/// Whether the two are equal, or next to each other in the alphabet, among the digits, or on a keyboard.
fn is_step(one: u8, two: u8) -> bool {
    let (one, two) = (one.to_ascii_lowercase(), two.to_ascii_lowercase());
    if one.abs_diff(two) <= 1 {
        return true;
    }
    ["qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890"].iter().any(|row| {
        let place = |byte| row.bytes().position(|known| known == byte);
        matches!((place(one), place(two)), (Some(one), Some(two)) if one.abs_diff(two) == 1)
    })
}

fn limit_repeats(text: &[u8], costs: &mut [f64]) {
    let mut start = 0;
    while start < text.len() {
        let same = |earlier: usize| {
            let pairs = text[earlier..].iter().zip(&text[start..]);
            pairs.take_while(|(one, two)| one.eq_ignore_ascii_case(two)).count()
        };
        let longest = (0..start).map(same).max().unwrap_or(0);
        if longest >= SHORTEST_REPEAT {
            limit(&mut costs[start..start + longest], REPEAT_BITS / longest as f64);
            start += longest;
        } else {
            start += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::generate;
    use crate::identity::hex;
    use crate::testing::{pseudo_random_bytes, random_bytes};

    fn bits_of(text: &str) -> u32 {
        bits(&Secret::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn weak_secrets_stay_under_80_bits() {
        let weak = [
            "passwordpassword",
            "aaaaaaaaaaaaaaaa",
            "0123456789abcdef",
            "abcdefghijklmnop",
            "fedcba9876543210",
            "qwertyuiopasdfghjkl",
            "PasswordPASSWORDpassword",
            "P@ssw0rd12345678",
            "1234567890123456789012345",
            "20240131202401312024",
            "correct horse battery staple",
            "aabbccddeeffgghhiijj",
            "abababababababababababab",
            "MySecretMeshPassword2024",
            "hello world hello world hello world",
            &"ab1".repeat(300),
        ];
        for text in weak {
            assert!(bits_of(text) < 80, "{text}: {}", bits_of(text));
        }
    }

    #[test]
    fn random_secrets_are_strong() {
        for _ in 0..200 {
            let uri = generate::secret_uri().unwrap();
            assert!(bits_of(&uri) >= 256, "{}", bits_of(&uri));
        }
        for seed in 0..5_000 {
            let text = hex::encode(&random_bytes(seed, 16));
            assert!(bits_of(&text) >= 80, "{text}: {}", bits_of(&text));
            assert!(bits_of(&text) <= 128, "{text}: {}", bits_of(&text));
        }
        assert!(bits_of("crumpet-violin-harbour-seventy-glacier-mango-thistle-orbit") >= 80);
    }

    #[test]
    fn any_bytes_have_a_strength() {
        for seed in 0..300 {
            if let Ok(secret) = Secret::parse(&pseudo_random_bytes(seed, 400)) {
                assert!(bits(&secret) <= 8 * MAX_BYTES as u32);
            }
        }
    }
}
