//! Files of variables, as they are, and as tools show them.

use super::{check, check_unchanged};

#[test]
fn lines_of_a_file() {
    check(&[
        "STRIPE_KEY=«env:STRIPE_KEY|abc123»",
        "STRIPE_KEY=«env:STRIPE_KEY|abc123»\n",
        "STRIPE_KEY=«env:STRIPE_KEY|abc123»\r\nPORT=3000\r\n",
        "NODE_ENV=production\nSESSION_SECRET=«env:SESSION_SECRET|keyboard-cat»\nPORT=3000\n",
        "export GITHUB_TOKEN=«env:GITHUB_TOKEN|abcdef»",
        "export GITHUB_TOKEN='«env:GITHUB_TOKEN|abcdef»'\n",
        "DB_PASSWORD=«env:DB_PASSWORD|hunter2»\n",
        "DB_PASSWORD=«env:DB_PASSWORD|123456»\n",
        "DB_PASSWORD=«env:DB_PASSWORD|postgres»\n",
        "DB_PASSWORD=«env:DB_PASSWORD|correct horse battery staple»\n",
        "DB_PASSWORD=«env:DB_PASSWORD|correct horse» # the old one\n",
        "DB_PASSWORD=\"«env:DB_PASSWORD|a b'c»\" # note\nPORT=1\n",
        "DB_PASSWORD=\"«env:DB_PASSWORD|a \\\" b»\"\nPORT=1\n",
        "DB_PASSWORD='«env:DB_PASSWORD|a\\»'\nPORT=1\n",
        "DB_PASSWORD=`«env:DB_PASSWORD|a b»`\n",
        "DB_PASSWORD=«env:DB_PASSWORD|it's»\nPORT=1\n",
        "DB_PASSWORD=«env:DB_PASSWORD|$ecret9!»\n",
        "DB_PASSWORD=«env:DB_PASSWORD|pass#word»\n",
        "DB_PASSWORD=«env:DB_PASSWORD|'a'\"b\"c»\nPORT=1\n",
        "DB_PASSWORD = «env:DB_PASSWORD|hunter2»\n",
        "DB_PASSWORD=\"«env:DB_PASSWORD|never closed»\nPORT=1\nNAME=x\n",
        "# OLD_TOKEN=«env:OLD_TOKEN|abcdef12»\n",
        "#OLD_TOKEN=«env:OLD_TOKEN|abcdef12»\n",
        "A_KEY=«env:A_KEY|one1»\nB_KEY=«env:B_KEY|two2»\n\nC_KEY=«env:C_KEY|three3»",
        "SMTP_PASS=«env:SMTP_PASS|s3cr3t»",
        "COOKIE_SALT=«env:COOKIE_SALT|pepper»",
        "BASIC_AUTH=«env:BASIC_AUTH|ann:pw»",
        "GOOGLE_CREDENTIALS='«env:GOOGLE_CREDENTIALS|{\"a\": 1}»'",
        "SECRET_KEY_BASE=«env:SECRET_KEY_BASE|0a1b2c»",
        "TOKEN_GITHUB=«env:TOKEN_GITHUB|abcdef»",
        "SENTRY_DSN=«env:SENTRY_DSN|abcdef»",
        "UNKNOWN_THING=«env:UNKNOWN_THING|a8Fk2LmQ9xZp4Rt7Vw1Y»\n",
        "POSTHOG_PROJECT=«env:POSTHOG_PROJECT|4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c»\n",
        "OTLP_HEADERS=«env:OTLP_HEADERS|x-team=a8Fk2LmQ9xZp4Rt7Vw1Y»\n",
        "KEY_PEM=\"«env:KEY_PEM|line one\nline two\nline three»\"\nPORT=1\n",
        "ENV API_KEY=«env:API_KEY|abcdef»",
        "ARG NPM_TOKEN=«env:NPM_TOKEN|abcdef»\nRUN npm ci",
        "declare -x API_KEY=\"«env:API_KEY|abcdef»\"",
        "set API_KEY=«env:API_KEY|abcdef»",
        "$env:API_KEY=\"«env:API_KEY|abcdef»\"",
        "docker run -e API_KEY=«env:API_KEY|abcdef» -p 80:80 image",
        "API_KEY=«env:API_KEY|abcdef» PORT=1 npm start",
        "export A_KEY=«env:A_KEY|abc» && export B_KEY=«env:B_KEY|def»",
        "ÄÖ_KEY=x\nNAME_KEY=«env:NAME_KEY|größe→1»\n",
    ]);
}

