//! An issuer of tokens: it describes itself, publishes its keys, answers questions about tokens,
//! and counts what it was asked. Its keys are real ones, made by the test.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaPublicKeyComponents,
};
use aws_lc_rs::{encoding::AsDer, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key that tokens are signed with.
pub struct Key {
    pub id: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl Key {
    pub fn rsa(id: &str) -> Self {
        Self { id: id.into(), pair: Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())) }
    }

    pub fn p256(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id: id.into(), pair: Pair::P256(Box::new(pair)) }
    }

    pub fn ed25519(id: &str) -> Self {
        Self { id: id.into(), pair: Pair::Ed25519(Box::new(Ed25519KeyPair::generate().unwrap())) }
    }

    /// As it is published.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "n": text(&parts.n), "e": text(&parts.e) })
            }
            Pair::P256(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                json!({ "kty": "EC", "crv": "P-256", "x": text(&point[..32]), "y": text(&point[32..]) })
            }
            Pair::Ed25519(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) }),
        };
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token with these claims, signed in the way that the key is for.
    pub fn token(&self, claims: &Value) -> String {
        let algorithm = match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        };
        self.signed(&json!({ "alg": algorithm, "typ": "JWT", "kid": self.id }), claims)
    }

    /// A token with this header, signed as it says, where this key can.
    pub fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let padding = if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::P256(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token that is signed with the public key as if that were a secret, in each form that a
    /// careless reader might take for one.
    pub fn confused(&self, claims: &Value) -> Vec<String> {
        let Pair::Rsa(pair) = &self.pair else { return Vec::new() };
        let der: Vec<u8> = pair.public_key().as_der().unwrap().as_ref().to_vec();
        let base64 = base64::engine::general_purpose::STANDARD.encode(&der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
        let modulus = self.jwk()["n"].as_str().unwrap().to_owned();
        let message = message(&json!({ "alg": "HS256", "typ": "JWT", "kid": self.id }), claims);
        let sign = |secret: &[u8]| {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
        };
        let forms = [der, pem.into_bytes(), modulus.clone().into_bytes(), URL_SAFE_NO_PAD.decode(modulus).unwrap()];
        forms.iter().map(|secret| sign(secret)).collect()
    }
}

/// The part of a token that is signed.
pub fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// So many seconds from now, as claims have it.
pub fn from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub head: String,
    pub body: String,
}

#[derive(Default)]
struct State {
    pages: HashMap<String, (u16, String, String)>,
    tokens: HashMap<String, Value>,
    asked: Vec<Asked>,
    delay: Duration,
    is_down: bool,
}

/// A running issuer.
pub struct Issuer {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Default for Issuer {
    fn default() -> Self {
        Self::start()
    }
}

impl Issuer {
    /// Starts one that describes itself and has no keys yet.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        let issuer = Self { addr, state };
        let description = json!({ "issuer": issuer.url(), "jwks_uri": format!("{}/keys", issuer.url()) });
        issuer.page("/.well-known/openid-configuration", 200, &description.to_string());
        issuer.publish(&[]);
        issuer
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Publishes these keys and no other.
    pub fn publish(&self, keys: &[&Key]) {
        self.publish_as(&keys.iter().map(|key| key.jwk()).collect::<Vec<_>>());
    }

    pub fn publish_as(&self, keys: &[Value]) {
        self.page("/keys", 200, &json!({ "keys": keys }).to_string());
    }

    /// What it answers at a path.
    pub fn page(&self, path: &str, status: u16, body: &str) {
        self.page_with(path, status, "", body);
    }

    /// The same with headers, each with its line's end.
    pub fn page_with(&self, path: &str, status: u16, headers: &str, body: &str) {
        self.state.lock().unwrap().pages.insert(path.into(), (status, headers.into(), body.into()));
    }

    /// What it answers at `/introspect` about a token; about all others, that they do not count.
    pub fn knows(&self, token: &str, answer: Value) {
        self.state.lock().unwrap().tokens.insert(token.into(), answer);
    }

    /// How long it takes to answer.
    pub fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// While it is down it hangs up on everybody.
    pub fn down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// What it was asked at a path.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        self.state.lock().unwrap().asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// Claims that a token of its has, for so many seconds.
    pub fn claims(&self, user: &str, seconds: i64) -> Value {
        json!({ "iss": self.url(), "aud": "jetway", "sub": user, "exp": from_now(seconds) })
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let Some(asked) = request(&mut stream) else { return };
    let (page, delay) = {
        let mut state = state.lock().unwrap();
        state.asked.push(asked.clone());
        if state.is_down {
            return;
        }
        let page = if asked.path == "/introspect" && !state.pages.contains_key("/introspect") {
            let token = asked.body.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
            let answer = state.tokens.get(token).cloned().unwrap_or(json!({ "active": false }));
            Some((200, String::new(), answer.to_string()))
        } else {
            state.pages.get(&asked.path).cloned()
        };
        (page.unwrap_or((404, String::new(), "{}".into())), state.delay)
    };
    std::thread::sleep(delay);
    let (status, headers, body) = page;
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Whoever asked may be gone.
    drop(stream.write_all(answer.as_bytes()));
}

fn request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase();
        let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1)?.to_owned();
            return Some(Asked { path, head: head.to_owned(), body: body.to_owned() });
        }
    }
}
