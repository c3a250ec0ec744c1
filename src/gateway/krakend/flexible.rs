//! Flexible configuration: `krakend.json` as a template of Go, filled from files of settings, with partials that are put in as
//! they stand and templates that are filled in turn. It is rendered as far as the scan has what it needs; what comes from
//! the environment stays unknown. Every byte of the result knows what it comes from.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::written::Written;
use crate::gateway::files::Files;
use crate::gateway::hop::Place;
use crate::gateway::tree::At;
use crate::syntax::blank::UNKNOWN;
use crate::syntax::go_template::{self, Node, Operand, Pipeline};
use crate::syntax::inner::Inner;
use crate::syntax::yaml;

/// So many steps are taken, and templates filled one in another.
const STEPS: usize = 20_000;
const DEEP: usize = 12;
/// No more is written.
const MOST: usize = 1 << 20;
/// No larger file is a part of it.
const LARGEST: usize = 1 << 16;
/// Folders as the documentation names them.
const FOLDERS: [&str; 3] = ["settings", "partials", "templates"];

/// Whether a text may be a part that a template puts in, though it names no product.
pub(in crate::gateway) fn may_be_part(name: &str, text: &str) -> bool {
    let folder = name.split('/').rev().skip(1).any(|part| FOLDERS.contains(&part));
    let ending = matches!(name.rsplit('.').next(), Some("json" | "tmpl"));
    folder && ending && text.len() <= LARGEST
}

/// Whether a text is a whole configuration that has templates in it.
pub(super) fn is_template(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    has("{{") && has("\"endpoints\"") && has("\"version\"")
}

/// A configuration as a template becomes it, with the files that were put in.
pub(super) struct Rendered {
    pub(super) written: Written,
    pub(super) files: BTreeSet<u32>,
}

/// What a template becomes: once for each folder of settings, of which there is one for each environment.
pub(super) fn render(files: &Files, number: u32) -> Vec<Rendered> {
    let parts = Parts::of(files, number);
    let settings: Vec<Option<&Settings>> = match parts.settings.is_empty() {
        true => vec![None],
        false => parts.settings.values().map(Some).collect(),
    };
    let render = |settings: Option<&Settings>| {
        let mut renderer = Renderer {
            files,
            parts: &parts,
            settings,
            defined: BTreeMap::new(),
            variables: Vec::new(),
            steps: STEPS,
            rendered: Rendered { written: Written::default(), files: BTreeSet::from([number]) },
        };
        renderer.file(number, Value::Root, 0);
        renderer.rendered
    };
    settings.into_iter().map(render).collect()
}

/// Files of settings by the names that templates have for them.
type Settings = BTreeMap<String, (u32, yaml::Node)>;

/// What belongs to a template.
struct Parts {
    settings: BTreeMap<String, Settings>,
    /// Partials and templates.
    others: Vec<u32>,
}

impl Parts {
    fn of(files: &Files, number: u32) -> Self {
        let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
        let here = folder(files.get(number).path());
        let mut parts = Self { settings: BTreeMap::new(), others: Vec::new() };
        for (other, text) in
            files.iter().filter(|(other, text)| *other != number && may_be_part(text.path(), &text.text))
        {
            // The folder that has the one of settings stands around the template, or within its folder.
            let path = text.path();
            let named = |name: &str| path.split('/').rev().skip(1).any(|part| part == name);
            let outer = FOLDERS.iter().filter_map(|name| path.find(&format!("{name}/"))).min().unwrap_or_default();
            let outer = path[..outer].trim_end_matches('/');
            let around = |inner: &str, outer: &str| {
                inner
                    .strip_prefix(outer)
                    .is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with('/'))
            };
            let within_archive = text.origin.member.is_some() == files.get(number).origin.member.is_some();
            if !within_archive || !around(&here, outer) && !around(outer, &here) {
                continue;
            }
            if named("settings") && path.ends_with(".json") {
                let mut stream = yaml::parse_broken(&text.text);
                let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".json").to_owned();
                if !stream.documents.is_empty() {
                    let known = parts.settings.entry(folder(path)).or_default();
                    known.insert(name, (other, stream.documents.swap_remove(0)));
                }
            } else {
                parts.others.push(other);
            }
        }
        parts
    }

    /// The partial or template of that name.
    fn named(&self, files: &Files, name: &str, folder: &str) -> Option<u32> {
        let fits = |number: &&u32| {
            let path = files.get(**number).path();
            path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        let all: Vec<u32> = self.others.iter().filter(fits).copied().collect();
        let proper = |number: &&u32| files.get(**number).path().split('/').any(|part| part == folder);
        all.iter().find(proper).or(all.first()).copied()
    }
}

