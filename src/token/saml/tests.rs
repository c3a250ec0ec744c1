//! Assertions as they are and as they are not.

use base64::Engine as _;
use proptest::prelude::*;

use super::super::facts::{Binding, Facts, Signature, Time};
use super::super::fault::Fault;
use super::super::intern::Interner;
use super::super::jose;
use super::assertion::Assertion;
use super::reading::{Reading, instant, read};
use super::{BASE64_ANCHORS, DSIG, MAX_DEPTH, SAML1, SAML2};

#[test]
fn what_a_message_begins_with_is_announced_in_base64() {
    for message in [
        "<saml:Assertion ",
        "<saml2:Assertion ",
        "<samlp:Response ",
        "<saml2p:Response ",
        "<SAML:Assertion ",
        "<SAMLP:Response ",
        "<?xml version=\"1.0\"?>",
        "<Response xmlns",
        "<Assertion xmlns",
        "<ns0:Response ",
        "<ns1:Assertion ",
        "\n<samlp:Response ",
        "\r\n<saml2:Assertion ",
    ] {
        let encoded = jose::BASE64.encode(message);
        assert!(BASE64_ANCHORS.iter().any(|anchor| encoded.starts_with(anchor)), "{message:?} {encoded}");
    }
}

const DSIG_NS: &str = "xmlns:ds='http://www.w3.org/2000/09/xmldsig#'";

/// An assertion with these children, and attributes for its start tag.
fn element(attributes: &str, children: &str) -> String {
    format!(
        "<s:Assertion xmlns:s='{SAML2}' Version='2.0' IssueInstant='2026-01-01T12:00:00Z' {attributes}>\
         <s:Issuer>https://idp.example.com</s:Issuer>{children}</s:Assertion>"
    )
}

fn subject(confirmations: &str) -> String {
    element("", &format!("<s:Subject><s:NameID>alice</s:NameID>{confirmations}</s:Subject>"))
}

fn confirmation(method: &str, data: &str) -> String {
    format!("<s:SubjectConfirmation Method='urn:oasis:names:tc:SAML:2.0:cm:{method}'>{data}</s:SubjectConfirmation>")
}

fn key(inside: &str) -> String {
    format!("<s:SubjectConfirmationData><ds:KeyInfo {DSIG_NS}>{inside}</ds:KeyInfo></s:SubjectConfirmationData>")
}

#[track_caller]
fn plain(xml: &str) -> Assertion {
    match read(xml) {
        Reading::Assertion(assertion) => *assertion,
        other => panic!("{other:?}: {xml}"),
    }
}

fn facts(xml: &str) -> Facts {
    plain(xml).facts(0, false, &mut Interner::default())
}

#[test]
fn what_binds_an_assertion() {
    let certificate = jose::BASE64.encode([0x30; 64]);
    let certificate = format!("<ds:X509Data><ds:X509Certificate>\n{certificate}\n</ds:X509Certificate></ds:X509Data>");
    let encrypted = format!(
        "<x:EncryptedKey xmlns:x='e'><ds:KeyInfo>{certificate}</ds:KeyInfo><x:CipherData><x:CipherValue>{}</x:CipherValue></x:CipherData></x:EncryptedKey>",
        jose::BASE64.encode([1; 64])
    );
    let bearer = confirmation("bearer", "");
    let bound = confirmation("holder-of-key", &key(&certificate));
    for (confirmations, binding, fault) in [
        (bearer.clone(), Binding::None, Some(Fault::SamlBearer)),
        (String::new(), Binding::None, Some(Fault::SamlBearer)),
        (confirmation("sender-vouches", ""), Binding::None, Some(Fault::SamlSenderVouches)),
        (confirmation("holder-of-key", ""), Binding::None, Some(Fault::SamlHokWithoutKey)),
        (confirmation("holder-of-key", &key("")), Binding::None, Some(Fault::SamlHokWithoutKey)),
        (confirmation("holder-of-key", &key("<ds:KeyName>a</ds:KeyName>")), Binding::Kid, None),
        (confirmation("holder-of-key", &key(&encrypted)), Binding::Jwe, None),
        (
            confirmation("holder-of-key", &key("<t:BinarySecret xmlns:t='t'>c2VjcmV0</t:BinarySecret>")),
            Binding::SelfLeaked,
            None,
        ),
        (
            confirmation("holder-of-key", &key("<ds:X509Certificate>[removed]</ds:X509Certificate>")),
            Binding::Malformed,
            None,
        ),
        (confirmation("own", ""), Binding::Unknown, None),
        (bound.clone(), Binding::Jwk, None),
        (format!("{bound}{bearer}"), Binding::None, Some(Fault::SamlBearer)),
        (format!("{bearer}{bound}"), Binding::None, Some(Fault::SamlBearer)),
        // A key beside the confirmation, or in that of another, is none of it.
        (format!("{}{}", confirmation("holder-of-key", ""), bound), Binding::None, Some(Fault::SamlHokWithoutKey)),
        (
            format!("<o><ds:KeyInfo {DSIG_NS}>{certificate}</ds:KeyInfo></o>{}", confirmation("holder-of-key", "")),
            Binding::None,
            Some(Fault::SamlHokWithoutKey),
        ),
    ] {
        let facts = facts(&subject(&confirmations));
        assert_eq!(facts.binding, binding, "{confirmations}");
        for known in [Fault::SamlBearer, Fault::SamlSenderVouches, Fault::SamlHokWithoutKey] {
            assert_eq!(facts.faults.contains(known), fault == Some(known), "{known:?} {confirmations}");
        }
    }
}

