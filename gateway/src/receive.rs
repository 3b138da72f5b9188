//! Taking a request in: within a time, within a size, decompressed.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::config::Limits;
use jetway_core::units::Size;

/// Why a request's body is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("the request body is larger than {limit}, which is the limit here (limits.body in config/gateway.yaml)")]
    TooLarge { limit: Size },
    #[error("the request body did not arrive within {seconds} s")]
    Slow { seconds: u64 },
    #[error("the content type must be application/json, and is {found:?}")]
    ContentType { found: String },
    #[error("the content encoding must be gzip, zstd or none, and is {found:?}")]
    Encoding { found: String },
    #[error("the request body is not the {encoding} that its content-encoding says: {why}")]
    Corrupt { encoding: &'static str, why: String },
    #[error("the request body broke off: {0}")]
    BrokeOff(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    None,
    Gzip,
    Zstd,
}

/// Reads a body of JSON. Its size counts as it is after decompression.
///
/// # Errors
/// [`Unfit`] says what is wrong with it.
pub async fn body(headers: &HeaderMap, body: &mut Incoming, limits: &Limits) -> Result<Bytes, Unfit> {
    let encoding = encoding(headers)?;
    check_type(headers)?;
    let limit = limits.body;
    if body.size_hint().lower() > limit.0 as u64 {
        return Err(Unfit::TooLarge { limit });
    }
    let time = limits.body_time.0;
    let sent = tokio::time::timeout(time, collect(body, limit)).await;
    let sent = sent.map_err(|_| Unfit::Slow { seconds: time.as_secs() })??;
    if encoding == Encoding::None {
        return Ok(sent);
    }
    let plain = tokio::task::spawn_blocking(move || decompress(encoding, &sent, limit)).await;
    plain.map_err(|error| Unfit::BrokeOff(error.to_string()))?
}

fn check_type(headers: &HeaderMap) -> Result<(), Unfit> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(Unfit::ContentType { found: String::from("missing") });
    };
    let found = value.to_str().unwrap_or_default();
    let kind = found.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Unfit::ContentType { found: found.chars().take(100).collect() })
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Unfit> {
    let values: Vec<_> = headers.get_all(header::CONTENT_ENCODING).iter().collect();
    let found = values.iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", ");
    match found.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Encoding::None),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        _ => Err(Unfit::Encoding { found: found.chars().take(100).collect() }),
    }
}

async fn collect(body: &mut Incoming, limit: Size) -> Result<Bytes, Unfit> {
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unfit::BrokeOff(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.as_ref().map_or(all.len(), Bytes::len);
        if so_far + data.len() > limit.0 {
            return Err(Unfit::TooLarge { limit });
        }
        match first.take() {
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(begin) => {
                all.reserve(begin.len() + data.len());
                all.extend_from_slice(&begin);
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

fn decompress(encoding: Encoding, sent: &[u8], limit: Size) -> Result<Bytes, Unfit> {
    let mut plain = Vec::new();
    // One byte more than is allowed tells a body that fits from one that goes on.
    let most = limit.0 as u64 + 1;
    let (name, result) = match encoding {
        Encoding::None => return Ok(Bytes::copy_from_slice(sent)),
        Encoding::Gzip => ("gzip", flate2::read::MultiGzDecoder::new(sent).take(most).read_to_end(&mut plain)),
        Encoding::Zstd => {
            let read = zstd::stream::read::Decoder::new(sent).and_then(|mut decoder| {
                // The window is what a decoder must remember; this is what fits the limit.
                decoder.window_log_max(27)?;
                decoder.take(most).read_to_end(&mut plain)
            });
            ("zstd", read)
        }
    };
    result.map_err(|error| Unfit::Corrupt { encoding: name, why: error.to_string() })?;
    if plain.len() > limit.0 {
        return Err(Unfit::TooLarge { limit });
    }
    Ok(plain.into())
}

/// Reads what is left of a body that is refused, within bounds, so that the agent gets to read
/// the refusal and not a broken connection.
pub async fn discard(body: &mut Incoming) {
    const MOST: usize = 64 << 20;
    const TIME: std::time::Duration = std::time::Duration::from_secs(10);
    let read = async {
        let mut left = MOST;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
            left = rest;
        }
    };
    // Out of time is out of patience: the connection then breaks.
    drop(tokio::time::timeout(TIME, read).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn only_json_is_taken() {
        let check = |value| check_type(&headers("content-type", value)).is_ok();
        assert!(check("application/json") && check("Application/JSON; charset=utf-8"));
        assert!(!check("text/plain") && !check("application/jsonx") && !check(""));
        assert!(check_type(&HeaderMap::new()).is_err());
    }

    #[test]
    fn encodings_are_known_or_refused() {
        let check = |value| encoding(&headers("content-encoding", value)).ok();
        assert_eq!(check("gzip"), Some(Encoding::Gzip));
        assert_eq!(check("ZSTD"), Some(Encoding::Zstd));
        assert_eq!(check("identity"), Some(Encoding::None));
        assert_eq!(check("br"), None);
        assert_eq!(check("gzip, gzip"), None);
    }

    #[test]
    fn bombs_are_refused_at_the_limit() {
        let limit = Size(1000);
        let zeros = vec![0; 10 << 20];
        let bomb = zstd::encode_all(&zeros[..], 3).unwrap();
        assert!(bomb.len() < 1000);
        assert!(matches!(decompress(Encoding::Zstd, &bomb, limit), Err(Unfit::TooLarge { .. })));
        let fits = zstd::encode_all(&zeros[..1000], 3).unwrap();
        assert_eq!(decompress(Encoding::Zstd, &fits, limit).unwrap().len(), 1000);
        assert!(matches!(decompress(Encoding::Zstd, b"not zstd", limit), Err(Unfit::Corrupt { .. })));
        assert!(matches!(decompress(Encoding::Gzip, b"not gzip", limit), Err(Unfit::Corrupt { .. })));
    }
}
