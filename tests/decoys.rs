//! What stands where a token could stand and is none: placeholders, masks, made-up values, and texts that only look like
//! tokens. Each in every carrier, so that it is the value that is recognised.

#![cfg(unix)]

mod common;

use common::{Record, finish_with, keybound, mint};

/// What announces a token; `{}` is where it stands.
const CARRIERS: &[&str] = &[
    "Authorization: Bearer {}",
    "Authorization: token {}",
    "curl -H 'Authorization: Bearer {}' https://api.example.org/",
    "{\"access_token\": \"{}\"}",
    "API_TOKEN={}",
    "export ACCESS_TOKEN=\"{}\"",
    "access_token: {}",
    "auth_token: \"{}\"",
    "GET /x?access_token={}&a=1",
    "Cookie: session={}; a=b",
    "X-Auth-Token: {}",
    "const token = '{}';",
    "\"refresh_token\": \"{}\"",
    "api_key=\"{}\"",
];

/// Stand for a token that is filled in later, or were made up by hand.
const PLACEHOLDERS: &[&str] = &[
    "${API_TOKEN}",
    "$API_TOKEN",
    "$(cat /run/secrets/token)",
    "`cat token.txt`",
    "{{ vault_token }}",
    "{{.Values.apiToken}}",
    "{token}",
    "<your token here>",
    "<TOKEN>",
    "<ACCESS_TOKEN_12345678>",
    "%s",
    "%TOKEN%",
    "%(token)s",
    "#{token}",
    r#"#{ENV["API_TOKEN_2024"]}"#,
    r#"<%= ENV["TOKEN"] %>"#,
    "[[token]]",
    "@token@",
    "@API_TOKEN_1@",
    "$env:API_TOKEN",
    "$Env:API_TOKEN_2",
    "op://vault/item/field-1234567890",
    "op://Private/GitHub2024/token1234",
    "vault:secret/data/app#token12345678",
    "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==",
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/app-AbCdEf",
    "arn:aws:ssm:us-east-1:123456789012:parameter/prod/app/token2",
    "ENC[AES256_GCM,data:Tr7o1a9Kx0cQ2w==,iv:1b,tag:2c,type:str]",
    "!vault |",
    "$ANSIBLE_VAULT;1.1;AES256",
    "AgBy3i4OJSWK+PiTySYZZA9rO43cGDEqabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop",
    "${{ secrets.API_TOKEN }}",
    "${{secrets.API_TOKEN_V2}}",
    "from_secret",
    "valueFrom",
    "secretKeyRef",
    "process.env.API_TOKEN_2",
    r#"os.environ["API_TOKEN2"]"#,
    r#"getenv("API_TOKEN_2")"#,
    r#"System.getenv("API_TOKEN_2024")"#,
    r#"ENV["API_TOKEN"]"#,
    r#"ENV.fetch("API_TOKEN_2024")"#,
    "var.api_token_2024",
    "local.api_token2",
    r#"data.vault_generic_secret.app2.data["token"]"#,
    "module.auth2.access_token_v2",
    "!Ref ApiToken2024",
    "!GetAtt Secret2024.Value",
    "{{resolve:secretsmanager:MySecret2024:SecretString:token}}",
    "ssm:/prod/app/token2024",
    "secretref:api-token-2024",
    "projects/123456789/secrets/api-token/versions/3",
    "akv://myvault/secret2024",
    "@Microsoft.KeyVault(SecretUri=https://myvault.vault.azure.net/secrets/mysecret2024/)",
    "file:///run/secrets/api_token_2024",
    "/run/secrets/api_token_2024",
    "YOUR_API_TOKEN_1234567",
    "your-token-here-1234567890",
    "insert-token-here-12345678",
    "token-goes-here-1234567890",
    "INSERT_YOUR_TOKEN_HERE_123",
    "changeme12345678901234567890",
    "REPLACE_WITH_YOUR_TOKEN_123",
    "xxxxxxxxxxxxxxxxxxxxxxxx",
    "null",
    "undefined",
    "None",
    "true",
    "dummy-token-1234567890abcdef",
    "fake_token_1234567890abcdef",
    "test-token-1234567890abcdef",
    "example-token-1234567890abc",
    "mysecrettoken1234567890abcdef",
    "supersecret1234567890abcdefgh",
    "secret-token-1234567890",
    "some-random-token-1234567",
    "thisisatoken1234567890123",
    "not-a-real-token-12345678",
    "abcdefghijklmnopqrstuvwx",
    "abcdef1234567890abcdef1234567890",
    "1234567890abcdef1234567890abcdef",
    "0123456789abcdef0123456789abcdef",
    "deadbeefdeadbeefdeadbeefdeadbeef",
    "deadbeefcafebabe0123456789abcdef",
    "00000000000000000000000000000000",
    "aaaaaaaabbbbbbbbccccccccdddddddd",
    "qwertyuiopasdfghjklzxcvbnm1234",
    "12345678-1234-1234-1234-123456789012",
    "11111111-2222-3333-4444-555555555555",
    "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "deadbeef-dead-beef-dead-beefdeadbeef",
    "01234567-89ab-cdef-0123-456789abcdef",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "foo-bar-baz-qux-1234567890",
    "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4",
    "abc123def456ghi789jkl012mno345",
    "A1B2C3D4E5F6G7H8I9J0",
    "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6",
    "lorem-ipsum-dolor-sit-amet-123",
    "hunter2hunter2hunter2",
];

