//! Operators between operands, with their precedence: Terraform and templates of Azure Resource Manager write them alike (HCL
//! native syntax specification, "Operators and operations"; "Bicep operators").

use super::Value;

/// How deep brackets may nest.
const DEEP: usize = 24;
/// Operators that give something that is compared no further, the longer ones first.
const BETWEEN: &[&str] = &["==", "!=", "=~", "!~", ">=", "<=", ">", "<", "+", "-", "*", "/", "%"];

/// Where reading stands.
#[derive(Debug)]
pub(super) struct Cursor<'r> {
    pub(super) text: &'r str,
    pub(super) at: usize,
    depth: usize,
}

impl<'r> Cursor<'r> {
    /// The beginning of a text.
    pub(super) const fn new(text: &'r str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'r str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over white space.
    pub(super) fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }
}

/// A reader of expressions: it knows operands, these methods what stands between them.
pub(super) trait Operators<'r, 'e> {
    fn cursor(&mut self) -> &mut Cursor<'r>;

    /// What stands between operators, without a `!` before it.
    fn operand(&mut self) -> Value<'e>;

    /// What has not been read.
    fn rest(&mut self) -> &'r str {
        self.cursor().rest()
    }

    /// Takes a sign, if it is next.
    fn takes(&mut self, sign: &str) -> bool {
        let cursor = self.cursor();
        cursor.space();
        let found = cursor.rest().starts_with(sign);
        if found {
            cursor.at += sign.len();
        }
        found
    }

    /// Nothing more is read.
    fn give_up(&mut self) -> Value<'e> {
        let cursor = self.cursor();
        cursor.at = cursor.text.len();
        Value::Unknown
    }

    /// `(one)`
    fn bracketed(&mut self) -> Value<'e> {
        self.takes("(");
        let value = self.choice();
        if self.takes(")") { value } else { self.give_up() }
    }

    /// `12`, `1.5`
    fn number(&mut self) -> Value<'e> {
        let rest = self.rest();
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let whole = digits(rest);
        let length = match rest[whole..].strip_prefix('.').map(digits) {
            Some(fraction @ 1..) => whole + 1 + fraction,
            _ => whole,
        };
        self.cursor().at += length;
        Value::Text(rest[..length].to_owned())
    }

    /// `(one, other)`; `None` where no bracket closes them, and nothing more is read.
    fn arguments(&mut self) -> Option<Vec<Value<'e>>> {
        self.takes("(");
        let mut given = Vec::new();
        while !self.takes(")") {
            let before = self.cursor().at;
            given.push(self.choice());
            self.takes("...");
            self.takes(",");
            let cursor = self.cursor();
            if cursor.at == before || cursor.at >= cursor.text.len() {
                self.give_up();
                return None;
            }
        }
        Some(given)
    }

    /// The value of the whole text.
    fn whole(&mut self) -> Value<'e> {
        let value = self.choice();
        let cursor = self.cursor();
        cursor.space();
        if cursor.rest().is_empty() { value } else { Value::Unknown }
    }

    /// `condition ? one : other`, `one ?? other`
    fn choice(&mut self) -> Value<'e> {
        if self.cursor().depth >= DEEP {
            return self.give_up();
        }
        self.cursor().depth += 1;
        let mut value = self.either();
        while self.takes("??") {
            let other = self.either();
            value = if matches!(value, Value::Absent) { other } else { value };
        }
        if self.takes("?") {
            let one = self.choice();
            let other = if self.takes(":") { self.choice() } else { Value::Unknown };
            value = Value::chosen(value.as_bool(), one, other);
        }
        self.cursor().depth -= 1;
        value
    }

    /// `one || other`
    fn either(&mut self) -> Value<'e> {
        let mut value = self.both();
        while self.takes("||") {
            let other = self.both();
            value = Value::either(&[value, other]);
        }
        value
    }

    /// `one && other`
    fn both(&mut self) -> Value<'e> {
        let mut value = self.comparison();
        while self.takes("&&") {
            let other = self.comparison();
            value = Value::both(&[value, other]);
        }
        value
    }

    /// `one == other`
    fn comparison(&mut self) -> Value<'e> {
        let value = self.negation();
        match BETWEEN.iter().find(|sign| self.takes(sign)) {
            Some(sign) => {
                let other = self.negation();
                Value::known(compared(sign, &value, &other))
            }
            None => value,
        }
    }

    /// `!one`
    fn negation(&mut self) -> Value<'e> {
        self.cursor().space();
        if self.rest().starts_with('!') && !self.rest().starts_with("!=") {
            self.cursor().at += 1;
            return Value::known(self.operand().as_bool().map(|known| !known));
        }
        self.operand()
    }
}

fn compared(sign: &str, a: &Value<'_>, b: &Value<'_>) -> Option<bool> {
    let equal = a.equals(b);
    let numbers = || match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some((a.parse::<f64>().ok()?, b.parse::<f64>().ok()?)),
        _ => None,
    };
    match sign {
        "==" => equal,
        "!=" => equal.map(|equal| !equal),
        ">=" => numbers().map(|(a, b)| a >= b),
        "<=" => numbers().map(|(a, b)| a <= b),
        ">" => numbers().map(|(a, b)| a > b),
        "<" => numbers().map(|(a, b)| a < b),
        _ => None,
    }
}