#[test]
fn when_an_assertion_ends() {
    let at = |text: &str| instant(text);
    let (early, late) = ("2026-01-01T12:05:00Z", "2026-01-01T13:00:00Z");
    let until = |end: &str| confirmation("bearer", &format!("<s:SubjectConfirmationData NotOnOrAfter='{end}'/>"));
    let ends = |conditions: &str, confirmations: &str| {
        let conditions = format!("<s:Conditions {conditions}/>");
        plain(&element("", &format!("<s:Subject>{confirmations}</s:Subject>{conditions}"))).expires()
    };
    let open = confirmation("bearer", "");
    let by = |end: &str| format!("NotOnOrAfter='{end}'");
    for (conditions, confirmations, expected) in [
        (by(late), open.clone(), at(late)),
        (by(late), until(early), at(early)),
        (by(early), until(late), at(early)),
        (String::new(), until(early), at(early)),
        (String::new(), open.clone(), Time::Absent),
        (by(late), until(early) + &until(late), at(late)),
        (String::new(), until(early) + &open, Time::Absent),
        (by("soon"), open.clone(), Time::Malformed),
        (by("soon"), until(early), at(early)),
        (by("9999-12-31T23:59:59.9999999Z"), open, Time::Far),
    ] {
        assert_eq!(ends(&conditions, &confirmations), expected, "{conditions} {confirmations}");
    }
    assert_eq!(at("2026-01-01T13:05:00+01:00"), at("2026-01-01T12:05:00"));
    assert_eq!(at("2026-01-01T12:05:00.999Z"), at(early));
}

#[test]
fn saml_1_1() {
    let subject = "<s:Subject><s:NameIdentifier>bob</s:NameIdentifier><s:SubjectConfirmation>\
         <s:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:sender-vouches</s:ConfirmationMethod></s:SubjectConfirmation></s:Subject>";
    let xml = format!(
        "<s:Assertion xmlns:s='{SAML1}' MajorVersion='1' MinorVersion='1' Issuer='urn:sts' IssueInstant='2026-01-01T12:00:00Z'>\
         <s:Conditions NotOnOrAfter='2026-01-01T12:05:00Z'><s:AudienceRestrictionCondition><s:Audience>urn:app</s:Audience>\
         </s:AudienceRestrictionCondition></s:Conditions><s:AuthenticationStatement>{subject}</s:AuthenticationStatement></s:Assertion>"
    );
    let facts = facts(&xml);
    assert_eq!((facts.issuer.as_deref(), facts.subject.as_deref()), (Some("urn:sts"), Some("bob")));
    assert_eq!(facts.audience.as_deref().map(|all| all[0].to_string()).as_deref(), Some("urn:app"));
    assert!(facts.faults.contains(Fault::SamlSenderVouches) && !facts.faults.contains(Fault::SamlNoAudience));
}