/// Had a token's secret part blotted out or left out; `@` stands for a token of 30 characters, `@n` for its first `n`, `n@`
/// for its last.
const MASKS: &[&str] = &[
    "********************",
    "@8********",
    "@6...4@",
    "@10...",
    "@20…",
    "@20...",
    "[REDACTED]",
    "<redacted>",
    "<FILTERED>",
    "[FILTERED]",
    "***",
    "xxxxxxxxxxxxxxxxxxxx",
    "@4XXXXXXXXXXXXXXXXXXXX",
    "XXXX-XXXX-XXXX-XXXX-XXXX",
    "••••••••••••••••",
    "@12••••",
    "█████████",
    "@12████",
    "@20[...]",
    "@20<snip>",
    "@20 (truncated)",
    "[MASKED]",
    "(hidden)",
    "--------------------",
    "____________________",
    "@20[truncated]",
    "@16____REDACTED",
    "****16@",
    "...20@",
    "…20@",
    "xxxx20@",
];

fn scan(text: &str) -> Record {
    finish_with(keybound().args(["scan", "--no-config", "--format", "jsonl", "--exit-zero", "-"]), text.as_bytes())
        .record()
}

/// The lines of a text that hold a finding.
fn found(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let places = |finding: &serde_json::Value| {
        let own = finding["location"]["line"].as_u64();
        let related = finding["related"].as_array().into_iter().flatten().filter_map(|r| r["line"].as_u64());
        own.into_iter().chain(related.collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    scan(text).findings.iter().flat_map(places).map(|line| lines[line as usize - 1].to_owned()).collect()
}

/// Every value in every carrier, a line each, with an empty line between.
fn everywhere(values: &[String]) -> String {
    let lines = values.iter().flat_map(|value| CARRIERS.iter().map(move |carrier| carrier.replace("{}", value)));
    lines.map(|line| line + "\n\n").collect()
}

fn masked(pattern: &str, token: &str) -> String {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    let Some((before, after)) = pattern.split_once('@') else { return pattern.to_owned() };
    let first = digits(after);
    if first > 0 {
        let length: usize = after[..first].parse().expect("a number");
        return masked(&format!("{before}{}{}", &token[..length], &after[first..]), token);
    }
    let kept = before.trim_end_matches(|c: char| c.is_ascii_digit());
    let length: usize = before[kept.len()..].parse().expect("a number");
    format!("{kept}{}{after}", &token[token.len() - length..])
}

#[test]
fn a_token_is_found_in_every_carrier() {
    let text: String = (0..).zip(CARRIERS).map(|(n, c)| c.replace("{}", &mint::opaque(n, 30)) + "\n\n").collect();
    assert_eq!(found(&text).len(), CARRIERS.len(), "{:?}", found(&text));
}

#[test]
fn placeholders_and_made_up_values_are_not() {
    let values: Vec<String> = PLACEHOLDERS.iter().map(|value| (*value).to_owned()).collect();
    assert_eq!(found(&everywhere(&values)), [""; 0]);
}

#[test]
fn masked_tokens_are_not() {
    for (n, pattern) in (0..).zip(MASKS) {
        // One by one: of a token that is seen often, not every place is kept.
        let text = everywhere(&[masked(pattern, &mint::opaque(n, 30))]);
        assert_eq!(found(&text), [""; 0], "{pattern}");
    }
}

#[test]
fn lookalikes_are_not() {
    assert_eq!(found(include_str!("data/decoys.txt")), [""; 0]);
}