/// What a pipeline comes to.
#[derive(Debug, Clone)]
enum Value<'a> {
    Unknown,
    /// Nothing is there.
    Nil,
    /// What the whole template is about: all settings.
    Root,
    Text(String, Option<Place>),
    Number(i64),
    Bool(bool),
    /// A part of a file of settings.
    Tree(At<'a>),
    List(Vec<Value<'a>>),
    /// Text that is put in as it stands: a file, or a part of one.
    Raw(u32, usize, usize),
}

struct Renderer<'r> {
    files: &'r Files,
    parts: &'r Parts,
    settings: Option<&'r Settings>,
    defined: BTreeMap<String, (u32, Vec<Node>)>,
    variables: Vec<(String, Value<'r>)>,
    steps: usize,
    rendered: Rendered,
}

impl<'r> Renderer<'r> {
    fn file(&mut self, number: u32, about: Value<'r>, depth: usize) {
        let nodes = go_template::parse(&self.files.get(number).text);
        self.rendered.files.insert(number);
        // Variables of one template are not seen in another.
        let outer = std::mem::replace(&mut self.variables, vec![(String::new(), about.clone())]);
        self.nodes(number, &nodes, &about, depth);
        self.variables = outer;
    }

    fn nodes(&mut self, number: u32, nodes: &[Node], about: &Value<'r>, depth: usize) {
        let known = self.variables.len();
        for node in nodes {
            if self.steps == 0 || self.rendered.written.text().len() > MOST {
                break;
            }
            self.steps -= 1;
            self.node(number, node, about, depth);
        }
        self.variables.truncate(known);
    }

    fn node(&mut self, number: u32, node: &Node, about: &Value<'r>, depth: usize) {
        match node {
            Node::Text(start, end) => self.raw(number, *start, *end),
            Node::Output(pipeline, bytes) => {
                let value = self.pipeline(pipeline, about);
                self.output(value, place(number, *bytes));
            }
            Node::Assign(name, value) => {
                let value = self.pipeline(value, about);
                match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
                    Some((_, known)) if !name.is_empty() => *known = value,
                    _ => self.variables.push((name.clone(), value)),
                }
            }
            Node::If(branches, otherwise) => {
                for (condition, body) in branches {
                    match truth(&self.pipeline(condition, about)) {
                        Some(true) => return self.nodes(number, body, about, depth),
                        Some(false) => {}
                        // What may be there is taken to be, but for the commas between things.
                        None if self.is_comma(number, body) => return,
                        None => return self.nodes(number, body, about, depth),
                    }
                }
                self.nodes(number, otherwise, about, depth);
            }
            Node::With { names, of, body, otherwise } => {
                let value = self.pipeline(of, about);
                let known = self.variables.len();
                if truth(&value) == Some(false) {
                    return self.nodes(number, otherwise, about, depth);
                }
                self.variables.extend(names.first().map(|name| (name.clone(), value.clone())));
                self.nodes(number, body, &value, depth);
                self.variables.truncate(known);
            }
            Node::Range { names, over, body, otherwise } => {
                let over = self.pipeline(over, about);
                let all = members(&over);
                if all.is_empty() {
                    return self.nodes(number, otherwise, about, depth);
                }
                for (key, value) in all {
                    let known = self.variables.len();
                    match names.as_slice() {
                        [one] => self.variables.push((one.clone(), value.clone())),
                        [first, second] => {
                            self.variables.push((first.clone(), key));
                            self.variables.push((second.clone(), value.clone()));
                        }
                        _ => {}
                    }
                    self.nodes(number, body, &value, depth);
                    self.variables.truncate(known);
                }
            }
            Node::Define(name, body) => {
                self.defined.insert(name.clone(), (number, body.clone()));
            }
            Node::Template(name, with, bytes) => {
                let about = with.as_ref().map_or(Value::Nil, |with| self.pipeline(with, about));
                if depth >= DEEP {
                    return;
                }
                if let Some((number, body)) = self.defined.get(name).cloned() {
                    let outer = std::mem::replace(&mut self.variables, vec![(String::new(), about.clone())]);
                    self.nodes(number, &body, &about, depth + 1);
                    self.variables = outer;
                } else if let Some(other) = self.parts.named(self.files, name, "templates") {
                    self.file(other, about, depth + 1);
                } else {
                    self.output(Value::Unknown, place(number, *bytes));
                }
            }
        }
    }

    fn is_comma(&self, number: u32, body: &[Node]) -> bool {
        let text = &self.files.get(number).text;
        matches!(body, [Node::Text(start, end)] if text.get(*start..*end).is_some_and(|text| text.trim() == ","))
    }

    fn raw(&mut self, number: u32, start: usize, end: usize) {
        if let Some(text) = self.files.get(number).text.get(start..end) {
            self.rendered.written.inner(number, Inner::whole(text, start, end));
        }
    }

    fn output(&mut self, value: Value<'r>, at: Place) {
        match value {
            Value::Text(text, place) => self.rendered.written.part(place.unwrap_or(at), &text),
            Value::Number(number) => self.rendered.written.part(at, &number.to_string()),
            Value::Bool(value) => self.rendered.written.part(at, &value.to_string()),
            Value::Raw(number, start, end) => {
                self.rendered.files.insert(number);
                self.raw(number, start, end);
            }
            Value::Tree(tree) if tree.node.text().is_some() => {
                self.rendered.written.part(tree.place(), tree.node.text().unwrap_or_default());
            }
            _ => self.rendered.written.part(at, &UNKNOWN.to_string()),
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, about: &Value<'r>) -> Value<'r> {
        let mut result: Option<Value<'r>> = None;
        for call in pipeline {
            if self.steps == 0 {
                return Value::Unknown;
            }
            self.steps -= 1;
            let (first, rest) = match call.split_first() {
                Some(call) => call,
                None => return Value::Unknown,
            };
            let mut arguments: Vec<Value<'r>> = rest.iter().map(|operand| self.operand(operand, about)).collect();
            arguments.extend(result.take());
            result = Some(match first {
                Operand::Word(name) if !matches!(name.as_str(), "true" | "false" | "nil") => {
                    self.call(name, &arguments)
                }
                operand => self.operand(operand, about),
            });
        }
        result.unwrap_or(Value::Unknown)
    }

    fn operand(&mut self, operand: &Operand, about: &Value<'r>) -> Value<'r> {
        match operand {
            Operand::Field(names) => self.fields(about.clone(), names),
            Operand::Variable(name, names) => {
                let value =
                    self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
                self.fields(value.unwrap_or(Value::Unknown), names)
            }
            Operand::Text(text) => Value::Text(text.clone(), None),
            Operand::Number(number) => Value::Number(*number),
            Operand::Word(word) => match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "nil" => Value::Nil,
                name => self.call(name, &[]),
            },
            Operand::Group(inner, names) => {
                let value = self.pipeline(inner, about);
                self.fields(value, names)
            }
        }
    }

    fn fields(&self, value: Value<'r>, names: &[String]) -> Value<'r> {
        names.iter().fold(value, |value, name| match value {
            Value::Root => match self.settings.and_then(|settings| settings.get(name)) {
                Some((number, node)) => Value::Tree(At::root(*number, node)),
                None => Value::Unknown,
            },
            Value::Tree(at) => at.entries().find(|(key, _)| key == name).map_or(Value::Nil, |(_, at)| Value::Tree(at)),
            Value::Nil => Value::Nil,
            _ => Value::Unknown,
        })
    }

    fn call(&mut self, name: &str, arguments: &[Value<'r>]) -> Value<'r> {
        let number = |at: usize| match arguments.get(at) {
            Some(Value::Number(number)) => Some(*number),
            Some(Value::Tree(tree)) => tree.text()?.parse().ok(),
            _ => None,
        };
        let compared = |holds: fn(i64, i64) -> bool| match (number(0), number(1)) {
            (Some(one), Some(other)) => Value::Bool(holds(one, other)),
            _ => Value::Unknown,
        };
        let counted = |count: fn(i64, i64) -> i64| match (number(0), number(1)) {
            (Some(one), Some(other)) => Value::Number(count(one, other)),
            _ => Value::Unknown,
        };
        match (name, arguments) {
            ("include", [name, ..]) => {
                match text(name).and_then(|name| self.parts.named(self.files, &name, "partials")) {
                    Some(number) => Value::Raw(number, 0, self.files.get(number).text.trim_end().len()),
                    None => Value::Unknown,
                }
            }
            ("marshal" | "toJson" | "toPrettyJson" | "mustToJson" | "toRawJson", [Value::Tree(at)]) => {
                self.encoded(*at)
            }
            ("quote", [value]) => text(value).map_or(Value::Unknown, |text| Value::Text(format!("\"{text}\""), None)),
            ("default", [fallback, value]) => match truth(value) {
                Some(true) => value.clone(),
                Some(false) => fallback.clone(),
                None => Value::Unknown,
            },
            ("not", [value]) => truth(value).map_or(Value::Unknown, |holds| Value::Bool(!holds)),
            ("and", all) => chosen(all, false),
            ("or" | "coalesce", all) => chosen(all, true),
            ("eq", [one, others @ ..]) if !others.is_empty() => {
                let one = text(one);
                let same =
                    others.iter().map(|other| Some(one.as_ref()? == &text(other)?)).collect::<Option<Vec<bool>>>();
                same.map_or(Value::Unknown, |same| Value::Bool(same.contains(&true)))
            }
            ("ne", [one, other]) => match (text(one), text(other)) {
                (Some(one), Some(other)) => Value::Bool(one != other),
                _ => Value::Unknown,
            },
            ("lt", [_, _]) => compared(|one, other| one < other),
            ("le", [_, _]) => compared(|one, other| one <= other),
            ("gt", [_, _]) => compared(|one, other| one > other),
            ("ge", [_, _]) => compared(|one, other| one >= other),
            ("add", [_, _]) => counted(i64::saturating_add),
            ("sub", [_, _]) => counted(i64::saturating_sub),
            ("add1", [_]) => number(0).map_or(Value::Unknown, |number| Value::Number(number.saturating_add(1))),
            ("len", [Value::Unknown]) => Value::Unknown,
            ("len", [value]) => i64::try_from(members(value).len()).map_or(Value::Unknown, Value::Number),
            ("list", all) => Value::List(all.to_vec()),
            ("index", [value, keys @ ..]) => keys.iter().fold(value.clone(), |value, key| match key {
                Value::Number(_) => {
                    let wanted = number(1).unwrap_or_default();
                    let all = members(&value);
                    usize::try_from(wanted)
                        .ok()
                        .and_then(|at| all.get(at).map(|(_, value)| value.clone()))
                        .unwrap_or(Value::Nil)
                }
                key => text(key).map_or(Value::Unknown, |key| self.fields(value, &[key])),
            }),
            ("printf", [format, rest @ ..]) => formatted(format, rest).unwrap_or(Value::Unknown),
            _ => Value::Unknown,
        }
    }

    /// A part of the settings as it stands in their file.
    fn encoded(&mut self, at: At<'r>) -> Value<'r> {
        let (start, end) = at.node.bytes;
        match at.node.text() {
            // A text has its quotes again.
            Some(text) if self.files.get(at.file).text.as_bytes().get(start) != Some(&b'"') => {
                Value::Text(text.to_owned(), Some(at.place()))
            }
            _ => Value::Raw(at.file, start, end),
        }
    }
}

fn place(file: u32, bytes: (usize, usize)) -> Place {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Place { file, start: offset(bytes.0), end: offset(bytes.1) }
}

/// The text of a scalar.
fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Text(text, _) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Tree(at) => at.text().map(str::to_owned),
        _ => None,
    }
}

/// Whether a value counts as true, as Go has it.
fn truth(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Unknown => None,
        Value::Nil => Some(false),
        Value::Root | Value::Raw(..) => Some(true),
        Value::Text(text, _) => Some(!text.is_empty()),
        Value::Number(number) => Some(*number != 0),
        Value::Bool(value) => Some(*value),
        Value::List(all) => Some(!all.is_empty()),
        Value::Tree(at) => match at.node.text() {
            Some(text) => Some(!matches!(text, "" | "false" | "0" | "null")),
            None => Some(!at.is_empty()),
        },
    }
}

/// `and` and `or`: the first argument that decides, or the last.
fn chosen<'a>(all: &[Value<'a>], wanted: bool) -> Value<'a> {
    for value in all {
        match truth(value) {
            None => return Value::Unknown,
            Some(holds) if holds == wanted => return value.clone(),
            Some(_) => {}
        }
    }
    all.last().cloned().unwrap_or(Value::Unknown)
}

