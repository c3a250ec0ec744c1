//! What files of several products say together: the audits of gateways and of issuers in one scan.

use std::fs;
use std::process::Command;

use serde_json::Value;

const REALM: &str = r#"{ "realm": "shop", "accessTokenLifespan": 300, "revokeRefreshToken": true, "clients": [
  { "clientId": "payments", "clientAuthenticatorType": "client-x509", "serviceAccountsEnabled": true,
    "attributes": { "tls.client.certificate.bound.access.tokens": "true" } } ] }
"#;

fn server(more: &str) -> String {
    format!(
        "events {{}}\nhttp {{\n  server {{\n    listen 443 ssl;\n    # takes access tokens\n    {more}\n    location / {{\n      \
         proxy_pass http://127.0.0.1:9000;\n    }}\n  }}\n}}\n"
    )
}

/// The findings of a scan of these files.
fn findings(name: &str, files: &[(&str, &str)]) -> Vec<Value> {
    let root = std::env::temp_dir().join(format!("keybound-across-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_keybound"))
        .args(["scan", "--no-config", "--no-ignore", "--audit", "gateway,issuer", "--format", "jsonl"])
        .arg(&root)
        .output()
        .expect("the command runs");
    fs::remove_dir_all(&root).expect("the folder goes");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    records.filter(|record| record["type"] == "finding").collect()
}

#[test]
fn a_gateway_that_asks_nobody_beside_tokens_that_are_bound_to_certificates() {
    let found = findings("unasked", &[("deploy/keycloak/realm.json", REALM), ("deploy/nginx/nginx.conf", &server(""))]);
    let [found] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((&found["rule"], &found["severity"]), (&"client-cert-not-requested".into(), &"medium".into()));
    assert_eq!(found["location"]["path"], "deploy/nginx/nginx.conf");
    assert_eq!(found["related"][0]["path"], "deploy/keycloak/realm.json");
    assert_eq!(found["related"][0]["line"], 3);
    assert!(found["message"].as_str().is_some_and(|text| text.contains("asks for none")), "{found:#?}");
}

#[test]
fn silence_where_it_may_be_otherwise() {
    let asks = "ssl_client_certificate ca.pem; ssl_verify_client optional; proxy_set_header X-SSL-Cert $ssl_client_escaped_cert;";
    let open = server("");
    let no_tokens = open.replace("# takes access tokens", "");
    let plain = open.replace("443 ssl", "80");
    let unbound = REALM.replace("\"true\"", "\"false\"");
    let through = "stream {\n  server { listen 443; proxy_pass api:443; }\n}\n";
    let missing = server("include /etc/nginx/elsewhere.conf;");
    for (name, files) in [
        ("asks", vec![("deploy/keycloak/realm.json", REALM), ("deploy/nginx/nginx.conf", &*server(asks))]),
        ("elsewhere", vec![("auth/keycloak/realm.json", REALM), ("web/nginx/nginx.conf", &open)]),
        ("no-tokens", vec![("deploy/keycloak/realm.json", REALM), ("deploy/nginx/nginx.conf", &no_tokens)]),
        ("plain", vec![("deploy/keycloak/realm.json", REALM), ("deploy/nginx/nginx.conf", &plain)]),
        ("unbound", vec![("deploy/keycloak/realm.json", &unbound), ("deploy/nginx/nginx.conf", &open)]),
        ("missing", vec![("deploy/keycloak/realm.json", REALM), ("deploy/nginx/nginx.conf", &missing)]),
        (
            "through",
            vec![
                ("deploy/keycloak/realm.json", REALM),
                ("deploy/nginx/nginx.conf", &open),
                ("deploy/edge/nginx.conf", through),
            ],
        ),
    ] {
        let found = findings(name, &files);
        let of_gateways: Vec<_> = found.iter().filter(|found| found["rule"] == "client-cert-not-requested").collect();
        assert!(of_gateways.is_empty(), "{name}: {of_gateways:#?}");
    }
}
