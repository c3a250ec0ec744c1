//! The judgement, from the bytes of a file to the record: one JWT a row, with what must be said of it.

mod common;

use common::mint::{self, Jwt, base64url, ec_jwk, thumbprint};
use common::{NOW_SECONDS, folder, number, scan_bytes, text, texts};
use serde_json::{Value, json};

/// What is expected of the one token in `line`. `faults` must be among those named, `absent` must not.
struct Row {
    name: &'static str,
    line: String,
    family: &'static str,
    binding: &'static str,
    state: &'static str,
    ttl: Option<i64>,
    severity: &'static str,
    faults: &'static [&'static str],
    absent: &'static [&'static str],
    /// Part of the message.
    says: &'static str,
}

/// A live access token, an hour long, bound to nothing.
fn row(name: &'static str, jwt: &Jwt) -> Row {
    Row {
        name,
        line: jwt.mint(),
        family: "jwt-access",
        binding: "none",
        state: "live",
        ttl: Some(3600),
        severity: "medium",
        faults: &[],
        absent: &[],
        says: "",
    }
}

fn bound(name: &'static str, method: &str, value: impl Into<Value>) -> Row {
    let absent = &["jwt-unbound", "jwt-cnf-malformed", "jwt-cnf-unknown-method"];
    Row { severity: "info", absent, ..row(name, &with_cnf(json!({method: value.into()}))) }
}

fn with_cnf(cnf: Value) -> Jwt {
    Jwt::access().claim("cnf", cnf)
}

