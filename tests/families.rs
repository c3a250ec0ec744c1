//! Families, from the bytes of a file to the record: what their decoders read, what tells one from another, and what is
//! public by design.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::mint::{self, Chance, Jwt, base64url};
use common::{NOW_SECONDS, Record, folder, number, scan, scan_bytes, text, texts};
use serde_json::{Value, json};

const HOUR: i64 = 3600;

#[track_caller]
fn only(line: &str) -> Value {
    scan_bytes(line.as_bytes()).only().clone()
}

fn families(record: &Record) -> Vec<&str> {
    let mut names: Vec<&str> = record.findings.iter().map(|f| text(f, "/family")).collect();
    names.sort_unstable();
    names
}

/// A message and so many bytes of signature behind it.
fn paseto(claims: &Value) -> String {
    let message = [claims.to_string().as_bytes(), &Chance::new(3).bytes(64)].concat();
    format!("v4.{}.{}", "public", base64url(message))
}

fn macaroon(caveats: &[&str]) -> String {
    let packet = |name: &str, value: &[u8]| {
        let length = name.len() + value.len() + 6;
        [format!("{length:04x}{name} ").as_bytes(), value, b"\n"].concat()
    };
    let mut bytes = [packet("location", b"https://pay.example.com"), packet("identifier", b"key 7")].concat();
    caveats.iter().for_each(|caveat| bytes.extend(packet("cid", caveat.as_bytes())));
    bytes.extend(packet("signature", &Chance::new(5).bytes(32)));
    base64url(bytes)
}

fn reference_token(expiry: i64) -> String {
    STANDARD.encode(format!("reftkn:01:{expiry:010}:{}", mint::opaque(11, 27)))
}

fn google_key(seed: u64) -> String {
    format!("{}SyA{}", "AIza", mint::opaque(seed, 32))
}

#[test]
fn a_jwt_behind_a_prefix_is_one_token_with_the_jwts_times() {
    let jwt = Jwt::access().claim("exp", NOW_SECONDS + HOUR).mint();
    for (prefix, family) in [("ghs_123456_", "github-server-to-server"), ("glcbt-", "gitlab-job-token")] {
        let finding = only(&format!("TOKEN={prefix}{jwt}\n"));
        assert_eq!(text(&finding, "/family"), family);
        assert_eq!(text(&finding, "/token/state"), "live");
        assert_eq!(number(&finding, "/token/remaining_seconds"), HOUR as u64);
        let old = Jwt::access().claim("iat", NOW_SECONDS - 2 * HOUR).claim("exp", NOW_SECONDS - HOUR).mint();
        assert_eq!(text(&only(&format!("TOKEN={prefix}{old}\n")), "/token/state"), "expired");
    }
}

