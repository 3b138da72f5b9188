//! Secrets with a shape of their own.

use super::{check, check_unchanged};

#[test]
fn keys_of_providers() {
    check(&[
        "use «provider-key|sk-~ant-api03-a8Fk2LmQ9xZp4Rt7Vw1Y_aaBB-12» now",
        "use «provider-key|sk-~proj-a8Fk2LmQ9xZp4Rt7Vw1Y_aaBB-12».",
        "(«provider-key|sk-~a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Y»)",
        "`«provider-key|sk_~live_51H8sT3kLmN0pQrStUvWx»`",
        "x \"«provider-key|rk_~test_51H8sT3kLmN0pQrStUvWx»\" y",
        "«provider-key|gh~p_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7»\n",
        "«provider-key|gh~o_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7»",
        "«provider-key|github~_pat_11AAAAAAA0a8Fk2LmQ9xZp_4Rt7Vw1Y»",
        "«provider-key|glp~at-a8Fk2LmQ9xZp4Rt7Vw1Y»",
        "«provider-key|xox~b-1234567890-a8Fk2LmQ9xZp»",
        "«provider-key|np~m_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7»",
        "«provider-key|py~pi-AgEIcHlwaS5vcmcCJDEyMzQ1Njc4YWJjZGVmMTIzNDU2Nzg5MGFiY2RlZjEyMzQ1Ng»",
        "«provider-key|S~G.a8Fk2LmQ9xZp4Rt7Vw1Yab.a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Yabc»",
        "«provider-key|S~K4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c»",
        "«provider-key|AI~zaSyA8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9x_12»",
        "«provider-key|h~f_a8FkbLmQcxZpdRteVwfYa8FkgLmQhxZpi1»",
        "«provider-key|ph~x_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7»",
        "«provider-key|dop~_v1_4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c»",
        "«provider-key|shp~at_4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c»",
        "«provider-key|da~pi4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c»",
        "«provider-key|lin~_api_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7»",
        "«provider-key|nt~n_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Y»",
        "«provider-key|ke~y-4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c»",
        "bot «provider-key|123456789:A~A8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4R»",
        "https://hooks.slack.com/services/«provider-key|T00~000000/B00000000/a8Fk2LmQ9xZp4Rt7Vw1Yab»",
        "https://discord.com/api/webhooks/«provider-key|123456789012345678/a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Y-_a8Fk2LmQ9x»",
        r#"{"log":"got\n«provider-key|gh~p_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7»\n"}"#,
        "VITE_STRIPE=«provider-key:VITE_STRIPE|sk_~live_51H8sT3kLmN0pQrStUvWx»\n",
        "https://x-access-token:«provider-key|gh~s_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7»@github.com/a/b.git",
    ]);
}

/// Every form that is listed, made up from signs that it may have, in its shortest and its longest.
#[test]
fn each_listed_form_is_found() {
    use super::super::formats::FORMATS;
    use super::ALL;
    // Mixed as keys are: what repeats itself is no key.
    let signs = b"a8Fk2LmQ9xZp4Rt7Vw1Y3bGn6HsDj5Ce0TuKi";
    for format in FORMATS {
        for length in [format.least, format.most] {
            let made = (0..).filter_map(|at: usize| {
                let byte = signs[(at * 7 + at / signs.len()) % signs.len()];
                [byte, byte.to_ascii_uppercase(), byte.to_ascii_lowercase()]
                    .into_iter()
                    .find(|byte| format.made.of(*byte))
            });
            let value: String = made.take(length).map(char::from).collect();
            let text = format!("use {}{value} now", format.begin);
            let redacted = ALL.redact(&text).text.unwrap_or_else(|| text.clone());
            assert!(!redacted.contains(&value), "{} of {length}: {redacted}", format.begin);
        }
    }
}

#[test]
fn keys_of_clouds() {
    check(&[
        "id «cloud-key|AK~IA2E0A8F3B244C9986»",
        "aws_access_key_id = «cloud-key:aws_access_key_id|AK~IA2E0A8F3B244C9986»\n",
        "AWS_ACCESS_KEY_ID=«cloud-key:AWS_ACCESS_KEY_ID|AS~IA2E0A8F3B244C9986»\n",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=«cloud-key:AccountKey|a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Yabcd==»;EndpointSuffix=core.windows.net",
        "https://a.blob.core.windows.net/c?sv=2020&sig=«cloud-key|a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Y%3D»",
        "{\"type\":\"service_account\",\"private_key\":\"«private-key:private_key|-----BEGIN PRIVATE ~KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\n-----END PRIVATE KEY-----\\n»\",\"client_id\":\"1\"}",
    ]);
}

