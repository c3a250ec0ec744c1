//! Infrastructure as code: the resources that Terraform, CloudFormation, Azure Resource Manager and Bicep declare, or that
//! Google Cloud exports, and what their settings amount to.
//!
//! The languages write the same settings in nearly the same words (`mutual_authentication { mode = … }`,
//! `MutualAuthentication: {Mode: …}`), so one reader serves both. What is literal is followed: variables with defaults and
//! `*.tfvars`, locals, arguments and outputs of modules that lie in the scan, parameters with defaults, references from one
//! resource to another. Everything else is [`Value::Unknown`]: nobody is accused of what is not known.

mod azure;
mod cloudformation;
mod deployment;
mod evaluate;
mod export;
mod expression;
mod formula;
mod logic;
mod operators;
mod sources;
mod terraform;

use std::collections::BTreeMap;

use evaluate::Evaluation;
pub use sources::{Sources, is_bicep, is_candidate, is_deployment};

use super::files::Files;
use super::place::Place;
use super::tree::{At, Switch};
use crate::syntax::inner::Inner;
use crate::syntax::yaml::{Kind, Node};

/// What a setting amounts to.
#[derive(Debug, Clone)]
pub enum Value<'e> {
    /// It is not there, or `null`.
    Absent,
    /// A scalar.
    Text(String),
    /// A block, an object or a list, as it is written.
    Tree(Field<'e>),
    /// A list made by an expression.
    List(Vec<Value<'e>>),
    /// Something of another resource.
    Link(Link),
    /// What stands in another file of the scan.
    File(u32),
    /// It can't be known.
    Unknown,
}

/// A reference to a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    scope: usize,
    /// The resource: `aws_lb.public`, `data.aws_lb.public`, or the logical name in a template.
    pub address: String,
    /// What of it: `arn`, `id`.
    pub attribute: String,
}

/// A resource.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'e> {
    /// Its type: `aws_lb`, `AWS::ElasticLoadBalancingV2::LoadBalancer`.
    pub kind: &'e str,
    /// Its name in the code.
    pub name: &'e str,
    /// Its settings.
    pub body: Field<'e>,
    /// The block, where it begins.
    pub place: Place,
}

/// What tells a resource from others.
pub type Identity = (usize, Place);

/// A part of the code, in the module it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Field<'e> {
    estate: &'e Estate<'e>,
    scope: usize,
    at: At<'e>,
}

/// Blocks or items under a key.
#[derive(Debug, Clone, Default)]
pub struct Blocks<'e> {
    /// Those that are written.
    pub all: Vec<Field<'e>>,
    /// Whether all of them are there, and no others, can't be known.
    pub unsure: bool,
}

/// In which language the code is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Terraform,
    CloudFormation,
    /// Templates of Azure Resource Manager.
    Deployment,
    /// The same in Bicep.
    Bicep,
    /// Exported resources of Google Cloud.
    Export,
}

/// Everything that is deployed together: a root module with the modules it calls, or a template.
#[derive(Debug)]
pub struct Estate<'e> {
    language: Language,
    files: &'e Files,
    scopes: Vec<Scope<'e>>,
    resources: Vec<Declared<'e>>,
    /// The files it is made of.
    numbers: Vec<u32>,
    /// Trees of files that are named by others.
    documents: &'e BTreeMap<u32, Node>,
    /// Modules that are called and not here, with the call.
    missing: Vec<(Place, String)>,
}

#[derive(Debug)]
struct Declared<'e> {
    kind: &'e str,
    name: &'e str,
    scope: usize,
    /// With the key that names it.
    outer: At<'e>,
    body: At<'e>,
}

/// The names that hold within a module or a template.
#[derive(Debug, Default)]
struct Scope<'e> {
    /// Variables and parameters with what is known of each: the scope in which its value is written, and the value.
    variables: BTreeMap<&'e str, Option<(usize, At<'e>)>>,
    locals: BTreeMap<&'e str, At<'e>>,
    outputs: BTreeMap<&'e str, At<'e>>,
    /// Modules that are called from here.
    modules: BTreeMap<&'e str, usize>,
    /// Resources by address.
    index: BTreeMap<String, usize>,
}

impl<'e> Estate<'e> {
    /// The files it is made of.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Modules that are called and not in the scan: where, and by which source.
    pub fn missing(&self) -> &[(Place, String)] {
        &self.missing
    }

