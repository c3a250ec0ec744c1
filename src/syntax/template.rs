//! What template engines leave in configuration: statements that decide whether lines are there, and values that are
//! filled in later. Jinja, ERB, Go templates and the shell's `${VAR}` are told by their brackets alone.

/// So many conditions a line may stand under; deeper ones are left out.
const MAX_GUARDS: usize = 32;

/// Something that decides whether a line is there at all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guard {
    /// The condition, as it is written.
    pub condition: String,
    /// Whether it must hold, or must not.
    pub holds: bool,
}

/// What stands within the brackets of a template's statement, if the line is nothing but one.
pub fn statement(line: &str) -> Option<&str> {
    const BRACKETS: &[(&str, &str)] = &[("{%", "%}"), ("{{", "}}"), ("<%", "%>"), ("{#", "#}")];
    BRACKETS.iter().find_map(|(open, close)| {
        let inner = line.strip_prefix(open)?.strip_suffix(close)?;
        (!inner.contains(close))
            .then(|| inner.trim_matches(|c: char| c == '-' || c == '~' || c == '+' || c.is_whitespace()))
    })
}

/// Follows a statement that opens, turns or closes a condition; `false` if it is something else.
pub fn turn(guards: &mut Vec<Guard>, statement: &str) -> bool {
    let word = statement.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    match word {
        "if" | "unless" | "for" | "range" | "with" | "foreach" | "while" => {
            if guards.len() < MAX_GUARDS {
                let condition = match word {
                    "unless" => statement.replacen("unless", "if", 1),
                    _ => statement.to_owned(),
                };
                guards.push(Guard { condition, holds: word != "unless" });
            }
        }
        "else" | "elif" | "elsif" | "elseif" => {
            if let Some(guard) = guards.last_mut() {
                if word == "else" && statement == "else" {
                    guard.holds = !guard.holds;
                } else {
                    *guard = Guard { condition: statement.to_owned(), holds: true };
                }
            }
        }
        "end" | "endif" | "endfor" | "}" | "endwith" => _ = guards.pop(),
        "set" | "block" | "endblock" | "raw" | "endraw" | "notice" | "warning" | "diag" => {}
        // Loops of ERB: `servers.each do |server|`.
        _ if statement.ends_with('|') || statement.ends_with(" do") || statement.ends_with('{') => {
            if guards.len() < MAX_GUARDS {
                guards.push(Guard { condition: statement.to_owned(), holds: true });
            }
        }
        // A remark, or an assignment.
        _ if statement.starts_with('#') || statement.starts_with("/*") || statement.starts_with('$') => {}
        _ => return false,
    }
    true
}

/// The length of something that is filled in from outside, if the text begins with it.
pub fn filled_in(text: &str) -> Option<usize> {
    const BRACKETS: &[(&str, &str)] = &[("${", "}"), ("{{", "}}"), ("<%", "%>"), ("{% ", "%}"), ("{%-", "%}")];
    BRACKETS.iter().find_map(|(open, close)| {
        let inner = text.strip_prefix(open)?;
        Some(open.len() + inner.find(close)? + close.len())
    })
}