#[test]
fn private_keys() {
    check(&[
        "a\n«private-key|-----BEGIN RSA ~PRIVATE KEY-----\nMIIEpAIBAAKCAQEA8Fk2LmQ9xZp4Rt7V\nw1Ya8Fk2LmQ9\n-----END RSA PRIVATE KEY-----»\nb",
        "«private-key|-----BEGIN ~PRIVATE KEY-----\r\nMIIEpAIBAAKCAQEA8Fk2LmQ9xZp4Rt7V\r\n-----END PRIVATE KEY-----»\r\n",
        "     1→«private-key|-----BEGIN OPENSSH ~PRIVATE KEY-----\n     2→b3BlbnNzaC1rZXktdjEAAAAABG5vbmUA\n     3→-----END OPENSSH PRIVATE KEY-----»\n",
        "«private-key|-----BEGIN EC ~PRIVATE KEY-----\nMHcCAQEEIA8Fk2LmQ9xZp4Rt7Vw1YzzA\nw1Ya8Fk2LmQ9»",
        "     1→«private-key|-----BEGIN EC ~PRIVATE KEY-----\n     2→MHcCAQEEIA8Fk2LmQ9xZp4Rt7Vw1YzzA\n     3→w1Ya8Fk2LmQ9»\n\n(file was cut here)",
        "«private-key|-----BEGIN RSA ~PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,4F3C2A1B9D8E7F6A5B4C3D2E1F0A9B8C\n\nMIIEpAIBAAKCAQEA8Fk2LmQ9xZp4Rt7V\n-----END RSA PRIVATE KEY-----»",
        "«private-key|-----BEGIN PGP ~PRIVATE KEY BLOCK-----\n\nlQOYBGA8Fk2LmQ9xZp4Rt7Vw1YzzA8Fk2LmQ9xZp4Rt7\n-----END PGP PRIVATE KEY BLOCK-----»",
        r#"{"stdout":"«private-key|-----BEGIN ~PRIVATE KEY-----\nMIIEpAIBAAKCAQEA8Fk2LmQ9xZp4Rt7V\n-----END PRIVATE KEY-----»\n"}"#,
        "SIGN_KEY=\"«private-key:SIGN_KEY|-----BEGIN ~PRIVATE KEY-----\nMIIEpAIBAAKCAQEA8Fk2LmQ9xZp4Rt7V\n-----END PRIVATE KEY-----»\"\nPORT=1\n",
    ]);
}

#[test]
fn tokens_headers_and_addresses() {
    check(&[
        "«jwt|ey~JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.a8Fk2LmQ9xZp4Rt7Vw1Y»",
        "token «jwt|ey~JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.a8Fk2LmQ9xZp4Rt7Vw1Y».",
        "Authorization: Bearer «jwt|ey~JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.a8Fk2LmQ9xZp4Rt7Vw1Y»",
        "Authorization: Bearer «bearer|a8Fk2LmQ9xZp4Rt7Vw1Y»\n",
        "curl -H 'authorization: bearer «bearer|a8Fk2LmQ9xZp4Rt7Vw1Y»' https://a.example",
        r#"{"Authorization":"Bearer «bearer|a8Fk2LmQ9xZp4Rt7Vw1Y»"}"#,
        "Authorization: Basic «basic-auth|YW5uOmh1bnRlcjI=»\n",
        "postgres://ann:«connection-string|hunter2»@db:5432/app",
        "postgres://ann:«connection-string|hu/nt#er@2»@db:5432/app",
        "DATABASE_URL=postgres://ann:«connection-string:DATABASE_URL|hunter2»@db/app\n",
        "DATABASE_URL=\"mysql://ann:«connection-string:DATABASE_URL|hunter2»@db/app?ssl=1\"\n",
        "{\"url\":\"mongodb+srv://ann:«connection-string:url|hunter2»@a.example,b.example/x\"}",
        "redis://:«connection-string|hunter2»@cache:6379/0",
        "https://ann:«connection-string|hunter2»@git.example.com/a.git",
        "amqp:\\/\\/ann:«connection-string|hunter2»@mq\\/x",
        "\"Server=tcp:a.example,1433;User ID=ann;Password=«connection-string:Password|hunter two»;Encrypt=true\"",
        "CONNECTION_STRING=\"Server=a;User ID=ann;Password=«connection-string:CONNECTION_STRING|hunter2»;Encrypt=true\"\n",
    ]);
}

#[test]
fn what_only_looks_like_one() {
    check_unchanged(&[
        "class sk-circle-fade-dot-animation-wide-x",
        "sk-short task-force-one risk-management-of-projects-2024",
        "pk_live_51H8sT3kLmN0pQrStUvWx is public",
        "phc_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7 is public",
        "export sk-your-key-here, sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "the prefix ghp_ begins a token, sk_live_ a key, AKIA an id, SG. too",
        "re_match_all_of_the_expressions_in_a_line(x)",
        "https://a.example/x:y?mail=b@c.example",
        "http://localhost:3000/@vite/client",
        "git@github.com:a/b.git and ssh://git@github.com:22/a/b",
        "postgres://user:password@localhost/db and postgres://USER:PASSWORD@HOST/db",
        "postgres://${USER}:${PASSWORD}@db/app and mysql://{user}:{password}@host",
        "the file -----BEGIN PRIVATE ~KEY----- is checked with startsWith(\"-----BEGIN PRIVATE KEY-----\") here\nmore lines",
        "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA8Fk2LmQ9xZp4Rt7V\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIEpAIBAAKCAQEA8Fk2LmQ9xZp4Rt7V\n-----END PUBLIC KEY-----",
        "a Bearer token is needed; Bearer <token>; Bearer ${token}; Bearer authentication",
        "Basic authentication, basic knowledge of rust, Basic YW5uYWJlbGxl",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "\"integrity\": \"sha512-a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Yabcd==\"",
        "checksum = \"5a15f179cd60c4584b8a8c596927aadc462e27f2ca70c04e0071964a73ba7a75\"",
        "commit 4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a\nAuthor: Ann <ann@example.com>",
        "4f3c2a1..9d8e7f6 main -> main; id 123e4567-e89b-12d3-a456-426614174000",
        "main.4f3c2a1b.css .css-1q2w3e4r5t styles_a8Fk2L__x9",
        "eyJub3QiOiJhIGp3dCJ9.and.text eyJ is how it begins",
        "1234567890:AA short, 12:AAA, std::AAAA",
    ]);
}
