//! Discord's bot tokens: the first of three parts is the base64 of the bot's id, a number of 17 to 20 digits.

use base64::Engine as _;

use crate::token::facts::Facts;
use crate::token::jose;

/// Reads whose token it is. `None` if the first part is no id.
pub(super) fn read(token: &[u8], facts: &mut Facts) -> Option<()> {
    let first = token.split(|b| *b == b'.').next()?;
    let id = jose::BASE64URL.decode(first).ok()?;
    if !(17..=20).contains(&id.len()) || !id.iter().all(u8::is_ascii_digit) {
        return None;
    }
    facts.subject = String::from_utf8(id).ok().map(Into::into);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;

    #[test]
    fn the_first_part_is_a_number() {
        let token = |id: &str| format!("{}.Gabcde.{}", jose::BASE64URL.encode(id), "k3JfW0qLx8ZrT5vNc2HsY7bMd9Qp");
        let mut f = facts();
        assert!(read(token("1098765432109876543").as_bytes(), &mut f).is_some());
        assert_eq!(f.subject.as_deref(), Some("1098765432109876543"));
        assert!(read(token("10987654321098765x3").as_bytes(), &mut facts()).is_none());
        assert!(read(token("1098").as_bytes(), &mut facts()).is_none());
    }
}