    /// The resources of these types, in the order of the code.
    pub fn resources(&'e self, kinds: &[&str]) -> Vec<Resource<'e>> {
        let wanted = self.resources.iter().filter(|declared| kinds.contains(&declared.kind));
        wanted.map(|declared| self.shown(declared)).filter(Resource::is_there).collect()
    }

    /// The resource that a reference means, if it is here.
    pub fn resource(&'e self, link: &Link) -> Option<Resource<'e>> {
        let number = self.scopes.get(link.scope)?.index.get(&link.address)?;
        self.resources.get(*number).map(|declared| self.shown(declared))
    }

    /// The tree of a file that another names.
    pub fn document(&'e self, number: u32) -> Option<Field<'e>> {
        let node = self.documents.get(&number)?;
        Some(Field { estate: self, scope: usize::MAX, at: At::root(number, node) })
    }

    /// The file that a path names in another one, if it is in the scan.
    fn named(&self, from: u32, path: &str) -> Value<'e> {
        let found = self.files.resolve(from, from, path.trim_start_matches("./"));
        found.first().map_or(Value::Unknown, |number| Value::File(*number))
    }

    /// The text of a file that another names.
    pub fn text(&self, number: u32) -> &str {
        &self.files.get(number).text
    }

    fn shown(&'e self, declared: &Declared<'e>) -> Resource<'e> {
        let body = Field { estate: self, scope: declared.scope, at: declared.body };
        Resource { kind: declared.kind, name: declared.name, body, place: declared.outer.place() }
    }
}

impl<'e> Resource<'e> {
    /// Whether the code does not leave it out by a count of none.
    fn is_there(&self) -> bool {
        !matches!(self.body.get("count"), Value::Text(count) if count == "0")
    }

    /// What it is called in reports: a name of its own, or the one in the code.
    pub fn label(&self, keys: &[&str]) -> String {
        keys.iter().find_map(|key| self.body.text(key)).unwrap_or_else(|| self.name.to_owned())
    }

    /// What tells it from all others of its estate.
    pub const fn identity(&self) -> Identity {
        (self.body.scope, self.place)
    }

    /// A name that no other resource of the scan has.
    pub fn address(&self) -> String {
        let place = self.place;
        format!("{}.{}#{}:{}:{}", self.kind, self.name, place.file, place.start, self.body.scope).to_ascii_lowercase()
    }
}

impl<'e> Field<'e> {
    /// The code it is part of.
    pub fn estate(self) -> &'e Estate<'e> {
        self.estate
    }

    /// Where it is reported.
    pub fn place(self) -> Place {
        self.at.place()
    }

    /// What it amounts to.
    pub fn value(self) -> Value<'e> {
        Evaluation::new(self.estate).node(self.scope, self.at)
    }

