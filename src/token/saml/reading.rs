//! Reads one assertion from its element alone. A prefix whose declaration stands outside of it is taken to mean what the
//! assertion's own prefix means. No entity is expanded; depth, attributes and texts are bounded.

use base64::Engine as _;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use super::super::claims::{cut, is_broad};
use super::super::facts::{Signature, Time};
use super::super::jose;
use super::assertion::{Assertion, Confirmation, Key};
use super::{DSIG, MAX_DEPTH, SAML1, SAML2};

/// Texts are read to this many bytes; certificates are not texts.
const MAX_TEXT: usize = 1024;
/// Certificates, signatures and keys are read to this many bytes: enough to tell base64 from a mask.
const MAX_BASE64: usize = 16 * 1024;
/// Attributes of an element beyond this many are not read.
const MAX_ATTRIBUTES: usize = 64;
/// A certificate or key value that is shorter is none, in bytes.
const SHORTEST_KEY: usize = 32;

/// What an element turned out to be.
#[derive(Debug)]
pub enum Reading {
    /// A whole assertion.
    Assertion(Box<Assertion>),
    /// A whole encrypted assertion.
    Encrypted,
    /// The text ends before the element does.
    Cut,
    /// No assertion: not well-formed, a template, or nothing said in it.
    Not,
}

/// An element by name and namespace, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Assertion,
    EncryptedAssertion,
    Issuer,
    Subject,
    NameId,
    Confirmation,
    ConfirmationData,
    ConfirmationMethod,
    Conditions,
    AudienceRestriction,
    Audience,
    Statement,
    Attribute,
    AttributeValue,
    Signature,
    SignedInfo,
    SignatureMethod,
    SignatureValue,
    KeyInfo,
    /// A certificate or a part of a public key, in base64.
    KeyText,
    KeyReference,
    EncryptedKey,
    SecretKey,
    CipherValue,
    Other,
}

/// Reads the assertion that `xml` is.
pub fn read(xml: &str) -> Reading {
    let mut reader = NsReader::from_str(xml);
    reader.resolver_mut().set_max_namespace_bindings(256);
    let mut state = State::default();
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            // An element that is still open, or a tag that is cut off.
            Err(quick_xml::Error::Syntax(_)) => return Reading::Cut,
            Err(_) => return Reading::Not,
        };
        let going_on = match &event {
            Event::Start(element) => state.start(&reader, element),
            Event::Empty(element) => state.start(&reader, element) && state.end(),
            Event::End(_) => state.end(),
            Event::Text(text) => state.text(text),
            Event::CData(text) => state.text(text),
            Event::GeneralRef(reference) => {
                let named = resolve_predefined_entity(reference);
                match (named, reference.resolve_char_ref()) {
                    (Some(text), _) => state.text(text),
                    (None, Ok(Some(c))) => state.text(c.encode_utf8(&mut [0; 4])),
                    // Entities that a document declares itself have no place in SAML.
                    _ => true,
                }
            }
            Event::Eof => return Reading::Cut,
            Event::DocType(_) => false,
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => true,
        };
        if !going_on {
            return Reading::Not;
        }
        if state.path.is_empty() {
            let whole = reader.buffer_position() as usize == xml.len();
            return if whole { state.finish() } else { Reading::Not };
        }
    }
}

#[derive(Debug, Default)]
struct State {
    path: Vec<Tag>,
    root: Option<Root>,
    assertion: Assertion,
    /// The text of the element at hand, where it is wanted.
    text: String,
    attribute_of_roles: bool,
    has_cipher: bool,
}

/// How the assertion's own namespace shows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Root {
    Declared(String),
    /// Declared outside: the prefix.
    Prefix(String),
    /// A default namespace, declared outside.
    Default,
}

impl Root {
    fn of(namespace: &ResolveResult<'_>) -> Self {
        match namespace {
            ResolveResult::Bound(Namespace(uri)) => Self::Declared((*uri).to_owned()),
            ResolveResult::Unknown(prefix) => Self::Prefix(prefix.clone()),
            ResolveResult::Unbound => Self::Default,
        }
    }
}

impl State {
    /// Steps into an element; `false` ends the reading.
    fn start(&mut self, reader: &NsReader<&[u8]>, element: &BytesStart<'_>) -> bool {
        let (namespace, local) = reader.resolver().resolve_element(element.name());
        let here = Root::of(&namespace);
        let root = self.root.get_or_insert_with(|| here.clone());
        let own = *root == here || matches!(&here, Root::Declared(uri) if uri == SAML1 || uri == SAML2);
        let tag = if own { saml_tag(local.as_ref()) } else { other_tag(&here, local.as_ref()) };
        if self.path.len() >= MAX_DEPTH {
            return false;
        }
        if self.path.is_empty() {
            match (tag, &here) {
                (Tag::Assertion, Root::Declared(uri)) if uri != SAML1 && uri != SAML2 => return false,
                (Tag::EncryptedAssertion, Root::Declared(uri)) if uri != SAML2 => return false,
                (Tag::Assertion | Tag::EncryptedAssertion, _) => {}
                _ => return false,
            }
        }
        self.path.push(tag);
        self.text.clear();
        match &self.path[..] {
            [Tag::Assertion, Tag::Statement | Tag::Subject] => self.assertion.states_something = true,
            [Tag::Assertion, Tag::Subject, Tag::Confirmation]
            | [Tag::Assertion, Tag::Statement, Tag::Subject, Tag::Confirmation] => {
                self.assertion.confirmations.push(Confirmation::default());
            }
            _ => {}
        }
        self.attributes(element)
    }