#[track_caller]
fn check(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for row in rows {
        let record = scan_bytes(row.line.as_bytes());
        let [finding] = &record.findings[..] else {
            wrong.push(format!("{}: {} findings", row.name, record.findings.len()));
            continue;
        };
        let token = &finding["token"];
        let got = (
            text(finding, "/family"),
            text(token, "/binding"),
            text(token, "/state"),
            token["ttl_seconds"].as_i64(),
            text(finding, "/severity"),
        );
        let expected = (row.family, row.binding, row.state, row.ttl, row.severity);
        if got != expected {
            wrong.push(format!("{}: {got:?}\n   expected {expected:?}", row.name));
        }
        let faults = texts(finding, "/faults");
        for fault in row.faults.iter().filter(|fault| !faults.contains(fault)) {
            wrong.push(format!("{}: {fault} is missing in {faults:?}", row.name));
        }
        for fault in row.absent.iter().filter(|fault| faults.contains(fault)) {
            wrong.push(format!("{}: {fault} in {faults:?}", row.name));
        }
        let rule = text(finding, "/rule");
        if faults.first().map_or(rule != row.family, |first| rule != *first) {
            wrong.push(format!("{}: the rule is {rule}, the faults are {faults:?}", row.name));
        }
        let message = text(finding, "/message");
        if !message.contains(row.says) {
            wrong.push(format!("{}: {message:?} does not say {:?}", row.name, row.says));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn binding() {
    let t = thumbprint(1);
    let jwk = ec_jwk(2, false);
    check(vec![
        Row {
            faults: &["jwt-unbound"],
            says: "Anyone holding this JWT access token can act as alice at https://api.acme.test until 2026-03-01 12:50 UTC",
            ..row("no cnf", &Jwt::access())
        },
        Row {
            binding: "x5t#S256",
            says: "useless without the private key of its client certificate",
            ..bound("certificate", "x5t#S256", t.as_str())
        },
        Row { binding: "jkt", says: "useless without its DPoP private key", ..bound("DPoP", "jkt", t.as_str()) },
        Row {
            binding: "jwk",
            says: "useless without the private key to the key in it",
            ..bound("public key", "jwk", jwk.clone())
        },
        Row { faults: &["jwt-cnf-empty"], ..row("empty", &with_cnf(json!({}))) },
        Row { faults: &["jwt-cnf-empty"], ..row("null", &with_cnf(Value::Null)) },
        Row { binding: "malformed", faults: &["jwt-cnf-malformed"], ..row("a text", &with_cnf(json!("jkt"))) },
        Row { binding: "malformed", faults: &["jwt-cnf-malformed"], ..row("a list", &with_cnf(json!([{"jkt": t}]))) },
        Row { faults: &["jwt-cnf-unknown-method"], ..row("unknown", &with_cnf(json!({"tbh": t}))) },
        Row {
            binding: "malformed",
            faults: &["jwt-cnf-sha1"],
            ..row("SHA-1", &with_cnf(json!({"x5t": base64url([7; 20])})))
        },
        Row {
            binding: "malformed",
            faults: &["jwt-cnf-thumbprint-malformed"],
            ..row("padded thumbprint", &with_cnf(json!({"jkt": format!("{t}=")})))
        },
        Row {
            binding: "malformed",
            faults: &["jwt-cnf-thumbprint-malformed"],
            ..row("hexadecimal thumbprint", &with_cnf(json!({"x5t#S256": mint::hex(3, 64)})))
        },
        Row {
            binding: "x5t#S256",
            severity: "info",
            faults: &["jwt-cnf-multiple"],
            ..row("two methods", &with_cnf(json!({"jkt": t, "x5t#S256": t})))
        },
        Row {
            family: "jwt-access",
            ..row("cnf in another claim", &Jwt::access().claim("ext", json!({"cnf": {"jkt": t}})))
        },
        Row {
            binding: "self-leaked",
            faults: &["jwt-cnf-private-jwk"],
            ..row("private key", &with_cnf(json!({"jwk": ec_jwk(2, true)})))
        },
        Row {
            binding: "self-leaked",
            faults: &["jwt-cnf-symmetric-jwk"],
            ..row("symmetric key", &with_cnf(json!({"jwk": {"kty": "oct", "k": thumbprint(4)}})))
        },
        Row {
            binding: "malformed",
            faults: &["jwt-cnf-malformed"],
            ..row("half a key", &with_cnf(json!({"jwk": {"kty": "EC"}})))
        },
    ]);
}

/// Bound by a reference only: never said to be bound, never said to be surely free.
#[test]
fn binding_by_reference() {
    for (cnf, binding, fault) in [
        (json!({"kid": "key-1"}), "kid", Some("jwt-cnf-kid-only")),
        (json!({"jku": "https://as.acme.test/keys", "kid": "key-1"}), "jku", Some("jwt-cnf-jku")),
        (json!({"jwe": mint::jwe(5)}), "jwe", None),
    ] {
        let record = scan_bytes(with_cnf(cnf).mint().as_bytes());
        let finding = record.only();
        assert_eq!(text(finding, "/token/binding"), binding);
        assert!(["medium", "high"].contains(&text(finding, "/severity")), "{binding}");
        let faults = texts(finding, "/faults");
        assert!(fault.is_none_or(|fault| faults.contains(&fault)), "{faults:?}");
        assert!(!faults.contains(&"jwt-unbound") && !faults.contains(&"jwt-cnf-multiple"), "{faults:?}");
        assert!(text(finding, "/message").contains("nothing shows that it is bound to a key"), "{finding:#}");
    }
}

#[test]
fn lifetime() {
    let now = NOW_SECONDS;
    let times = |iat: i64, exp: i64| Jwt::access().claim("iat", iat).claim("exp", exp);
    check(vec![
        Row {
            state: "expired",
            severity: "info",
            says: "expired 2026-03-01 12:00 UTC; until then anyone",
            ..row("exp is now", &times(now - 3600, now))
        },
        Row { state: "live", ..row("a second left", &times(now - 3599, now + 1)) },
        Row { state: "expired", severity: "info", says: "expired", ..row("long over", &times(now - 7200, now - 3600)) },
        Row {
            state: "expired",
            severity: "low",
            ttl: Some(86_400),
            faults: &["jwt-ttl-long"],
            ..row("over, and was long", &times(now - 90_000, now - 3600))
        },
        Row { severity: "high", absent: &["jwt-ttl-long"], ..row("exactly an hour", &times(now, now + 3600)) },
        Row {
            severity: "high",
            ttl: Some(3601),
            faults: &["jwt-ttl-long"],
            ..row("a second more", &times(now, now + 3601))
        },
        Row {
            severity: "info",
            binding: "jkt",
            ttl: Some(86_400),
            absent: &["jwt-ttl-long"],
            ..row("bound, a day", &times(now, now + 86_400).claim("cnf", json!({"jkt": thumbprint(1)})))
        },
        Row {
            severity: "low",
            binding: "jkt",
            ttl: Some(86_401),
            faults: &["jwt-ttl-long"],
            ..row("bound, a second more", &times(now, now + 86_401).claim("cnf", json!({"jkt": thumbprint(1)})))
        },
        Row {
            state: "not-yet",
            severity: "high",
            faults: &["jwt-iat-future"],
            says: "from 2026-03-01 13:00 UTC until 2026-03-01 13:30 UTC",
            ..row("not yet", &times(now + 1800, now + 5400).claim("nbf", now + 3600))
        },
        Row {
            state: "never-expires",
            severity: "high",
            ttl: None,
            faults: &["jwt-no-exp"],
            says: "for ever: it has no expiry",
            ..row("no exp", &Jwt::access().without("exp"))
        },
        Row {
            ttl: None,
            faults: &["jwt-no-iat"],
            absent: &["jwt-ttl-long"],
            ..row("no iat", &Jwt::access().without("iat"))
        },
        Row {
            ttl: None,
            severity: "high",
            faults: &["jwt-no-iat", "jwt-ttl-long"],
            ..row("no iat, long to go", &Jwt::access().without("iat").claim("exp", now + 7200))
        },
        Row {
            ttl: Some(3000),
            faults: &["jwt-no-iat"],
            ..row("nbf in place of iat", &Jwt::access().without("iat").claim("nbf", now).claim("exp", now + 3000))
        },
        Row {
            severity: "high",
            ttl: Some(400 * 86_400),
            faults: &["jwt-exp-far", "jwt-ttl-long"],
            ..row("far", &times(now, now + 400 * 86_400))
        },
        Row { faults: &["jwt-exp-unit-ms"], ..row("milliseconds", &times((now - 600) * 1000, (now + 3000) * 1000)) },
        Row {
            state: "unknown",
            severity: "high",
            ttl: None,
            faults: &["jwt-exp-malformed"],
            absent: &["jwt-no-exp"],
            says: "no time",
            ..row("a text", &Jwt::access().claim("exp", (now + 3000).to_string()))
        },
        Row {
            ttl: Some(-60),
            severity: "info",
            state: "expired",
            faults: &["jwt-time-inverted"],
            ..row("inverted", &times(now - 600, now - 660))
        },
        Row {
            ..row(
                "fractions",
                &Jwt::access().claim("iat", (now - 600) as f64 + 0.25).claim("exp", (now + 3000) as f64 + 0.75),
            )
        },
    ]);
}

#[test]
fn signature_and_algorithm() {
    let claims = Jwt::access();
    check(vec![
        Row {
            faults: &["jwt-alg-none", "jwt-unbound"],
            says: "has no signature",
            ..row("none", &claims.clone().header("alg", "none"))
        },
        Row {
            faults: &["jwt-alg-none"],
            says: "has no signature",
            ..row("nOnE", &claims.clone().header("alg", "nOnE").header("kid", "x"))
        },
        Row {
            line: claims.mint_with("secret"),
            severity: "critical",
            faults: &["jwt-alg-weak-secret", "jwt-alg-hmac"],
            says: "anyone can make tokens of https://as.acme.test",
            ..row("weak secret", &claims)
        },
        Row {
            line: claims.mint_with(&mint::opaque(6, 40)),
            faults: &["jwt-alg-hmac"],
            absent: &["jwt-alg-weak-secret"],
            ..row("strong secret", &claims)
        },
        Row {
            line: claims.clone().claim("cnf", json!({"jkt": thumbprint(1)})).header("alg", "none").mint(),
            binding: "jkt",
            faults: &["jwt-alg-none"],
            ..row("bound, but anyone can rewrite it", &claims)
        },
        Row {
            severity: "critical",
            faults: &["jwt-scope-broad"],
            ..row("far reach", &claims.clone().claim("scope", "orders.read admin"))
        },
    ]);
}

/// A token whose signature was cut or edited is no credential any more, and that is what is said of it.
#[test]
fn a_cut_signature_is_harmless() {
    let whole = Jwt::access().mint();
    let record = scan_bytes(&whole.as_bytes()[..whole.len() - 20]);
    let finding = record.only();
    assert_eq!(
        (text(finding, "/rule"), text(finding, "/severity"), text(finding, "/confidence")),
        ("jwt-malformed-signature", "info", "low")
    );
    assert!(text(finding, "/message").contains("nobody accepts it as it stands"));
}

#[test]
fn kinds() {
    let id = Jwt::access().without("scope").without("client_id").claim("nonce", "n1").header("typ", "JWT");
    let keycloak = Jwt::access().claim("iss", "https://sso.acme.test/realms/main").header("typ", "JWT");
    let refresh = keycloak.claim("typ", "Refresh");
    let proof = mint::dpop_proof(ec_jwk(2, false));
    let other = |family, row: Row| Row { family, ..row };
    check(vec![
        other(
            "jwt-id",
            Row {
                line: format!("Authorization: Bearer {}", id.mint()),
                faults: &["jwt-id-token-as-access"],
                absent: &["jwt-unbound"],
                ..row("ID token as Bearer", &id)
            },
        ),
        other(
            "jwt-id",
            Row {
                line: format!("\"id_token\": \"{}\"", id.mint()),
                absent: &["jwt-id-token-as-access"],
                ..row("ID token", &id)
            },
        ),
        other("jwt", Row { faults: &["jwt-unbound"], ..row("plain JWT", &Jwt::access().without("typ")) }),
        other(
            "jwt-dpop-proof",
            Row {
                line: format!("DPoP: {}", proof.mint()),
                binding: "jwk",
                ttl: None,
                severity: "info",
                says: "no credential without its access token",
                ..row("proof", &proof)
            },
        ),
        other(
            "jwt-dpop-proof",
            Row {
                binding: "jwk",
                ttl: None,
                severity: "info",
                state: "expired",
                ..row("old proof", &proof.clone().claim("iat", NOW_SECONDS - 301))
            },
        ),
        other(
            "jwt-dpop-proof",
            Row {
                binding: "jwk",
                ttl: None,
                severity: "critical",
                faults: &["dpop-jwk-private"],
                says: "carries its own private key",
                ..row("proof with its private key", &mint::dpop_proof(ec_jwk(2, true)))
            },
        ),
        other(
            "jwe",
            Row {
                line: mint::jwe(7),
                binding: "unknown",
                state: "unknown",
                ttl: None,
                says: "can't be seen from outside",
                ..row("JWE", &id)
            },
        ),
    ]);
    // A refresh token is told by the claim that Keycloak writes or by the name before it.
    for line in [refresh.mint(), format!("refresh_token={}", Jwt::access().mint())] {
        let record = scan_bytes(line.as_bytes());
        let finding = record.only();
        assert!(texts(finding, "/faults").contains(&"refresh-token-exposed"), "{finding:#}");
        assert!(["high", "critical", "medium"].contains(&text(finding, "/severity")), "{finding:#}");
    }
}

/// A DPoP-bound token that is sent as Bearer, with and without a proof beside it.
#[test]
fn downgrade_to_bearer() {
    let token = with_cnf(json!({"jkt": thumbprint(1)})).mint();
    let bare = scan_bytes(format!("GET /orders HTTP/1.1\nAuthorization: Bearer {token}\n\n").as_bytes());
    assert!(texts(bare.only(), "/faults").contains(&"token-bearer-with-cnf"));
    assert_eq!(text(bare.only(), "/severity"), "medium");
    let proper = scan_bytes(format!("GET /orders HTTP/1.1\nAuthorization: DPoP {token}\n\n").as_bytes());
    assert_eq!((text(proper.only(), "/severity"), texts(proper.only(), "/faults").len()), ("info", 0));
}

/// The record speaks of what is in the token.
#[test]
fn the_record_repeats_the_claims() {
    let record = scan_bytes(format!("access_token={}", Jwt::access().mint()).as_bytes());
    let token = &record.only()["token"];
    for (field, value) in [
        ("/alg", "ES256"),
        ("/typ", "at+jwt"),
        ("/issuer", "https://as.acme.test"),
        ("/subject", "alice"),
        ("/audience/0", "https://api.acme.test"),
        ("/issued_at", "2026-03-01T11:50:00Z"),
        ("/expires_at", "2026-03-01T12:50:00Z"),
        ("/kind", "jwt"),
    ] {
        assert_eq!(text(token, field), value);
    }
    assert_eq!(number(token, "/remaining_seconds"), 3000);
    assert_eq!(text(token, "/fingerprint").len(), 64);
    assert_eq!(token["privileged"], false);
}

/// In tests and documentation the same token weighs one step less, and never more.
#[test]
fn samples_weigh_less() {
    let dir = common::folder([("src/app.env", Jwt::numbered(1).mint()), ("docs/howto.md", Jwt::numbered(2).mint())]);
    let record = common::scan(dir.path(), &["."]);
    let severity = |path: &str| {
        let finding = record.findings.iter().find(|f| text(f, "/location/path") == path).expect("a finding");
        text(finding, "/severity").to_owned()
    };
    assert_eq!((severity("src/app.env"), severity("docs/howto.md")), ("medium".to_owned(), "low".to_owned()));
}

/// What stands beside a key can say that it is public; the same key in a place that does not say so is none the less a
/// key, in whatever order the places are met.
#[test]
fn public_is_what_every_place_says_is_public() {
    let key = mint::hex(7, 32);
    let page = format!("docsearch({{ apiKey: '{key}', indexName: 'handbook' }})");
    let plain = format!("api_key = \"{key}\"");
    let filler = "\n".repeat(600);
    for (severity, files) in [
        ("info", vec![("page.js", page.clone())]),
        ("high", vec![("a.txt", format!("{page}{filler}{plain}"))]),
        ("high", vec![("a.txt", format!("{plain}{filler}{page}"))]),
        ("high", vec![("a.txt", page.clone()), ("b.txt", plain.clone())]),
        ("high", vec![("a.txt", plain.clone()), ("b.txt", page.clone())]),
    ] {
        let dir = folder(files);
        let record = common::scan(dir.path(), &["."]);
        assert_eq!(record.findings.len(), 1);
        assert_eq!(text(&record.findings[0], "/severity"), severity);
    }
}

/// Sent with the DPoP scheme at one place and as a bearer token at another, an opaque token is a bearer token.
#[test]
fn one_bearer_use_is_enough() {
    let token = mint::opaque(8, 40);
    let [dpop, bearer] = ["DPoP", "Bearer"].map(|scheme| format!("Authorization: {scheme} {token}\n\n"));
    for (content, severity) in
        [(dpop.clone(), "info"), (format!("{dpop}{bearer}"), "medium"), (bearer + &dpop, "medium")]
    {
        let dir = folder([("a.http", content)]);
        let record = common::scan(dir.path(), &["."]);
        assert_eq!(record.findings.len(), 1);
        assert_eq!(text(&record.findings[0], "/severity"), severity);
    }
}
