//! Rules made of calls, as ``Host(`a`, `b`) && !Path(`/c`)``: what is called, and with what.

/// The matchers of a rule with their arguments.
pub fn calls(rule: &str) -> Vec<(String, Vec<String>)> {
    let mut calls = Vec::new();
    let mut rest = rule;
    while let Some(open) = rest.find('(') {
        let before = &rest[..open];
        let ends = |c: char| !c.is_ascii_alphanumeric();
        let start = before.char_indices().rev().find(|(_, c)| ends(*c)).map_or(0, |(at, c)| at + c.len_utf8());
        rest = &rest[open + 1..];
        if start == open {
            continue; // a bracket around something
        }
        let name = before[start..].to_owned();
        let mut arguments = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', ',']);
            let Some(quote) = rest.chars().next().filter(|c| matches!(c, '`' | '"' | '\'')) else { break };
            let Some(end) = rest[1..].find(quote) else { break };
            arguments.push(rest[1..=end].to_owned());
            rest = &rest[end + 2..];
        }
        calls.push((name, arguments));
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn calls_have_names_and_arguments() {
        let found = calls("(Host(`a`, `b`) || Path(\"/c\")) && Method('GET') && ClientIP(``)");
        let found: Vec<(&str, Vec<&str>)> =
            found.iter().map(|(name, all)| (name.as_str(), all.iter().map(String::as_str).collect())).collect();
        let expected =
            [("Host", vec!["a", "b"]), ("Path", vec!["/c"]), ("Method", vec!["GET"]), ("ClientIP", vec![""])];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a(`\"'), |&!\u{e9}]{0,60}") {
            let _ = calls(&text);
        }
    }
}