#[test]
fn expiry_is_read_where_the_token_carries_it() {
    let at = mint::instant;
    let bedrock = |signed: i64| {
        let date: String = at(signed).chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let query = format!(
            "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Date={date}&X-Amz-Expires=43200&x={}",
            mint::opaque(4, 200)
        );
        format!("bedrock-api-key-{}", STANDARD.encode(query))
    };
    let claims = |exp: i64| json!({"sub": "user-7", "iat": at(exp - HOUR), "exp": at(exp)});
    let sas = |end: i64| format!("https://shop.blob.core.windows.net/a?{}", mint::azure_sas(3, &at(end)).0);
    type Make<'a> = &'a dyn Fn(i64) -> String;
    let rows: [(&str, Make<'_>); 5] = [
        ("paseto-public", &|end| format!("Authorization: Bearer {}", paseto(&claims(end)))),
        ("macaroon", &|end| format!("MACAROON={}", macaroon(&["op = read", &format!("time < {}", at(end))]))),
        ("artifactory", &|end| format!("X-JFrog-Art-Api: {}", reference_token(end))),
        ("bedrock-short", &|end| format!("key: {}", bedrock(end - 12 * HOUR))),
        ("azure-sas", &|end| sas(end)),
    ];
    for (family, line) in rows {
        for (end, state) in [(NOW_SECONDS + HOUR, "live"), (NOW_SECONDS, "expired"), (NOW_SECONDS - HOUR, "expired")] {
            let finding = only(&line(end));
            assert_eq!(text(&finding, "/family"), family);
            assert_eq!(text(&finding, "/token/state"), state, "{family}");
            assert_eq!(text(&finding, "/token/expires_at"), at(end), "{family}");
        }
    }
}

#[test]
fn what_says_that_it_never_ends_never_ends_and_what_says_nothing_is_unknown() {
    let never = only(&format!("JFROG_TOKEN={}", reference_token(0)));
    assert_eq!(text(&never, "/token/state"), "never-expires");
    assert_eq!(text(&only(&format!("MACAROON={}", macaroon(&["op = read"]))), "/token/state"), "unknown");
    assert_eq!(text(&only(&format!("t: {}", paseto(&json!({"sub": "user-7"})))), "/token/state"), "never-expires");
    let local = format!("v2.{}.{}", "local", base64url(Chance::new(8).bytes(120)));
    let finding = only(&format!("Authorization: Bearer {local}"));
    assert_eq!((text(&finding, "/token/state"), text(&finding, "/token/binding")), ("unknown", "unknown"));
}

#[test]
fn a_paseto_may_be_bound_by_its_claims() {
    let claims =
        json!({"sub": "user-7", "exp": mint::instant(NOW_SECONDS + HOUR), "cnf": {"jkt": mint::thumbprint(2)}});
    let bound = only(&format!("Authorization: DPoP {}", paseto(&claims)));
    assert_eq!((text(&bound, "/token/binding"), text(&bound, "/severity")), ("jkt", "info"));
    let claims = json!({"sub": "user-7", "exp": mint::instant(NOW_SECONDS + HOUR)});
    let unbound = only(&format!("Authorization: Bearer {}", paseto(&claims)));
    assert_eq!(text(&unbound, "/token/binding"), "none");
    assert!(text(&unbound, "/message").contains("act as user-7"), "{unbound:#}");
}

#[test]
fn the_age_of_what_never_ends_is_told() {
    let json = json!({"iat": NOW_SECONDS - 10 * 86_400, "url": "https://sentry.io", "org": "shop"});
    let token = format!("sntrys_{}_{}", STANDARD.encode(json.to_string()), mint::opaque(9, 43));
    let finding = only(&format!("SENTRY_AUTH_TOKEN={token}"));
    assert!(common::texts(&finding, "/because").contains(&"issued 10 d ago"), "{finding:#}");
}

#[test]
fn expires_in_beside_a_token_with_a_prefix_is_its_lifetime() {
    let access = format!("{}a0{}", "ya29.", mint::opaque(7, 150));
    let finding = only(&format!(r#"{{"access_token":"{access}","token_type":"Bearer","expires_in":3599}}"#));
    assert_eq!(number(&finding, "/token/ttl_seconds"), 3599);
    let user = mint::with_checksum("ghu_", 1);
    let refresh = mint::with_checksum("ghr_", 2);
    let record = scan_bytes(
        format!(r#"{{"access_token":"{user}","expires_in":28800,"refresh_token":"{refresh}","refresh_token_expires_in":15811200}}"#)
            .as_bytes(),
    );
    let ttl = |family: &str| {
        let finding = record.findings.iter().find(|f| text(f, "/family") == family).expect("the family");
        number(finding, "/token/ttl_seconds")
    };
    assert_eq!((ttl("github-user-to-server"), ttl("github-refresh")), (28_800, 15_811_200));
}

#[test]
fn what_is_percent_encoded_is_one_token() {
    let windowed = |last: i64| {
        let mut body = b"\x94\x93\xc4\x08".to_vec();
        body.extend(Chance::new(last as u64).bytes(8));
        body.extend(b"\xc4\x10");
        body.extend(Chance::new(last as u64 + 1).bytes(16));
        body.extend(b"\xc2\xa3fly\x92\x04\x92\xce");
        body.extend(((NOW_SECONDS - HOUR) as u32).to_be_bytes());
        body.push(0xce);
        body.extend((last as u32).to_be_bytes());
        body.extend(b"\xc4\x20");
        body.extend(Chance::new(7).bytes(32));
        format!("{}_{}", "fm2", STANDARD.encode(body))
    };
    let fly = format!("{},{}", windowed(NOW_SECONDS + 9 * HOUR), windowed(NOW_SECONDS - 1));
    let telegram = format!("2849830161:{}{}", "AA", mint::opaque(4, 33));
    let percent = |text: &str| {
        text.replace(',', "%2C").replace(':', "%3A").replace('/', "%2F").replace('+', "%2B").replace('=', "%3D")
    };
    for (family, token) in [("fly", fly), ("telegram-bot", telegram)] {
        let plain = only(&format!("token={token}&client=shop"));
        let encoded = only(&format!("token={}&client=shop", percent(&token)));
        assert_eq!(text(&plain, "/family"), family);
        assert_eq!(text(&plain, "/token/fingerprint"), text(&encoded, "/token/fingerprint"));
        assert_eq!(plain.pointer("/token/state"), encoded.pointer("/token/state"));
    }
}

#[test]
fn a_checksum_that_does_not_fit_makes_a_suspect() {
    let text_of = |secret: &str| format!("{}{secret}", "glsa_");
    let secret = mint::opaque(6, 32);
    let sum: String =
        crc32fast::hash(text_of(&secret).as_bytes()).to_le_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let right = only(&format!("GRAFANA_TOKEN={}_{sum}", text_of(&secret)));
    assert_eq!((text(&right, "/family"), text(&right, "/confidence")), ("grafana-service-account", "high"));
    let wrong = only(&format!("GRAFANA_TOKEN={}_{}", text_of(&secret), mint::hex(3, 8)));
    assert_eq!((text(&wrong, "/severity"), text(&wrong, "/confidence")), ("low", "low"));
    // What has no checksum is not said to have one that fits.
    let plain = only(&format!("DEPLOY_TOKEN={}-{}", "gldt", mint::opaque(2, 20)));
    for (finding, because) in
        [(right, "prefix and checksum fit"), (wrong, "prefix fits, checksum does not"), (plain, "prefix and form fit")]
    {
        assert!(texts(&finding, "/because").contains(&because), "{finding:#}");
    }
}

#[test]
fn the_shape_of_a_named_value_tells_its_family_and_no_shape_the_general_one() {
    let cratesio = format!("cio{}", mint::opaque(2, 32));
    assert_eq!(text(&only(&format!("TOKEN={cratesio}")), "/family"), "cratesio");
    assert_eq!(text(&only(&format!("[registry]\ntoken = \"{cratesio}\"\n")), "/family"), "cratesio");
    assert_eq!(text(&only(&format!("TOKEN=c{}", mint::opaque(2, 34))), "/family"), "opaque-api-token");
    // Without a name it is a string.
    assert!(scan_bytes(format!("value {cratesio}\n").as_bytes()).findings.is_empty());
}

#[test]
fn what_stands_before_a_value_tells_its_family() {
    let secret = mint::hex(5, 32);
    for line in [
        format!("TWILIO_AUTH_TOKEN={secret}"),
        format!("twilio: {{auth_token: \"{secret}\"}}"),
        format!("const twilioSecret = '{secret}';"),
    ] {
        assert_eq!(text(&only(&line), "/family"), "twilio", "{line}");
    }
    // Neither the account's id nor a checksum in a sentence about it.
    for line in [format!("TWILIO_ACCOUNT_SID=AC{secret}"), format!("the twilio archive has the md5 {secret}")] {
        assert!(scan_bytes(line.as_bytes()).findings.is_empty(), "{line}");
    }
}

#[test]
fn a_name_of_its_own_counts_wherever_else_the_token_stands() {
    let token = mint::hex(9, 40);
    for (own, general) in [("a.env", "b.env"), ("b.env", "a.env")] {
        let dir = folder([(own, format!("GITHUB_TOKEN={token}\n")), (general, format!("API_TOKEN={token}\n"))]);
        let record = scan(dir.path(), &["--no-config"]);
        assert_eq!(text(record.only(), "/family"), "github-classic-hex");
        assert_eq!(text(record.only(), "/confidence"), "low");
    }
}

#[test]
fn keys_in_web_pages_are_noted_and_leaked_elsewhere() {
    let key = google_key(1);
    let page =
        format!("firebase.initializeApp({{\n  apiKey: \"{key}\",\n  authDomain: \"shop.firebaseapp.com\",\n}});\n");
    let server = format!("GOOGLE_API_KEY={key}\n");
    let severity = |files: &[(&str, &String)]| {
        let dir = folder(files.iter().map(|(path, content)| (*path, content.as_str())));
        text(scan(dir.path(), &["--no-config"]).only(), "/severity").to_owned()
    };
    assert_eq!(severity(&[("web.js", &page)]), "info");
    assert_eq!(severity(&[("server.env", &server)]), "high");
    // In either order of files, and within one.
    assert_eq!(severity(&[("a.js", &page), ("b.env", &server)]), "high");
    assert_eq!(severity(&[("a.env", &server), ("b.js", &page)]), "high");
    let far = format!("{page}{}\n{server}", "filler ".repeat(200));
    assert_eq!(severity(&[("both.txt", &far)]), "high");
    let far = format!("{server}{}\n{page}", "filler ".repeat(200));
    assert_eq!(severity(&[("both.txt", &far)]), "high");
}

#[test]
fn keys_that_are_public_by_design_are_no_leak() {
    let publishable = format!("pk_{}_51{}", "live", mint::opaque(3, 97));
    let noted = [
        format!("STRIPE_API_KEY={publishable}"),
        format!("SUPABASE_API_KEY=sb_publishable_{}_{}", mint::opaque(4, 22), mint::opaque(5, 8)),
        format!("NEW_RELIC_API_KEY=NRJS-{}", mint::hex(6, 19)),
    ];
    for line in &noted {
        assert_eq!(text(&only(line), "/severity"), "info", "{line}");
    }
    let dsn = format!("SENTRY_DSN=https://{}@o450123.ingest.de.sentry.io/4501234", mint::hex(7, 32));
    let site = format!("<div class=\"g-recaptcha\" data-sitekey=\"6Ld{}\"></div>", mint::opaque(8, 37));
    let script = format!("Stripe('{publishable}')");
    for line in [dsn, site, script] {
        let record = scan_bytes(line.as_bytes());
        assert!(record.findings.is_empty(), "{line}: {:?}", families(&record));
    }
}

#[test]
fn a_uuid_of_npms_registry_is_dead_and_one_of_another_registry_is_not_called_so() {
    let digits = mint::hex(4, 32);
    let uuid = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-");
    let finding = only(&format!("//registry.npmjs.org/:_authToken={uuid}\n"));
    assert_eq!((text(&finding, "/family"), text(&finding, "/severity")), ("npm-legacy", "info"));
    assert!(
        !families(&scan_bytes(format!("//npm.example.com/:_authToken={uuid}\n").as_bytes())).contains(&"npm-legacy")
    );
}