#[test]
fn signatures_and_texts() {
    let value = jose::BASE64.encode([7; 64]);
    let signature = |value: &str, namespace: &str| {
        let signature = format!(
            "<d:Signature xmlns:d='{namespace}'><d:SignedInfo><d:SignatureMethod Algorithm='http://x#rsa-sha256'/></d:SignedInfo><d:SignatureValue>{value}</d:SignatureValue></d:Signature>"
        );
        facts(&element(
            "",
            &format!("{signature}<s:Subject><s:NameID>a&amp;b<!-- x -->c&#46;<![CDATA[d]]></s:NameID></s:Subject>"),
        ))
    };
    let signed = signature(&value, DSIG);
    assert_eq!((signed.signature, signed.alg.as_deref()), (Signature::Fits, Some("rsa-sha256")));
    assert_eq!(signed.subject.as_deref(), Some("a&bc.d"));
    assert_eq!(signature("[REDACTED]", DSIG).signature, Signature::Broken);
    assert_eq!(signature(&value, "urn:other").signature, Signature::Unsecured);
    let plain = plain(&subject(""));
    assert_eq!(plain.facts(0, true, &mut Interner::default()).signature, Signature::Fits);
}

#[test]
fn roles_that_reach_far() {
    for (name, value, far) in [
        (
            "https://aws.amazon.com/SAML/Attributes/Role",
            "arn:aws:iam::1:role/Admin,arn:aws:iam::1:saml-provider/x",
            true,
        ),
        ("groups", "cluster-admin", true),
        ("groups", "staff", false),
        ("displayName", "admin", false),
    ] {
        let statement = format!(
            "<s:AttributeStatement><s:Attribute Name='{name}'><s:AttributeValue>{value}</s:AttributeValue></s:Attribute></s:AttributeStatement>"
        );
        assert_eq!(plain(&element("", &statement)).privileged, far, "{name} {value}");
    }
}

#[test]
fn what_is_no_assertion() {
    let good = subject("");
    assert!(matches!(read(&good), Reading::Assertion(_)));
    // The prefix may be declared outside.
    assert!(matches!(read(&good.replace(&format!("xmlns:s='{SAML2}'"), "")), Reading::Assertion(_)));
    assert!(matches!(read(&good[..good.len() - 3]), Reading::Cut));
    for (from, to) in [
        ("2026-01-01T12:00:00Z", "{{ now }}"),
        ("https://idp.example.com", ""),
        ("Version='2.0'", ""),
        ("Version='2.0'", "Version='3.0'"),
        (SAML2, "urn:example:other"),
        ("<s:NameID>", "<s:NameID><!DOCTYPE x>"),
        ("</s:Subject>", "</s:Wrong>"),
    ] {
        assert!(matches!(read(&good.replace(from, to)), Reading::Not), "{from} {to}");
    }
    for text in ["", "<", "x", "<a/>", "<s:Assertion/>", "</s:Assertion>", &format!("{good} "), &format!(" {good}")] {
        assert!(!matches!(read(text), Reading::Assertion(_)), "{text}");
    }
    let nested = subject(&"<a>".repeat(MAX_DEPTH + 1));
    assert!(matches!(read(&nested), Reading::Not));
    let cipher = jose::BASE64.encode([1; 64]);
    let encrypted = format!(
        "<s:EncryptedAssertion xmlns:s='{SAML2}'><x:CipherValue xmlns:x='x'>{cipher}</x:CipherValue></s:EncryptedAssertion>"
    );
    assert!(matches!(read(&encrypted), Reading::Encrypted));
    assert!(matches!(read(&encrypted.replace(&cipher, "...")), Reading::Not));
}

proptest! {
    #[test]
    fn never_panics(inside in "[<>/a:!=' &;\\[\\]s#-]{0,60}") {
        let _ = read(&inside);
        let _ = read(&subject(&inside));
        let _ = read(&element(&inside, &inside));
    }

    /// However confirmations are ordered, the weakest counts; one more never binds better or ends earlier.
    #[test]
    fn another_confirmation_never_helps(methods in prop::collection::vec(0usize..4, 1..5), more in 0usize..4) {
        let one = |n: &usize| match n {
            0 => confirmation("bearer", "<s:SubjectConfirmationData NotOnOrAfter='2026-01-01T12:05:00Z'/>"),
            1 => confirmation("sender-vouches", ""),
            2 => confirmation("holder-of-key", &key("<ds:KeyName>a</ds:KeyName>")),
            _ => confirmation("holder-of-key", &key(&format!("<ds:X509Certificate>{}</ds:X509Certificate>", jose::BASE64.encode([0x30; 64])))),
        };
        let all: String = methods.iter().map(one).collect();
        let (few, many) = (facts(&subject(&all)), facts(&subject(&format!("{}{all}", one(&more)))));
        prop_assert!(!many.binding.effective() || few.binding.effective());
        prop_assert!(few.binding != Binding::None || many.binding == Binding::None);
        prop_assert!(few.expires != Time::Absent || many.expires == Time::Absent);
    }
}
