//! SAML assertions, from the bytes of a file to the record: every form in which one travels is one token, judged alike;
//! what only looks like one is none.

mod common;

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::mint::{Chance, Saml, saml_confirmation, saml_response, saml_signature};
use common::{NOW_SECONDS, number, scan_bytes, text, texts};
use serde_json::Value;

const FIELD: &str = "SAMLResponse";

fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a text");
    quoted[1..quoted.len() - 1].to_owned()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn deflated(text: &str) -> String {
    let mut out = Vec::new();
    let mut packer = flate2::read::DeflateEncoder::new(text.as_bytes(), flate2::Compression::best());
    packer.read_to_end(&mut out).expect("deflate");
    STANDARD.encode(out)
}

fn wrapped(text: &str, width: usize, between: &str) -> String {
    let lines: Vec<&str> = (0..text.len()).step_by(width).map(|at| &text[at..text.len().min(at + width)]).collect();
    lines.join(between)
}

/// An assertion in every form, with the carrier and the layers that must be named.
fn forms(assertion: &str) -> Vec<(&'static str, String, &'static str, Vec<&'static str>)> {
    let response = saml_response(assertion);
    let encoded = STANDARD.encode(&response);
    let base64 = || vec!["base64"];
    let url = URL_SAFE_NO_PAD.encode(assertion);
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Asaml2-bearer";
    vec![
        ("XML", assertion.to_owned(), "bare", vec![]),
        ("response", response.clone(), "key-value", vec![]),
        ("SOAP", format!("<s:Envelope><s:Header>\n{assertion}\n</s:Header></s:Envelope>"), "bare", vec![]),
        ("JSON", format!("{{\"assertion\":\"{}\"}}", json(assertion)), "json-field", vec![]),
        (
            "JSON in JSON",
            format!("{{\"log\":\"{{\\\"a\\\":\\\"{}\\\"}}\"}}", json(&json(assertion))),
            "json-field",
            vec![],
        ),
        (
            "JSON of Go",
            format!("{{\"a\":\"{}\"}}", json(assertion).replace('<', "\\u003c").replace('>', "\\u003e")),
            "json-field",
            vec![],
        ),
        ("HTML", format!("<pre>{}</pre>", html(assertion)), "key-value", vec![]),
        (
            "WS-Federation form",
            format!("<input name=\"wresult\" value=\"{}\"/>", html(&format!("<t:R>{assertion}</t:R>"))),
            "bare",
            vec![],
        ),
        (
            "WS-Federation body",
            format!("wa=wsignin1.0&wresult={}&wctx=x", percent(&format!("<t:R>{assertion}</t:R>"))),
            "bare",
            vec![],
        ),
        ("post body", format!("{FIELD}={}&RelayState=x", percent(&encoded)), "form-field", base64()),
        (
            "redirect",
            format!("GET /acs?{FIELD}={}&RelayState=x HTTP/1.1", percent(&deflated(&response))),
            "url-query",
            vec!["base64", "deflate"],
        ),
        ("form", format!("<input type=\"hidden\" name=\"{FIELD}\" value=\"{encoded}\"/>"), "form-field", base64()),
        (
            "wrapped form",
            format!("<input name=\"{FIELD}\"\n value=\"{}\"/>", wrapped(&encoded, 76, "&#13;&#10;")),
            "form-field",
            base64(),
        ),
        (
            "HAR",
            format!("{{\"name\":\"{FIELD}\",\"value\":\"{}\"}}", encoded.replace('/', "\\/")),
            "json-field",
            base64(),
        ),
        ("JSON field", format!("{{\"{FIELD}\": \"{}\"}}", encoded.replace('=', "\\u003d")), "json-field", base64()),
        ("file", encoded.clone(), "bare", base64()),
        ("wrapped file", wrapped(&encoded, 64, "\n"), "bare", base64()),
        ("grant", format!("grant_type={grant}&assertion={url}&scope=x"), "form-field", base64()),
        ("grant, turned round", format!("assertion={url}&grant_type={grant}"), "key-value", base64()),
        (
            "grant of an unusual prefix",
            format!("grant_type={grant}&assertion={}", URL_SAFE_NO_PAD.encode(format!(" {assertion}"))),
            "form-field",
            base64(),
        ),
    ]
}

