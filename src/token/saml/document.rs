//! The assertions of a message: responses, SOAP envelopes, security token responses, or a bare assertion. Requests,
//! metadata and responses without an assertion hold none. No entity is expanded, depth is bounded, and a message that
//! breaks off or is not well-formed gives what stands before.

use std::ops::Range;

use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use super::{DSIG, MAX_DEPTH, SAML1, SAML2};

/// More assertions than this in one message are not looked at.
const MAX_ASSERTIONS: usize = 16;

/// What a message holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Where its assertions stand, encrypted ones too; those inside another one are part of that.
    pub assertions: Vec<Range<usize>>,
    /// Something outside of the assertions is signed: the response, or the SOAP message.
    pub signed: bool,
}

/// Reads a message.
pub fn find(xml: &str) -> Document {
    let mut found = Document::default();
    let mut reader = NsReader::from_str(xml);
    reader.resolver_mut().set_max_namespace_bindings(256);
    let mut depth = 0usize;
    // Depth and beginning of the assertion at hand.
    let mut inside: Option<(usize, usize)> = None;
    // Depth of the entity attributes at hand: the assertions in them are about the entity, for anybody to read.
    let mut metadata: Option<usize> = None;
    let mut signature_value = false;
    while depth <= MAX_DEPTH && found.assertions.len() < MAX_ASSERTIONS {
        let start = reader.buffer_position() as usize;
        let Ok((namespace, event)) = reader.read_resolved_event() else { break };
        match event {
            Event::Start(element) => {
                depth += 1;
                let local = element.local_name();
                if local.as_ref() == "EntityAttributes" && inside.is_none() {
                    metadata.get_or_insert(depth);
                }
                if inside.is_none() && metadata.is_none() && is_assertion(&namespace, local.as_ref()) {
                    inside = Some((depth, start));
                }
                let signature = matches!(&namespace, ResolveResult::Bound(Namespace(uri)) if *uri == DSIG);
                signature_value = inside.is_none() && signature && local.as_ref() == "SignatureValue";
            }
            Event::Text(text) if signature_value => found.signed |= !text.trim_ascii().is_empty(),
            Event::End(_) => {
                signature_value = false;
                if let Some((_, from)) = inside.take_if(|(at, _)| *at == depth) {
                    found.assertions.push(from..reader.buffer_position() as usize);
                }
                metadata = metadata.filter(|at| *at != depth);
                depth = depth.saturating_sub(1);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    found
}

/// By name and namespace. One that was taken out of its message may have left the declaration there: what it says will
/// tell.
fn is_assertion(namespace: &ResolveResult<'_>, local: &str) -> bool {
    matches!(local, "Assertion" | "EncryptedAssertion")
        && match namespace {
            ResolveResult::Bound(Namespace(uri)) => [SAML1, SAML2].contains(uri),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => true,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NS: &str = r#"xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:s="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:d="http://www.w3.org/2000/09/xmldsig#""#;

    fn texts(xml: &str) -> (Vec<&str>, bool) {
        let found = find(xml);
        (found.assertions.into_iter().map(|range| &xml[range]).collect(), found.signed)
    }

    #[test]
    fn assertions_of_a_message() {
        let signature = "<d:Signature><d:SignatureValue>AAAA</d:SignatureValue></d:Signature>";
        let one = "<s:Assertion ID='a'><s:Advice><s:Assertion/></s:Advice></s:Assertion>";
        let two = "<s:EncryptedAssertion><x/></s:EncryptedAssertion>";
        for (body, expected, signed) in [
            (format!("<p:Status/>{one}{two}"), vec![one, two], false),
            (format!("{signature}{one}"), vec![one], true),
            (format!("{one}{signature}"), vec![one], true),
            (format!("<p:Status/><x>{one}</x>"), vec![one], false),
            (format!("<m:EntityAttributes xmlns:m='m'>{one}</m:EntityAttributes>{two}"), vec![two], false),
            ("<p:Status/>".to_owned(), vec![], false),
            (
                "<Assertion xmlns='urn:x'></Assertion><x xmlns:q='urn:x'><q:Assertion></q:Assertion></x>".to_owned(),
                vec![],
                false,
            ),
            ("<q:Assertion></q:Assertion>".to_owned(), vec!["<q:Assertion></q:Assertion>"], false),
            (format!("{one}<p:broken "), vec![one], false),
            (
                format!("<s:Assertion>{signature}</s:Assertion>"),
                vec![&*format!("<s:Assertion>{signature}</s:Assertion>")],
                false,
            ),
        ] {
            let xml = format!("<?xml version='1.0'?><p:Response {NS}>{body}</p:Response>");
            assert_eq!(texts(&xml), (expected, signed), "{xml}");
        }
    }

    #[test]
    fn deep_documents_end() {
        let deep = format!("{}<s:Assertion {NS}></s:Assertion>", "<a>".repeat(100_000));
        assert_eq!(find(&deep), Document::default());
    }

    proptest! {
        #[test]
        fn never_panics(xml in "[<>/a:!=' &;\\[\\]s-]{0,60}") {
            for xml in [&*xml, &*format!("<s:Assertion {NS}>{xml}</s:Assertion>")] {
                for range in find(xml).assertions {
                    prop_assert!(xml[range].starts_with('<'));
                }
            }
        }
    }
}