    /// What the setting of that key amounts to.
    pub fn get(self, key: &str) -> Value<'e> {
        self.at(key).map_or(Value::Absent, Self::value)
    }

    /// The setting of that key as it is written.
    pub fn at(self, key: &str) -> Option<Self> {
        Some(Self { at: self.at.get(key)?, ..self })
    }

    /// Where a setting stands; where it does not, the field itself.
    pub fn place_of(self, key: &str) -> Place {
        self.at(key).map_or_else(|| self.place(), Self::place)
    }

    /// The text of a setting, where it is known.
    pub fn text(self, key: &str) -> Option<String> {
        match self.get(key) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of several lines that a setting leads to, with the file that it is written in: a file that is named, or a text
    /// between quotes. What is put into it when it is deployed stays as it is written.
    pub fn written(self) -> Option<(u32, Inner)> {
        if matches!(self.estate.language, Language::Deployment | Language::Bicep) {
            return Evaluation::new(self.estate).written(self.scope, self.at, 0);
        }
        let stretch = |number: u32, (start, end): (usize, usize)| {
            Some((number, Inner::whole(self.estate.text(number).get(start..end)?, start, end)))
        };
        match self.value() {
            Value::File(number) => stretch(number, (0, self.estate.text(number).len())),
            // A heredoc has its text as it stands in the file.
            _ => stretch(self.at.file, self.at.node.bytes),
        }
    }

    /// The text as it is written, with whatever stands in it.
    pub fn raw(self) -> Option<&'e str> {
        self.at.node.text()
    }

    /// What a switch is set to; `default` where it is not there.
    pub fn switch(self, key: &str, default: bool) -> Switch {
        match self.get(key) {
            Value::Absent if default => Switch::On,
            Value::Absent => Switch::Off,
            Value::Text(text) if text.eq_ignore_ascii_case("true") => Switch::On,
            Value::Text(text) if text.eq_ignore_ascii_case("false") => Switch::Off,
            _ => Switch::Unknown,
        }
    }

    /// The tree of the file whose path is set under a key.
    pub fn file(self, key: &str) -> Option<Self> {
        match self.estate.named(self.at.file, &self.text(key)?) {
            Value::File(number) => self.estate.document(number),
            _ => None,
        }
    }

    /// The resource that a setting means, if it is one that is here.
    pub fn target(self, key: &str) -> Option<Resource<'e>> {
        match self.get(key) {
            Value::Link(link) => self.estate.resource(&link),
            _ => None,
        }
    }

    /// The blocks of a name, or the items of the list under a key.
    pub fn blocks(self, key: &str) -> Blocks<'e> {
        let mut blocks = Blocks::default();
        for (name, at) in self.at.entries() {
            if super::tree::same_key(name, key) {
                blocks.add(Self { at, ..self });
            } else if name == "dynamic" && self.estate.language == Language::Terraform {
                for (_, dynamic) in at.entries().filter(|(name, _)| super::tree::same_key(name, key)) {
                    let dynamic = Self { at: dynamic, ..self };
                    let some = dynamic.get("for_each").is_some();
                    blocks.unsure |= some.is_none();
                    if some != Some(false) {
                        blocks.all.extend(dynamic.at("content"));
                    }
                }
            }
        }
        blocks
    }

    /// The first block of a name, if there is one for sure; `None` also where that can't be known.
    pub fn block(self, key: &str) -> Option<Self> {
        self.blocks(key).all.into_iter().next()
    }

    /// The entries of a mapping.
    pub fn entries(self) -> Vec<(&'e str, Self)> {
        self.at.entries().map(|(key, at)| (key, Self { at, ..self })).collect()
    }

    /// The texts of a list; `None` where one of them is not known.
    pub fn texts(self, key: &str) -> Option<Vec<String>> {
        fn collect(value: Value<'_>, into: &mut Vec<String>) -> bool {
            match value {
                Value::Absent => true,
                Value::Text(text) => {
                    into.push(text);
                    true
                }
                Value::List(values) => values.into_iter().all(|value| collect(value, into)),
                Value::Tree(field) if matches!(field.at.node.kind, Kind::Sequence(_)) => {
                    field.items().into_iter().all(|item| collect(item.value(), into))
                }
                _ => false,
            }
        }
        let mut texts = Vec::new();
        collect(self.get(key), &mut texts).then_some(texts)
    }

    /// The items of a list as they are written; a single one counts as a list.
    pub fn items(self) -> Vec<Self> {
        self.at.items().map(|at| Self { at, ..self }).collect()
    }
}

impl<'e> Blocks<'e> {
    fn add(&mut self, field: Field<'e>) {
        match field.value() {
            Value::Absent => {}
            Value::Tree(tree) => {
                // Where it was referred to from stays the place of what has no key of its own.
                self.all.extend(match &tree.at.node.kind {
                    Kind::Sequence(_) => tree.items(),
                    _ => vec![if tree.at.file == field.at.file { tree } else { field }],
                });
            }
            Value::List(values) => {
                for value in values {
                    match value {
                        Value::Tree(tree) => self.all.push(tree),
                        Value::Absent => {}
                        _ => self.unsure = true,
                    }
                }
            }
            _ => self.unsure = true,
        }
    }
}