#[test]
fn as_tools_show_them() {
    check(&[
        "     1→STRIPE_KEY=«env:STRIPE_KEY|abc123»\n     2→PORT=3000\n",
        "     1\tSTRIPE_KEY=«env:STRIPE_KEY|abc 123»\n     2\tPORT=3000\n",
        "1: STRIPE_KEY=«env:STRIPE_KEY|abc 123»\n2: PORT=3000",
        "12:STRIPE_KEY=«env:STRIPE_KEY|abc 123»",
        "12-STRIPE_KEY=«env:STRIPE_KEY|abc 123»",
        ".env:STRIPE_KEY=«env:STRIPE_KEY|abc 123»",
        ".env:12:STRIPE_KEY=«env:STRIPE_KEY|abc 123»\n.env:13:PORT=3000",
        ".env-12-STRIPE_KEY=«env:STRIPE_KEY|abc 123»",
        "a/b.env:12:export STRIPE_KEY='«env:STRIPE_KEY|abc 123»'",
        "HEAD:.env:STRIPE_KEY=«env:STRIPE_KEY|abc 123»",
        "diff --git a/.env b/.env\n--- a/.env\n+++ b/.env\n@@ -1,2 +1,2 @@\n-API_KEY=«env:API_KEY|old one»\n+API_KEY=«env:API_KEY|new one»\n PORT=3000\n",
        "+export API_KEY=«env:API_KEY|new one»",
        "    3→+API_KEY=«env:API_KEY|new one»",
        "> API_KEY=«env:API_KEY|new one»",
        "  1 | API_KEY=«env:API_KEY|new one»\n",
        "<file>\n00001| API_KEY=«env:API_KEY|new1»\n00002| PORT=1\n</file>",
        "/app/.env:3:# API_KEY=«env:API_KEY|abc1»",
        "     4→KEY_PEM=\"«env:KEY_PEM|one\n     5→two»\"\n     6→PORT=1\n",
    ]);
}

#[test]
fn inside_json_and_other_strings() {
    check(&[
        r#"{"stdout":"STRIPE_KEY=«env:STRIPE_KEY|abc 123»\nPORT=3000\n","stderr":""}"#,
        r#"{"stdout":"PORT=1\nSTRIPE_KEY=«env:STRIPE_KEY|abc 123»\n"}"#,
        r#"{"stdout":"PORT=1\r\nSTRIPE_KEY=«env:STRIPE_KEY|abc 123»\r\nX=1"}"#,
        r#"{"stdout":"STRIPE_KEY=«env:STRIPE_KEY|abc123»"}"#,
        r#"{"stdout":"STRIPE_KEY=\"«env:STRIPE_KEY|abc 123»\"\nPORT=1"}"#,
        r#"{"stdout":"STRIPE_KEY=\"«env:STRIPE_KEY|abc \\\" 123»\"\nPORT=1"}"#,
        r#"{"stdout":"STRIPE_KEY='«env:STRIPE_KEY|abc 123»'\nPORT=1"}"#,
        r#"{\"stdout\":\"PORT=1\\nSTRIPE_KEY=«env:STRIPE_KEY|abc 123»\\nX=1\"}"#,
        r#"{\"stdout\":\"STRIPE_KEY=\\\"«env:STRIPE_KEY|abc 123»\\\"\\nX=1\"}"#,
        r#"{"content":"     1\tSTRIPE_KEY=«env:STRIPE_KEY|abc 123»\n     2\tPORT=3000"}"#,
        r#"{"content":"     1→STRIPE_KEY=«env:STRIPE_KEY|abc 123»\n     2→PORT=3000"}"#,
        r#"["STRIPE_KEY=«env:STRIPE_KEY|abc 123»","PORT=3000"]"#,
        r#"environment: ['STRIPE_KEY=«env:STRIPE_KEY|abc 123»', 'PORT=3000']"#,
        r#"{"STRIPE_KEY":"«env:STRIPE_KEY|abc123»","PORT":"3000"}"#,
        r#"{\"STRIPE_KEY\":\"«env:STRIPE_KEY|abc123»\",\"PORT\":\"3000\"}"#,
        r#"{"Env": ["PATH=/usr/bin", "API_TOKEN=«env:API_TOKEN|abc 1»"]}"#,
        r#"bash -c "API_KEY=«env:API_KEY|abc123 ./run»""#,
    ]);
}