/// What a loop goes through, with numbers or keys; of what is not known, one that stands for all.
fn members<'a>(value: &Value<'a>) -> Vec<(Value<'a>, Value<'a>)> {
    let numbered =
        |values: Vec<Value<'a>>| -> Vec<(Value<'a>, Value<'a>)> { (0..).map(Value::Number).zip(values).collect() };
    match value {
        Value::Tree(at) if matches!(at.node.kind, yaml::Kind::Sequence(_)) => {
            numbered(at.items().map(Value::Tree).collect())
        }
        Value::Tree(at) => {
            let mut entries: Vec<_> = at.entries().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(key, at)| (Value::Text(key.to_owned(), None), Value::Tree(at))).collect()
        }
        Value::List(all) => numbered(all.clone()),
        Value::Unknown => vec![(Value::Number(0), Value::Unknown)],
        _ => Vec::new(),
    }
}

/// `printf` with `%s`, `%d` and `%v`.
fn formatted<'a>(format: &Value<'a>, arguments: &[Value<'a>]) -> Option<Value<'a>> {
    let format = text(format)?;
    let mut parts = format.split('%');
    let mut written = parts.next()?.to_owned();
    let mut arguments = arguments.iter();
    for part in parts {
        let rest = part.strip_prefix(['s', 'd', 'v'])?;
        written += &text(arguments.next()?)?;
        written += rest;
    }
    Some(Value::Text(written, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(texts: &[(&str, &str)]) -> Vec<String> {
        let files = Files::of(texts);
        let first = files.iter().find(|(_, text)| text.path() == texts[0].0).expect("a template").0;
        render(&files, first).into_iter().map(|one| one.written.text().to_owned()).collect()
    }

    #[test]
    fn templates_are_filled_from_settings_and_parts() {
        let template = "[{{ range $i, $e := .urls.all }}{{ if $i }},{{ end }}{{ template \"one.tmpl\" $e }}{{ end }}] {{ include \"p.json\" }} {{ marshal .urls.headers }} {{ env \"X\" }}";
        let texts = [
            ("c/krakend.tmpl", template),
            (
                "c/settings/urls.json",
                "{\"all\": [{\"path\": \"/a\"}, {\"path\": \"/b\"}], \"headers\": [\"X\", \"Y\"]}",
            ),
            ("c/partials/p.json", "{\"p\": 1}\n"),
            ("c/templates/one.tmpl", "{{ with .path }}\"{{ . }}\"{{ end }}"),
        ];
        assert_eq!(rendered(&texts), [format!("[\"/a\",\"/b\"] {{\"p\": 1}} [\"X\", \"Y\"] {UNKNOWN}")]);
    }

    #[test]
    fn each_environment_has_settings_of_its_own() {
        let texts = [
            ("krakend.tmpl", "{{ if eq .s.mode \"on\" }}a{{ else }}b{{ end }}"),
            ("config/settings/dev/s.json", "{\"mode\": \"on\"}"),
            ("config/settings/prod/s.json", "{\"mode\": \"off\"}"),
        ];
        assert_eq!(rendered(&texts), ["a", "b"]);
    }

    #[test]
    fn what_is_not_known_stands_for_itself_once() {
        assert_eq!(
            rendered(&[("k.tmpl", "[{{ range $i, $e := .no }}{{ if $i }},{{ end }}{{ $e.x }}{{ end }}]")]),
            [format!("[{UNKNOWN}]")]
        );
        assert_eq!(
            rendered(&[("k.tmpl", "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}x")]),
            ["x"]
        );
    }
}
