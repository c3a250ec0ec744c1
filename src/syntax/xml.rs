//! XML as configuration has it, with places, and with what policies of Azure API Management put into it: expressions
//! (`@(…)`, `@{…}`) whose quotes and brackets are code, not markup.
//!
//! Nesting and the number of elements are bounded; what can't be read ends the element it stands in.

/// How deep elements may nest.
const MAX_DEPTH: usize = 64;
/// So many elements are read.
const MAX_ELEMENTS: usize = 50_000;

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, entities undone.
    pub attributes: Vec<(String, String)>,
    /// The elements in it.
    pub children: Vec<Element>,
    /// The text that stands in it itself.
    pub text: String,
    /// Its start tag, in bytes.
    pub tag: (usize, usize),
}

impl Element {
    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The elements of that name in it.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Reads the first element of a text from `start` on; places count from the text's beginning.
pub fn parse(text: &str, start: usize, end: usize) -> Option<Element> {
    let text = text.get(..end)?;
    let mut reader = Reader { text, at: start, left: MAX_ELEMENTS };
    loop {
        reader.at += text.get(reader.at..)?.find('<')?;
        if !reader.skips() {
            return reader.element(0);
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    left: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over a comment, a declaration or an instruction.
    fn skips(&mut self) -> bool {
        const BRACKETS: [(&str, &str); 3] = [("<!--", "-->"), ("<?", "?>"), ("<!", ">")];
        let found = BRACKETS.iter().find(|(open, _)| self.rest().starts_with(open));
        let Some((_, close)) = found else { return false };
        self.at += self.rest().find(close).map_or(self.rest().len(), |end| end + close.len());
        true
    }

    fn name(&mut self) -> Option<String> {
        let rest = self.rest();
        let length =
            rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | ':' | '.'))).unwrap_or(rest.len());
        let name = rest.get(..length).filter(|name| !name.is_empty())?.to_owned();
        self.at += length;
        Some(name)
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// An element, whose `<` is next.
    fn element(&mut self, depth: usize) -> Option<Element> {
        let start = self.at;
        if depth >= MAX_DEPTH || self.left == 0 {
            return None;
        }
        self.left -= 1;
        self.at += 1;
        let name = self.name()?;
        let mut attributes = Vec::new();
        loop {
            self.space();
            if self.rest().starts_with("/>") {
                self.at += 2;
                let tag = (start, self.at);
                return Some(Element { name, attributes, children: Vec::new(), text: String::new(), tag });
            }
            if self.rest().starts_with('>') {
                self.at += 1;
                break;
            }
            let key = self.name()?;
            self.space();
            if !self.rest().starts_with('=') {
                return None;
            }
            self.at += 1;
            self.space();
            attributes.push((key, self.value()?));
        }
        let mut element =
            Element { name, attributes, children: Vec::new(), text: String::new(), tag: (start, self.at) };
        self.content(&mut element, depth);
        Some(element)
    }

    /// What stands up to the end tag.
    fn content(&mut self, element: &mut Element, depth: usize) {
        loop {
            let rest = self.rest();
            if rest.trim_start().starts_with("@(") || rest.trim_start().starts_with("@{") {
                self.space();
                let length = expression(self.rest()).unwrap_or(2);
                element.text.push_str(&decoded(self.rest().get(..length).unwrap_or_default()));
                self.at += length;
                continue;
            }
            let Some(open) = rest.find('<') else {
                self.at = self.text.len();
                return;
            };
            element.text.push_str(&decoded(rest.get(..open).unwrap_or_default()));
            self.at += open;
            let rest = self.rest();
            if let Some(data) = rest.strip_prefix("<![CDATA[") {
                let length = data.find("]]>").unwrap_or(data.len());
                element.text.push_str(data.get(..length).unwrap_or_default());
                self.at = (self.at + 9 + length + 3).min(self.text.len());
            } else if rest.starts_with("</") {
                self.at += rest.find('>').map_or(rest.len(), |end| end + 1);
                return;
            } else if !self.skips() {
                match self.element(depth + 1) {
                    Some(child) => element.children.push(child),
                    None => {
                        self.at = self.text.len();
                        return;
                    }
                }
            }
        }
    }

    /// The value of an attribute.
    fn value(&mut self) -> Option<String> {
        let quote = self.rest().chars().next().filter(|c| matches!(c, '"' | '\''))?;
        self.at += 1;
        let rest = self.rest();
        let code = if rest.starts_with("@(") || rest.starts_with("@{") { expression(rest) } else { None };
        // Code ends at its own bracket; quotes within it end nothing.
        let length = match code {
            Some(length) if rest.get(length..).is_some_and(|after| after.starts_with(quote)) => length,
            _ => rest.find(quote)?,
        };
        let value = decoded(rest.get(..length)?);
        self.at += length + 1;
        Some(value)
    }
}

/// How long the expression is that a text begins with; texts and characters within it are passed over.
fn expression(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut bytes = text.bytes().enumerate().skip(1);
    let mut quoted: Option<u8> = None;
    while let Some((at, byte)) = bytes.next() {
        match (quoted, byte) {
            (Some(_), b'\\') => _ = bytes.next(),
            (Some(quote), byte) if byte == quote => quoted = None,
            (Some(_), _) => {}
            (None, b'"') => quoted = Some(b'"'),
            (None, b'\'') => quoted = Some(b'\''),
            (None, b'(' | b'{' | b'[') => open += 1,
            (None, b')' | b'}' | b']') => {
                open = open.saturating_sub(1);
                if open == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn decoded(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<Element> {
        parse(text, 0, text.len())
    }

    #[test]
    fn code_in_attributes_and_texts_is_no_markup() {
        let text = "<!-- a --><policies><inbound><base />\
                    <set-header name=\"X\" exists-action='skip'><value>@(context.Get<string>(\"a\") ?? \"<b>\")</value></set-header>\
                    <when condition=\"@(context.A.GetValueOrDefault(\"x\",\"\") == \"\")\"><c/></when></inbound></policies>";
        let policies = read(text).expect("an element");
        let inbound = policies.all("inbound").next().expect("inbound");
        let names: Vec<&str> = inbound.children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!(names, ["base", "set-header", "when"]);
        assert_eq!(inbound.children[1].attribute("exists-action"), Some("skip"));
        assert_eq!(inbound.children[1].children[0].text, "@(context.Get<string>(\"a\") ?? \"<b>\")");
        assert_eq!(
            inbound.children[2].attribute("condition"),
            Some("@(context.A.GetValueOrDefault(\"x\",\"\") == \"\")")
        );
        assert_eq!(text.get(inbound.children[2].tag.0..).map(|rest| rest.starts_with("<when")), Some(true));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[<>/a\"'=@({)} &;!\\-?\u{e9}]{0,120}") {
            let _ = read(&text);
        }
    }
}