#[test]
fn settings_in_yaml_json_and_toml() {
    check(&[
        "password: «env:password|hunter2»\n",
        "  password: «env:password|postgres»\n",
        "password: '«env:password|a b c1»'\n",
        "db:\n  user: app\n  password: «env:password|p4ss» # note\n",
        "    POSTGRES_PASSWORD: «env:POSTGRES_PASSWORD|postgres»\n",
        "    - POSTGRES_PASSWORD=«env:POSTGRES_PASSWORD|postgres»\n",
        "      SECRET_KEY: «env:SECRET_KEY|abcdefgh»\n",
        "      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:-«env:POSTGRES_PASSWORD|s3cret»}\n",
        "{\"apiKey\": \"«env:apiKey|abc123def»\"}",
        "{\"password\":\"«env:password|hunter2»\",\"user\":\"ann\"}",
        "{\\\"password\\\":\\\"«env:password|hunter2»\\\",\\\"user\\\":\\\"ann\\\"}",
        "api_key = \"«env:api_key|abc123def»\"\n",
        "secret: «env:secret|9f8e7d6c5b»\n",
        "client_secret: \"«env:client_secret|9f8e7d6c5b»\"\n",
        "spring.datasource.password=«env:spring.datasource.password|hunter2»\n",
        "password = «env:password|hunter2»\n",
        "[client]\nuser=app\npassword=«env:password|hunter2»\n",
        "//registry.npmjs.org/:_authToken=«env:_authToken|a8Fk2LmQ9xZp4Rt7Vw1Y»\n",
        "  token: |\n    «env:token|abc123\n    def456»\nother: 1\n",
        "     7→  token: |\n     8→    «env:token|abc123»\n     9→other: 1\n",
        "data:\n  password: «env:password|aHVudGVyMg==»\n",
        "<password>«env:password|hunter2»</password>",
        "x-api-key: «env:x-api-key|abc123def»\n",
        "curl -H 'x-api-key: «env:x-api-key|abc123def»' https://a.example",
        "Cookie: «env:Cookie|sid=a8Fk2LmQ9xZp4Rt7Vw1Y; theme=dark»\n",
        "const apiKey = \"«env:apiKey|abc123def»\";",
        "const apiKey: string = \"«env:apiKey|abc123def»\";",
        "password := \"«env:password|hunter2»\"",
        "os.environ[\"API_TOKEN\"] = \"«env:API_TOKEN|abc123def»\"",
        "process.env.API_TOKEN = '«env:API_TOKEN|abc123def»';",
        "aws_secret_access_key = «env:aws_secret_access_key|wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzKp1234a»\n",
        "AWS_SECRET_ACCESS_KEY=«env:AWS_SECRET_ACCESS_KEY|wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzKp1234a»\n",
        "--token=«env:token|abc123def» --verbose",
        "https://a.example/x?api_key=«env:api_key|abc123def»&page=2",
    ]);
}

