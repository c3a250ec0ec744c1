//! Duende's options for DPoP as programs in C# set them: the server's window for proofs, and what resource servers accept
//! (`ConfigureDPoPTokensForScheme`). What is decided by a variable, or only sometimes, is not known.

use super::issued::{Issued, Replay, Verifier, Window};
use super::read::has;
use super::source::given;
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::place::Place;
use crate::syntax::code::blanked;

/// Programs in C#.
#[derive(Debug)]
pub struct Dotnet;

/// The options: how long a proof counts, and two switches.
const WINDOWS: [&str; 4] =
    ["ProofTokenValidityDuration", "ProofTokenLifetime", "ProofTokenIssuedAtClockSkew", "DPoPClockSkew"];
const BEARER: &str = "AllowBearerTokens";
const REPLAY: &str = "EnableReplayDetection";

impl FrontEnd for Dotnet {
    fn product(&self) -> &'static str {
        "duende"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        name.ends_with(".cs")
            && has(text, &["DPoP", "Duende"])
            && WINDOWS.iter().chain(&[BEARER, REPLAY]).any(|word| has(text, &[word]))
    }

    fn reads_scripts(&self) -> bool {
        true
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        own.iter().map(|file| options(&files.get(*file).text, *file)).collect()
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::ReplayCacheOff => "Leave EnableReplayDetection on, with a cache that all instances share.",
            Rule::BearerFallback => {
                "Set AllowBearerTokens to false once all clients send proofs, or give bearer tokens fewer scopes."
            }
            _ => "Set the window to five minutes or less; a nonce of the server's needs no clock of the client.",
        }
    }
}

fn options(text: &str, file: u32) -> Issued {
    let mut issued = Issued { issuer: "The resource server".to_owned(), ..Issued::default() };
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let names: Vec<&'static str> = WINDOWS.into_iter().chain([BEARER, REPLAY]).collect();
    for given in given(text, &blanked(text), &names) {
        let (place, setting) =
            (Place { file, start: offset(given.start), end: offset(given.end) }, given.name.to_owned());
        match (given.name, given.value) {
            (BEARER, "true") => issued.verifiers.push(Verifier { fallback: true, place, setting }),
            (REPLAY, "false") => issued.replays.push(Replay { place, setting }),
            (BEARER | REPLAY, _) => {}
            (_, value) => {
                issued.windows.extend(seconds(value).map(|seconds| Window { seconds, place, setting, client: None }))
            }
        }
    }
    issued
}

/// `TimeSpan.FromMinutes(30)`.
fn seconds(text: &str) -> Option<i64> {
    let (_, call) = text.split_once("TimeSpan.From")?;
    let (unit, rest) = call.split_once('(')?;
    let number: i64 = rest.strip_suffix(')')?.trim().parse().ok()?;
    let unit = match unit {
        "Seconds" => 1,
        "Minutes" => 60,
        "Hours" => 3_600,
        "Days" => 86_400,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, found) in [
            ("TimeSpan.FromMinutes(30)", Some(1_800)),
            ("System.TimeSpan.FromDays( 1 )", Some(86_400)),
            ("TimeSpan.FromMinutes(minutes)", None),
            ("TimeSpan.FromMinutes(1) * 2", None),
            ("window", None),
        ] {
            assert_eq!(seconds(text), found, "{text}");
        }
    }
}