impl Value<'_> {
    /// Whether anything is in it; `None` where that can't be known.
    fn is_some(&self) -> Option<bool> {
        match self {
            Self::Absent => Some(false),
            Self::List(values) => Some(!values.is_empty()),
            Self::Tree(field) => Some(!field.at.is_empty()),
            Self::Text(text) => Some(!text.is_empty()),
            Self::Link(_) | Self::File(_) | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the settings of the first resource `x` amount to, in words.
    fn settings(texts: &[(&str, &str)], keys: &[&str]) -> Vec<String> {
        let files = Files::of(texts);
        let own: Vec<u32> = files.iter().map(|(number, _)| number).collect();
        let sources = Sources::read(&files, &own);
        let estates = sources.estates(&files);
        let found = estates.iter().flat_map(|estate| estate.resources(&["a_x", "A::X"])).next().expect("a resource");
        keys.iter()
            .map(|key| match found.body.get(key) {
                Value::Absent => "absent".to_owned(),
                Value::Text(text) => text,
                Value::Tree(_) => "tree".to_owned(),
                Value::List(values) => format!("{} values", values.len()),
                Value::Link(link) => format!("{} {}", link.address, link.attribute).trim().to_owned(),
                Value::File(number) => files.get(number).path().to_owned(),
                Value::Unknown => "unknown".to_owned(),
            })
            .collect()
    }

    #[test]
    fn what_is_literal_is_followed() {
        let code = r#"
            variable "on" { default = true }
            variable "none" { default = null }
            variable "asked" {}
            variable "set" { default = "a" }
            locals { both = "${var.set}-${var.on}" }
            resource "a_y" "y" {}
            resource "a_x" "x" {
              a = local.both
              b = var.on ? "yes" : "no"
              c = var.asked ? "yes" : "no"
              d = var.none
              e = a_y.y[0].arn
              f = "integrations/${a_y.y.id}"
              g = var.none == null || var.asked ? "kept" : var.asked
              h = try(a_y.y.id, "")
              i = [for one in var.asked : one]
              j = length([1, 2]) > 1 ? "more" : "one"
              k = data.a_z.z.name
              l = var.nowhere
              m = file("${path.module}/x.json")
              n = "${upper("a")}${lookup({}, "b")}"
            }
        "#;
        let keys = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];
        let found =
            settings(&[("m/main.tf", code), ("m/terraform.tfvars", "set = \"b\"\n"), ("m/x.json", "{}")], &keys);
        assert_eq!(
            found,
            [
                "b-true",
                "yes",
                "unknown",
                "absent",
                "a_y.y arn",
                "a_y.y id",
                "kept",
                "a_y.y id",
                "unknown",
                "more",
                "data.a_z.z name",
                "unknown",
                "m/x.json",
                "unknown"
            ]
        );
    }

    #[test]
    fn values_that_may_hold_make_it_unknown() {
        let code = "variable \"a\" { default = 1 }\nvariable \"b\" { default = 2 }\nresource \"a_x\" \"x\" {\n  a = var.a\n  b = var.b\n}\n";
        let found = settings(&[("main.tf", code), ("prod.tfvars", "a = 3\nb = 2\n")], &["a", "b"]);
        assert_eq!(found, ["unknown", "2"]);
    }

    #[test]
    fn modules_are_read_as_they_are_called() {
        let child = "variable \"a\" { default = 1 }\nresource \"a_x\" \"x\" {\n  a = var.a\n}\noutput \"it\" { value = a_x.x.arn }\n";
        let root = "module \"m\" {\n  source = \"../child\"\n  a = local.two\n}\nlocals { two = 2 }\nresource \"a_y\" \"y\" { to = module.m.it }\n";
        let texts = [("live/root/main.tf", root), ("live/child/main.tf", child)];
        assert_eq!(settings(&texts, &["a"]), ["2"]);
        let files = Files::of(&texts);
        let sources = Sources::read(&files, &[0, 1]);
        let estates = sources.estates(&files);
        let [estate] = estates.as_slice() else { panic!("one estate") };
        let y = estate.resources(&["a_y"])[0];
        assert_eq!(y.body.target("to").map(|target| target.kind), Some("a_x"));
    }

    #[test]
    fn names_that_name_each_other_cost_little() {
        let mut code = String::from("resource \"a_x\" \"x\" { a = local.l0 }\nlocals {\n");
        for n in 0..40 {
            code += &format!("  l{n} = \"${{local.l{m}}}${{local.l{m}}}\"\n", m = (n + 1) % 40);
        }
        assert_eq!(settings(&[("main.tf", &(code + "}\n"))], &["a"]), ["unknown"]);
    }

    #[test]
    fn templates_call_functions() {
        let template = "Parameters:\n  P: {Type: String, Default: p}\n  Q: {Type: String}\nResources:\n  Y:\n    Type: A::Y\n  X:\n    Type: A::X\n    \
            Properties:\n      a: !Ref P\n      b: !Sub 'x-${P}'\n      c: !GetAtt Y.Arn\n      d: !Join [/, [integrations, !Ref Y]]\n      \
            e: !If [C, 1, 2]\n      f: !Ref AWS::NoValue\n      g: !Ref Q\n      h: {'Fn::Sub': '${AWS::Region}'}\n";
        let found = settings(&[("t.yaml", template)], &["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(found, ["p", "x-p", "Y Arn", "Y", "unknown", "absent", "unknown", "unknown"]);
    }

    #[test]
    fn dynamic_blocks_are_there_where_their_list_is() {
        let code = r#"
            variable "some" { default = "s" }
            variable "asked" {}
            resource "a_x" "x" {
              dynamic "one" {
                for_each = var.some != null ? [1] : []
                content { a = 1 }
              }
              dynamic "none" {
                for_each = []
                content { a = 1 }
              }
              dynamic "perhaps" {
                for_each = var.asked
                content { a = 1 }
              }
            }
        "#;
        let files = Files::of(&[("main.tf", code)]);
        let sources = Sources::read(&files, &[0]);
        let estates = sources.estates(&files);
        let body = estates[0].resources(&["a_x"])[0].body;
        let shape = |key: &str| (body.blocks(key).all.len(), body.blocks(key).unsure);
        assert_eq!([shape("one"), shape("none"), shape("perhaps")], [(1, false), (0, false), (1, true)]);
    }
}
