//! Configuration that stands inside of other files: `nginx.conf` in a ConfigMap, `content: |` of a Compose file, a proxy's
//! configuration in Helm values. Found line by line, without a parser: what stands around it is often a template.

use crate::syntax::inner::{self, Inner};

/// No more of them are taken out of one text.
const MOST: usize = 500;

/// A text inside of another.
#[derive(Debug)]
pub struct Embedded {
    /// What its file would be called: the object around it, if it has a name, and the key.
    pub name: String,
    /// The text.
    pub inner: Inner,
}

/// The texts inside of a text that may be somebody's configuration: all that a ConfigMap or a Secret holds under `data` and
/// `stringData`, elsewhere those under a key that is the name of a file, and under some that always hold texts.
pub fn texts(path: &str, text: &str) -> Vec<Embedded> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_tree = [".yaml", ".yml", ".json", ".tpl", ".tmpl", ".template", ".j2"].iter().any(|end| name.ends_with(end));
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    if !is_tree || !(has(": |") || has(": >") || has("\\n")) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut document = Document::default();
    let mut at = 0;
    while at < text.len() && found.len() < MOST {
        let end = memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |length| at + length + 1);
        let line = &text[at..end];
        if line.starts_with("---") {
            document = Document::default();
        }
        document.see(line);
        let next = match entry(line).and_then(|(key, value)| Some((key, inner::at(text, at + value)?))) {
            None => end,
            Some((key, inner)) => {
                let next = inner.end().max(end);
                if document.holds(key) && inner.text.contains('\n') {
                    let name = document
                        .name
                        .filter(|_| document.object)
                        .map_or(key.to_owned(), |name| format!("{name}/{key}"));
                    found.push(Embedded { name, inner });
                }
                next
            }
        };
        // What follows a quoted text on its line is no key.
        at = memchr::memchr(b'\n', &text.as_bytes()[next.min(text.len())..])
            .filter(|_| next > end)
            .map_or(next, |length| if text.as_bytes()[next - 1] == b'\n' { next } else { next + length + 1 });
    }
    found
}

/// Keys that hold whole texts: of Compose, and of what has a chart installed (Argo CD, k3s).
const TEXTS: [&str; 3] = ["content", "values", "valuesContent"];

/// What is known of a document as its lines go by.
#[derive(Default)]
struct Document<'t> {
    /// It is a ConfigMap or a Secret.
    object: bool,
    name: Option<&'t str>,
}

impl<'t> Document<'t> {
    fn see(&mut self, line: &'t str) {
        let line = line.trim();
        let line = line.strip_prefix("- ").unwrap_or(line);
        let Some((key, value)) = line.split_once(':') else { return };
        let bare = |text: &'t str| text.trim_matches([' ', '"', '\'', ',']);
        match bare(key) {
            "kind" => self.object = matches!(bare(value), "ConfigMap" | "Secret"),
            "name" if !bare(value).is_empty() && !value.contains(['{', '/']) => self.name = Some(bare(value)),
            _ => {}
        }
    }

    fn holds(&self, key: &str) -> bool {
        let is_file = key.contains('.') || key.starts_with("Caddyfile");
        // Annotations have a `/`; what was last applied stands in one, once more.
        !key.contains('/') && (self.object || is_file || TEXTS.contains(&key))
    }
}

/// The key of a line, and where its value begins, if that is a block or a quoted text of several lines.
fn entry(line: &str) -> Option<(&str, usize)> {
    let start = line.len() - line.trim_start_matches([' ', '-']).len();
    let rest = &line[start..];
    let (key, colon) = match rest.as_bytes().first()? {
        quote @ (b'"' | b'\'') => {
            let end = rest[1..].find(char::from(*quote))? + 1;
            (&rest[1..end], end + 1)
        }
        _ => {
            let end = rest.find(": ")?;
            (&rest[..end], end)
        }
    };
    let value = rest[colon..].strip_prefix(':')?;
    let blanks = value.len() - value.trim_start_matches(' ').len();
    let value_at = start + colon + 1 + blanks;
    let first = *line.as_bytes().get(value_at)?;
    let wanted = matches!(first, b'|' | b'>') || first == b'"' && line[value_at..].contains("\\n");
    (wanted && !key.is_empty() && !key.contains(char::is_whitespace)).then_some((key, value_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(path: &str, text: &str) -> Vec<(String, String)> {
        texts(path, text).into_iter().map(|one| (one.name, one.inner.text)).collect()
    }

    #[test]
    fn what_config_maps_hold_is_found() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: edge\ndata:\n  nginx.conf: |\n    events {}\n    http {\n      a: |\n    }\n  plain: x\n  \"more\": \"b;\\nc;\\n\"\n---\nkind: Deployment\nspec:\n  args: |\n    a\n    b\n";
        let expected = [("edge/nginx.conf", "events {}\nhttp {\n  a: |\n}\n"), ("edge/more", "b;\nc;\n")];
        assert_eq!(found("k/edge.yaml", text), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert!(found("k/edge.md", text).is_empty());
    }

    #[test]
    fn elsewhere_keys_are_names_of_files() {
        let text = "configs:\n  edge:\n    content: |\n      a;\n      b;\nrun: |\n  c\n  d\nfiles:\n- haproxy.cfg: |-\n    e\n    f\nlast/applied.x: |\n  g\n  h\n";
        let names: Vec<String> = found("compose.yml", text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["content", "haproxy.cfg"]);
    }

    #[test]
    fn json_is_read_too() {
        let text = "{\n  \"kind\": \"ConfigMap\",\n  \"metadata\": {\n    \"name\": \"c\"\n  },\n  \"data\": {\n    \"a.conf\": \"x;\\ny;\",\n    \"b.conf\": \"z;\\n\"\n  }\n}\n";
        assert_eq!(
            found("c.json", text),
            [("c/a.conf", "x;\ny;"), ("c/b.conf", "z;\n")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn never_panics(words in prop::collection::vec(prop::sample::select(vec![
            "kind: ConfigMap\n", "a.b: |\n", "  c\n", "\"k\": \"x\\n\"", "- ", "\n", "\"", "{{ x }}\n", "é: >-\n", "\\", ": ",
        ]), 0..40)) {
            let _ = texts("a.yaml", &words.concat());
        }
    }
}