    fn attributes(&mut self, element: &BytesStart<'_>) -> bool {
        let mut version = None;
        let assertion = &mut self.assertion;
        for attribute in element.attributes().with_checks(false).take(MAX_ATTRIBUTES) {
            let Ok(attribute) = attribute else { return false };
            let value = || {
                let value = quick_xml::escape::unescape(&attribute.value);
                value.map(|text| cut(&text).to_owned()).unwrap_or_default()
            };
            match (&self.path[..], attribute.key.0) {
                ([Tag::Assertion], "Version" | "MajorVersion") => version = Some(value()),
                ([Tag::Assertion], "IssueInstant") => assertion.issued = instant(&value()),
                ([Tag::Assertion], "Issuer") => assertion.issuer = Some(value()).filter(|text| !text.is_empty()),
                ([Tag::Assertion, Tag::Conditions], "NotBefore") => assertion.not_before = instant(&value()),
                ([Tag::Assertion, Tag::Conditions], "NotOnOrAfter") => assertion.not_on_or_after = instant(&value()),
                ([Tag::Assertion, Tag::Subject, Tag::Confirmation], "Method") => {
                    assertion.confirmed_by(&value());
                }
                ([Tag::Assertion, Tag::Subject, Tag::Confirmation, Tag::ConfirmationData], "NotOnOrAfter") => {
                    if let Some(confirmation) = assertion.confirmations.last_mut() {
                        confirmation.not_on_or_after = instant(&value());
                    }
                }
                ([Tag::Assertion, Tag::Signature, Tag::SignedInfo, Tag::SignatureMethod], "Algorithm") => {
                    assertion.alg = value().rsplit_once('#').map(|(_, alg)| alg.to_owned());
                }
                ([Tag::Assertion, Tag::Statement, Tag::Attribute], "Name" | "AttributeName") => {
                    self.attribute_of_roles = names_roles(&value());
                }
                _ => {}
            }
        }
        self.path.len() > 1
            || self.path[0] == Tag::EncryptedAssertion
            || version.is_some_and(|v| v == "2.0" || v == "1")
    }

    fn text(&mut self, more: &str) -> bool {
        let limit = match self.path.last() {
            Some(Tag::KeyText | Tag::SecretKey | Tag::SignatureValue | Tag::CipherValue) => MAX_BASE64,
            Some(
                Tag::Issuer
                | Tag::NameId
                | Tag::Audience
                | Tag::ConfirmationMethod
                | Tag::AttributeValue
                | Tag::KeyReference,
            ) => MAX_TEXT,
            _ => return true,
        };
        let room = limit.saturating_sub(self.text.len());
        let end = (0..=room.min(more.len())).rev().find(|end| more.is_char_boundary(*end)).unwrap_or(0);
        self.text.push_str(&more[..end]);
        true
    }

    /// Steps out of an element.
    fn end(&mut self) -> bool {
        let text = std::mem::take(&mut self.text);
        let assertion = &mut self.assertion;
        let said = || Some(cut(text.trim()).to_owned()).filter(|text| !text.is_empty());
        match &self.path[..] {
            [Tag::Assertion, Tag::Issuer] => assertion.issuer = said(),
            [Tag::Assertion, Tag::Subject, Tag::NameId]
            | [Tag::Assertion, Tag::Statement, Tag::Subject, Tag::NameId] => {
                assertion.subject = assertion.subject.take().or_else(said);
            }
            [Tag::Assertion, Tag::Conditions, Tag::AudienceRestriction, Tag::Audience] => {
                assertion.audience.extend(said());
            }
            [Tag::Assertion, Tag::Signature, Tag::SignatureValue] => {
                let whole = decoded_length(&text).is_some_and(|length| length >= SHORTEST_KEY);
                assertion.signature = Some(if whole { Signature::Fits } else { Signature::Broken });
            }
            [.., Tag::Subject, Tag::Confirmation, Tag::ConfirmationMethod] => {
                assertion.confirmed_by(&text);
            }
            [Tag::Assertion, Tag::Statement, Tag::Attribute, Tag::AttributeValue] if self.attribute_of_roles => {
                assertion.privileged |= text.split([',', ';']).any(|part| is_broad(part.trim()));
            }
            [Tag::EncryptedAssertion, .., Tag::CipherValue] => {
                self.has_cipher |= decoded_length(&text).is_some_and(|length| length >= SHORTEST_KEY);
            }
            path if in_confirmation(path) => {
                if let (Some(confirmation), Some(key)) = (assertion.confirmations.last_mut(), key(path, &text)) {
                    confirmation.key = confirmation.key.max(key);
                }
            }
            _ => {}
        }
        self.path.pop();
        true
    }

