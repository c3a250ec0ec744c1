//! Truth among values of which not all are known.

use super::Value;

impl<'e> Value<'e> {
    /// What is known to hold or not.
    pub(super) fn known(holds: Option<bool>) -> Self {
        holds.map_or(Self::Unknown, |holds| Self::Text(holds.to_string()))
    }

    /// Whether it is true or false.
    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Whether two are the same.
    pub(super) fn equals(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a == b),
            (Self::Absent, Self::Absent) => Some(true),
            // What is somewhere is not nowhere.
            (Self::Absent, Self::Unknown) | (Self::Unknown, Self::Absent) => None,
            (Self::Absent, _) | (_, Self::Absent) => Some(false),
            _ => None,
        }
    }

    /// Whether one of them holds.
    pub(super) fn either(all: &[Self]) -> Self {
        Self::first_of(all, true)
    }

    /// Whether all of them hold.
    pub(super) fn both(all: &[Self]) -> Self {
        Self::first_of(all, false)
    }

    /// One that decides; the opposite where all are known and none decides.
    fn first_of(all: &[Self], decides: bool) -> Self {
        if all.iter().any(|one| one.as_bool() == Some(decides)) {
            return Self::known(Some(decides));
        }
        Self::known(all.iter().all(|one| one.as_bool().is_some()).then_some(!decides))
    }

    /// One value or another, as a condition has it.
    pub(super) fn chosen(condition: Option<bool>, one: Self, other: Self) -> Self {
        match (condition, one, other) {
            (Some(true), one, _) => one,
            (Some(false), _, other) => other,
            (None, Self::Text(one), Self::Text(other)) if one == other => Self::Text(one),
            (None, Self::Absent, Self::Absent) => Self::Absent,
            _ => Self::Unknown,
        }
    }
}