#[test]
fn variables_that_hold_no_secret() {
    check_unchanged(&[
        "PORT=3000\nNODE_ENV=production\nHOST=0.0.0.0\n",
        "NEXT_PUBLIC_POSTHOG_KEY=phc_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7Vw1Y\n",
        "VITE_API_KEY=abc123def456\n",
        "REACT_APP_TOKEN=abc123def456\n",
        "STRIPE_PUBLISHABLE_KEY=pk_live_abc123\n",
        "API_KEY=\nDB_PASSWORD=\"\"\nTOKEN=''\n",
        "API_KEY=your-api-key-here\nTOKEN=<your token>\nSECRET=changeme\nB_KEY=xxxxxxxx\n",
        "API_KEY=$OTHER_KEY\nTOKEN=${TOKEN}\nSECRET=$(cat secret.txt)\nPASSWORD=$1\n",
        "API_KEY={{ api_key }}\nTOKEN=%TOKEN%\n",
        "TOKEN_URL=https://auth.example.com/token\nAUTH_DOMAIN=auth.example.com\nTOKEN_TTL=3600\n",
        "PASSWORD_MIN_LENGTH=12\nMAX_TOKENS=4096\nSESSION_TIMEOUT=30m\nCACHE_KEY_PREFIX=app\n",
        "ENABLE_AUTH=true\nALLOW_EMPTY_PASSWORD=yes\nDISABLE_TOKEN=0\n",
        "PWD=/home/ann/project\nOLDPWD=/home/ann\nSSH_AUTH_SOCK=/tmp/ssh-a8Fk2LmQ9x/agent.1\n",
        "PRIVATE_KEY_PATH=/etc/keys/key.pem\nSECRET_FILE=/run/secrets/db\nDB_PASSWORD=/run/secrets/db\n",
        "GIT_SHA=4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a\nIMAGE_DIGEST=4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c\n",
        "TENANT_ID=123e4567-e89b-12d3-a456-426614174000\nWORKSPACE=123e4567-e89b-12d3-a456-426614174000\n",
        "MODEL=claude-sonnet-4-5-20250929\nREGION=us-east-1\nDOMAIN=registry.example.com/team/app:1.2.3\n",
        "DATABASE_URL=postgres://localhost:5432/app\nREDIS_URL=redis://cache:6379/0\nDB_DSN=file:./dev.db\n",
        "DATABASE_URL=postgres://user:password@localhost:5432/app\n",
        "API_KEY=[redacted:env:API_KEY]\n",
        "     1→PORT=3000\n     2→NEXT_PUBLIC_KEY=abc123\n",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin\nLANG=en_US.UTF-8\nSHLVL=1\n",
        "PASSWORD=***\nTOKEN=...\nSECRET=********\nKEY=sk-...\n",
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nAWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
    ]);
}

#[test]
fn beside_the_word_for_them() {
    check(&[
        "- name: API_KEY\n  value: «env:API_KEY|a8Fk2LmQ9xZp4Rt7Vw1Yb3Nc6Hd5Js0K»",
        "    - name: DB_PASSWORD\n      value: \"«env:DB_PASSWORD|hunter2x»\"\n",
        "{\"name\": \"API_KEY\", \"value\": \"«env:API_KEY|a8Fk2LmQ9xZp4Rt7Vw1Yb3Nc6Hd5Js0K»\"}",
        "<add key=\"ApiKey\" value=\"«env:ApiKey|a8Fk2LmQ9xZp4Rt7Vw1Yb3Nc6Hd5Js0K»\" />",
        "run --token «env:token|a8Fk2LmQ9xZp4Rt7Vw1Yb3Nc6Hd5Js0K» now",
        "run --password «env:password|hunter2x»",
        "ENV SECRET «env:SECRET|a8Fk2LmQ9xZp4Rt7Vw1Yb3Nc6Hd5Js0K»",
        "machine x login y password «env:password|hunter2x»",
        "Authorization: token «env:token|a8Fk2LmQ9xZp4Rt7Vw1Yb3Nc6Hd5Js0K»",
        "https://«env|xa8Fk2LmQ9xZp4Rt7Vw1Yb3Nc6Hd5Js0K»@github.com/x/y.git",
        "'password' => '«env:password|hunter2x»',",
        "PGPASSWORD=«env:PGPASSWORD|hunter2x»\n",
        "secret_key_base: «env:secret_key_base|a8Fk2LmQ9xZp4Rt7Vw1Yb3Nc6Hd5Js0K»",
        "«env|U1RSSVBFX0tFWT1hYmMxMjMK»",
    ]);
    check_unchanged(&[
        "- name: API_KEY\n  value: $(API_KEY)\n",
        "- name: API_KEY\n  valueFrom:\n    secretKeyRef: { name: app, key: token }\n",
        "{\"name\": \"token\", \"value\": \"bearer\"}",
        "{\"key\": \"Enter\", \"value\": \"submit\"}",
        "<option key=\"token\" value=\"one\">",
        "run --token <token> --password PASSWORD",
        "use --key key.pem --token $TOKEN --secret name",
        "match x { \"token\" => Token::New, \"key\" => key() }",
        "https://posthog.com/@someone and a@b.example",
        "src/components/authentication/PasswordResetForm/index.tsx",
        "aGVsbG8gd29ybGQsIHRoaXMgaXMgcGxhaW4gdGV4dA==",
    ]);
}