#[test]
fn every_form_is_one_token() {
    let assertion = Saml::bearer(1).mint().replace("</saml:Issuer>", "</saml:Issuer>\n  ");
    let mut fingerprints = Vec::new();
    for (name, line, carrier, layers) in forms(&assertion) {
        let record = scan_bytes(line.as_bytes());
        assert_eq!(record.findings.len(), 1, "{name}: {line}");
        let finding = record.only();
        assert_eq!(text(finding, "/family"), "saml-assertion", "{name}");
        assert_eq!(text(finding, "/token/kind"), "saml", "{name}");
        assert_eq!(text(finding, "/carrier"), carrier, "{name}");
        assert_eq!(texts(finding, "/location/layers"), layers, "{name}");
        assert_eq!(text(finding, "/token/subject"), "user-1@acme.test", "{name}");
        assert_eq!(finding["token"]["ttl_seconds"], 300, "{name}");
        assert!(
            text(finding, "/message").contains("can act as user-1@acme.test at https://sp.acme.test until"),
            "{name}"
        );
        let in_url = texts(finding, "/faults").contains(&"token-in-url");
        assert_eq!(in_url, carrier == "url-query", "{name}");
        fingerprints.push(text(finding, "/token/fingerprint").to_owned());
    }
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 1);
    // All in one file: one finding, seen that often.
    let all: Vec<String> = forms(&assertion).into_iter().map(|(_, line, ..)| line).collect();
    let record = scan_bytes(all.join("\n\n").as_bytes());
    assert_eq!(number(record.only(), "/occurrences"), all.len() as u64);
}

#[test]
fn a_place_is_that_of_the_assertion_or_of_its_encoding() {
    let assertion = Saml::bearer(2).mint();
    let encoded = STANDARD.encode(saml_response(&assertion));
    for (before, token, after) in [
        ("INFO got ".to_owned(), assertion.clone(), " ok"),
        ("{\"a\":\"".to_owned(), json(&assertion), "\"}"),
        (format!("{FIELD}="), percent(&encoded), "&x=y"),
        (format!("<input name='{FIELD}' value='"), wrapped(&encoded, 76, "&#10;"), "'/>"),
    ] {
        let line = format!("first line\n{before}{token}{after}");
        let record = scan_bytes(line.as_bytes());
        let finding = record.only();
        assert_eq!(number(finding, "/location/line"), 2);
        assert_eq!(number(finding, "/location/column"), before.len() as u64 + 1, "{line}");
        assert_eq!(number(finding, "/location/byte_end"), (11 + before.len() + token.len()) as u64, "{line}");
    }
}

/// What must be said of an assertion.
struct Row {
    name: &'static str,
    xml: String,
    rule: &'static str,
    severity: &'static str,
    binding: &'static str,
    state: &'static str,
    ttl: Option<i64>,
    faults: &'static [&'static str],
    says: &'static str,
}

fn row(name: &'static str, saml: &Saml) -> Row {
    Row {
        name,
        xml: saml.mint(),
        rule: "saml-bearer",
        severity: "medium",
        binding: "none",
        state: "live",
        ttl: Some(300),
        faults: &["saml-bearer"],
        says: "Anyone holding this SAML assertion can act as user-1@acme.test",
    }
}

fn confirmed(confirmations: &[String]) -> Saml {
    Saml { confirmations: confirmations.concat(), ..Saml::bearer(1) }
}