    fn finish(self) -> Reading {
        match self.root {
            _ if self.has_cipher => Reading::Encrypted,
            // Times and an issuer that are none are those of a template.
            Some(_) if matches!(self.assertion.issued, Time::At(_)) && self.assertion.issuer.is_some() => {
                let states_something = self.assertion.states_something;
                if states_something { Reading::Assertion(Box::new(self.assertion)) } else { Reading::Not }
            }
            _ => Reading::Not,
        }
    }
}

/// Whether an element stands in the `ds:KeyInfo` of a confirmation.
fn in_confirmation(path: &[Tag]) -> bool {
    let Some(at) = path.iter().position(|tag| *tag == Tag::Confirmation) else { return false };
    path[0] == Tag::Assertion && !path[..at].contains(&Tag::Other) && path[at..].contains(&Tag::KeyInfo)
}

/// What an element in a `ds:KeyInfo` says of the key. The key that encrypts another one is not the subject's.
fn key(path: &[Tag], text: &str) -> Option<Key> {
    let (last, above) = path.split_last()?;
    if above.contains(&Tag::EncryptedKey) {
        return None;
    }
    match last {
        Tag::KeyText if decoded_length(text).is_some_and(|length| length >= SHORTEST_KEY) => Some(Key::Public),
        Tag::KeyText if text.trim().is_empty() => None,
        Tag::KeyText => Some(Key::Unreadable),
        Tag::KeyReference => Some(Key::Named),
        Tag::EncryptedKey => Some(Key::Encrypted),
        Tag::SecretKey if !text.trim().is_empty() => Some(Key::Secret),
        _ => None,
    }
}

fn saml_tag(local: &str) -> Tag {
    match local {
        "Assertion" => Tag::Assertion,
        "EncryptedAssertion" => Tag::EncryptedAssertion,
        "Issuer" => Tag::Issuer,
        "Subject" => Tag::Subject,
        "NameID" | "NameIdentifier" => Tag::NameId,
        "SubjectConfirmation" => Tag::Confirmation,
        "SubjectConfirmationData" => Tag::ConfirmationData,
        "ConfirmationMethod" => Tag::ConfirmationMethod,
        "Conditions" => Tag::Conditions,
        "AudienceRestriction" | "AudienceRestrictionCondition" => Tag::AudienceRestriction,
        "Audience" => Tag::Audience,
        "Attribute" => Tag::Attribute,
        "AttributeValue" => Tag::AttributeValue,
        _ if local.ends_with("Statement") => Tag::Statement,
        _ => Tag::Other,
    }
}

/// Elements of XML Signature, XML Encryption and WS-Trust. Where they stand and their names say enough; only a signature
/// must not be somebody else's.
fn other_tag(namespace: &Root, local: &str) -> Tag {
    match local {
        "Signature" if !matches!(namespace, Root::Declared(uri) if uri != DSIG) => Tag::Signature,
        "SignedInfo" => Tag::SignedInfo,
        "SignatureMethod" => Tag::SignatureMethod,
        "SignatureValue" => Tag::SignatureValue,
        "KeyInfo" => Tag::KeyInfo,
        "X509Certificate" | "Modulus" | "PublicKey" | "DEREncodedKeyValue" | "Y" => Tag::KeyText,
        "KeyName"
        | "X509SKI"
        | "X509SubjectName"
        | "X509IssuerName"
        | "X509Digest"
        | "SecurityTokenReference"
        | "RetrievalMethod" => Tag::KeyReference,
        "EncryptedKey" => Tag::EncryptedKey,
        "BinarySecret" => Tag::SecretKey,
        "CipherValue" => Tag::CipherValue,
        _ => Tag::Other,
    }
}

/// How many bytes base64 with blanks and line breaks holds; `None` where it is none.
fn decoded_length(text: &str) -> Option<usize> {
    let plain: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    // A text that was too long to be read whole is cut somewhere.
    let end = if text.len() >= MAX_BASE64 { plain.len() / 4 * 4 } else { plain.len() };
    jose::BASE64.decode(&plain[..end]).ok().map(|bytes| bytes.len())
}

/// `xs:dateTime` in UTC (SAML core 2.0, section 1.3.3); without a zone it is UTC all the same.
pub(super) fn instant(text: &str) -> Time {
    let text = text.trim();
    if text.is_empty() {
        return Time::Absent;
    }
    let parsed = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}Z").parse());
    if let Ok(at) = parsed {
        return Time::At(at.as_second());
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let dated = text.as_bytes().get(digits) == Some(&b'-');
    // Beyond the calendar: the last days of 9999 are "never" in some products.
    if dated && (digits > 4 || text.starts_with("9999-12-3")) { Time::Far } else { Time::Malformed }
}

/// Whether an attribute of that name gives roles or groups.
fn names_roles(name: &str) -> bool {
    let last = name.rsplit(['/', ':', '.']).next().unwrap_or(name).to_ascii_lowercase();
    matches!(&*last, "role" | "roles" | "group" | "groups" | "memberof" | "permission" | "permissions" | "entitlement")
}