#[test]
fn the_verdict() {
    let key = STANDARD.encode(Chance::new(3).bytes(300));
    let certificate = format!("<ds:X509Data><ds:X509Certificate>{key}</ds:X509Certificate></ds:X509Data>");
    let bearer = saml_confirmation("bearer", "");
    let bound = saml_confirmation("holder-of-key", &certificate);
    let bound_for =
        |seconds| Saml { until: Some(NOW_SECONDS - 60 + seconds), ..confirmed(std::slice::from_ref(&bound)) };
    let lasts =
        |from: i64, to: i64| Saml { issued: NOW_SECONDS + from, until: Some(NOW_SECONDS + to), ..Saml::bearer(1) };
    let rows = vec![
        row("bearer", &Saml::bearer(1)),
        Row { rule: "saml-bearer", faults: &["saml-bearer"], ..row("no confirmation", &confirmed(&[])) },
        Row {
            rule: "saml-bearer",
            severity: "high",
            ttl: Some(28_800),
            faults: &["saml-bearer", "saml-long-validity"],
            ..row("a working day", &lasts(-60, 28_740))
        },
        Row {
            ttl: Some(301),
            faults: &["saml-bearer", "saml-long-validity"],
            ..row("a second too long", &lasts(-60, 241))
        },
        Row {
            severity: "info",
            state: "expired",
            says: "expired 2026-03-01 12:00 UTC; until then anyone",
            ..row("ends now", &lasts(-300, 0))
        },
        Row { ttl: Some(300), ..row("a second left", &lasts(-299, 1)) },
        Row { state: "not-yet", says: "from 2026-03-01 12:01 UTC until", ..row("not yet", &lasts(60, 360)) },
        Row {
            rule: "saml-no-expiry",
            severity: "high",
            state: "never-expires",
            ttl: None,
            faults: &["saml-no-expiry", "saml-bearer"],
            says: "for ever",
            ..row("no end", &Saml { until: None, ..Saml::bearer(1) })
        },
        Row {
            faults: &["saml-bearer", "saml-no-audience"],
            says: "at any service that trusts https://idp.acme.test",
            ..row("no audience", &Saml { audience: String::new(), ..Saml::bearer(1) })
        },
        Row {
            rule: "saml-sender-vouches",
            faults: &["saml-sender-vouches"],
            says: "any sender that is trusted to vouch",
            ..row("sender-vouches", &confirmed(&[saml_confirmation("sender-vouches", "")]))
        },
        Row {
            rule: "saml-hok-without-key",
            faults: &["saml-hok-without-key"],
            ..row("holder of no key", &confirmed(&[saml_confirmation("holder-of-key", "")]))
        },
        Row {
            rule: "saml-assertion",
            severity: "info",
            binding: "jwk",
            ttl: Some(3600),
            faults: &[],
            says: "useless without the private key to the key in it",
            ..row("holder of key, an hour", &bound_for(3600))
        },
        Row {
            rule: "saml-long-validity",
            severity: "low",
            binding: "jwk",
            ttl: Some(3601),
            faults: &["saml-long-validity"],
            says: "useless without",
            ..row("holder of key, a second more", &bound_for(3601))
        },
        row("the weakest of two", &confirmed(&[bound.clone(), bearer.clone()])),
        row("the weakest of two, turned round", &confirmed(&[bearer, bound])),
        Row {
            rule: "saml-bearer",
            severity: "low",
            faults: &["saml-bearer", "saml-unsigned"],
            says: "Where signatures are not checked",
            ..row("unsigned", &Saml { signature: None, ..Saml::bearer(1) })
        },
        Row {
            severity: "info",
            says: "cut, masked or edited",
            ..row("masked signature", &Saml { signature: Some("********".to_owned()), ..Saml::bearer(1) })
        },
        Row {
            severity: "critical",
            ..row(
                "administrator",
                &Saml {
                    confirmations: saml_confirmation("bearer", "")
                        + "</saml:Subject><saml:AttributeStatement><saml:Attribute Name=\"Role\"><saml:AttributeValue>Administrator</saml:AttributeValue></saml:Attribute></saml:AttributeStatement><saml:Subject>",
                    ..Saml::bearer(1)
                },
            )
        },
    ];
    let mut wrong = Vec::new();
    for row in rows {
        let record = scan_bytes(row.xml.as_bytes());
        let finding = record.only();
        let token = &finding["token"];
        let got = (text(finding, "/rule"), text(finding, "/severity"), text(token, "/binding"), text(token, "/state"));
        let expected = (row.rule, row.severity, row.binding, row.state);
        let (ttl, faults) = (token["ttl_seconds"].as_i64(), texts(finding, "/faults"));
        let message = text(finding, "/message");
        if got != expected || ttl != row.ttl || faults != row.faults || !message.contains(row.says) {
            wrong.push(format!(
                "{}: {got:?} {ttl:?} {faults:?}\n   expected {expected:?} {:?} {:?}\n   {message}",
                row.name, row.ttl, row.faults
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A signature of the response covers what is in it; another message's does not.
#[test]
fn a_signature_around_it_counts() {
    let unsigned = Saml { signature: None, ..Saml::bearer(1) }.mint();
    let signature = saml_signature(&STANDARD.encode([9; 96]));
    let faults = |bytes: &[u8]| -> Vec<String> {
        texts(scan_bytes(bytes).only(), "/faults").into_iter().map(str::to_owned).collect()
    };
    let signed_response = saml_response(&unsigned).replace("<samlp:Status>", &format!("{signature}<samlp:Status>"));
    let pretty = signed_response.replace("><", ">\n  <");
    for (name, message) in [
        ("XML", signed_response.clone()),
        ("indented", pretty),
        ("base64", STANDARD.encode(&signed_response)),
        ("SOAP", format!("<s:Envelope><wsse:Security>{unsigned}{signature}</wsse:Security></s:Envelope>")),
    ] {
        assert_eq!(faults(message.as_bytes()), ["saml-bearer"], "{name}: {message}");
    }
    for (name, message) in [
        ("alone", unsigned.clone()),
        ("unsigned response", saml_response(&unsigned)),
        ("after another message", format!("<samlp:Response>{signature}</samlp:Response>\n{unsigned}")),
        ("before another message", format!("{unsigned}\n<samlp:Response ID='x'>{signature}</samlp:Response>")),
    ] {
        assert_eq!(faults(message.as_bytes()), ["saml-bearer", "saml-unsigned"], "{name}: {message}");
    }
    // The same assertion with and without its response: the signature that was seen counts, in either order.
    for both in [format!("{unsigned}\n\n{signed_response}"), format!("{signed_response}\n\n{unsigned}")] {
        assert_eq!(faults(both.as_bytes()), ["saml-bearer"]);
    }
}

#[test]
fn encrypted_assertions_are_never_called_unbound() {
    let encrypted = format!(
        "<saml:EncryptedAssertion><xenc:EncryptedData><xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>",
        STANDARD.encode(Chance::new(5).bytes(600))
    );
    let response = saml_response(&encrypted)
        .replace("<saml:Enc", "\n<saml:Enc")
        .replace("xmlns:samlp", "xmlns:xenc=\"x\" xmlns:samlp");
    let mut fingerprints = Vec::new();
    for message in [
        response.clone(),
        format!("{FIELD}={}", percent(&STANDARD.encode(&response))),
        format!("?{FIELD}={}&x", percent(&deflated(&response))),
        format!("{{\"xml\":\"{}\"}}", json(&response)),
    ] {
        let record = scan_bytes(message.as_bytes());
        assert_eq!(record.findings.len(), 1, "{message}");
        let finding = record.only();
        assert_eq!(
            text(finding, "/rule").replace("token-in-url", "saml-encrypted-assertion"),
            "saml-encrypted-assertion"
        );
        assert_eq!((text(finding, "/token/binding"), text(finding, "/token/state")), ("unknown", "unknown"));
        assert_eq!(text(finding, "/token/kind"), "saml");
        assert!(text(finding, "/message").contains("can present it as it stands"), "{finding:#}");
        fingerprints.push(text(finding, "/token/fingerprint").to_owned());
    }
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 1);
}

#[test]
fn what_is_no_credential_is_not_reported() {
    let names = ["urn:oasis:names:tc:", "SAML"].concat();
    let good = Saml::bearer(1).mint();
    let request = format!(
        "<samlp:AuthnRequest xmlns:samlp=\"{names}:2.0:protocol\" xmlns:saml=\"{names}:2.0:assertion\" AssertionConsumerServiceURL=\"https://sp.acme.test\"><saml:Issuer>x</saml:Issuer></samlp:AuthnRequest>"
    );
    let metadata = format!(
        "<md:EntityDescriptor xmlns:md=\"{names}:2.0:metadata\"><md:AssertionConsumerService Binding=\"{names}:2.0:bindings:HTTP-POST\"/></md:EntityDescriptor>"
    );
    let bomb = deflated(&format!("<a>{}", " ".repeat(20_000_000)));
    for text in [
        request.clone(),
        format!("SAMLRequest={}", percent(&deflated(&request))),
        STANDARD.encode(&request),
        metadata.clone(),
        STANDARD.encode(metadata),
        saml_response(""),
        format!("{FIELD}={}", percent(&STANDARD.encode(saml_response("")))),
        format!("<mdattr:EntityAttributes xmlns:mdattr=\"{names}:metadata:attribute\">\n {good}</mdattr:EntityAttributes>"),
        STANDARD.encode(format!("<?xml version='1.0'?><a:EntityAttributes xmlns:a=\"{names}:metadata:attribute\">{good}</a:EntityAttributes>")),
        good.replace(&common::mint::instant(NOW_SECONDS - 60), "${now}"),
        good.replace("https://idp.acme.test", ""),
        good.replace(":2.0:assertion", ":2.0:other"),
        good[..good.len() - 30].to_owned(),
        good.replace("</saml:Subject>", "</saml:Subjekt>"),
        format!("{FIELD}={}", percent(&bomb)),
        format!("{FIELD}={}", "A".repeat(5000)),
        format!(
            "{FIELD}=${{saml_response}} and then some words that go on for quite a while, as they do in documentation"
        ),
        format!(
            "<!DOCTYPE x [<!ENTITY a \"{}\">]>{}",
            "b".repeat(99),
            good.replace("<saml:NameID>", "<saml:NameID><!DOCTYPE y>")
        ),
    ] {
        let record = scan_bytes(text.as_bytes());
        let saml: Vec<&Value> = record.findings.iter().filter(|f| f["token"]["kind"] == "saml").collect();
        assert!(saml.is_empty(), "{}: {saml:#?}", &text[..text.len().min(300)]);
    }
}

/// A token in an attribute is found for itself; an assertion inside of another is a part of that.
#[test]
fn what_stands_inside_an_assertion() {
    let jwt = common::mint::Jwt::numbered(4).mint();
    let outer = Saml::bearer(1).mint();
    let inner = Saml::bearer(2).mint();
    let with_token = outer.replace("user-1@acme.test", &format!("user-1<!-- {jwt} -->"));
    let kinds = |bytes: &str| -> Vec<String> {
        let mut kinds: Vec<String> =
            scan_bytes(bytes.as_bytes()).findings.iter().map(|f| text(f, "/token/kind").to_owned()).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&with_token), ["jwt", "saml"]);
    let nested = outer.replace("<saml:Subject>", &format!("<saml:Advice>{inner}</saml:Advice><saml:Subject>"));
    for message in [nested.clone(), json(&nested), STANDARD.encode(&nested)] {
        let record = scan_bytes(message.as_bytes());
        assert_eq!(text(record.only(), "/token/subject"), "user-1@acme.test");
    }
    let after_metadata = format!("<m:EntityAttributes><s:Attribute/></m:EntityAttributes>\n{outer}");
    assert_eq!(kinds(&after_metadata), ["saml"]);
    let two = saml_response(&format!("{outer}{inner}"));
    assert_eq!(kinds(&two), ["saml", "saml"]);
    assert_eq!(kinds(&STANDARD.encode(&two)), ["saml", "saml"]);
}
