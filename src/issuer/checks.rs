//! The checks: what is wrong with what an issuer is set to. No product is named here.

use super::issued::{Binding, Client, Issued, Kind};
use super::rule::Rule;
use crate::config::place::Place;
use crate::finding::Severity;
use crate::policy::Policy;

/// A day, in seconds.
const DAY: i64 = 86_400;
/// How long a used refresh token may be accepted, in seconds: a retry takes no longer.
const LEEWAY: i64 = 60;
/// How far the time in a DPoP proof may be off, in seconds (RFC 9449, section 11.1: seconds or minutes).
const WINDOW: i64 = 300;

/// What a check has found: all that is said of it.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) rule: Rule,
    pub(super) severity: Severity,
    pub(super) reason: Option<&'static str>,
    pub(super) place: Place,
    pub(super) related: Vec<(Place, String)>,
    pub(super) client: Option<String>,
    pub(super) setting: String,
    pub(super) message: String,
    pub(super) because: Vec<String>,
}

/// The checks on one issuer.
pub(super) fn check(issued: &Issued, policy: &Policy, now: i64) -> Vec<Fault> {
    let mut faults = Vec::new();
    lifetimes(issued, policy, &mut faults);
    unbound(issued, policy, &mut faults);
    refresh(issued, &mut faults);
    windows(issued, &mut faults);
    verifiers(issued, &mut faults);
    metadata(issued, &mut faults);
    overlaps(issued, now, &mut faults);
    replays(issued, &mut faults);
    certificates(issued, policy, now, &mut faults);
    software_keys(issued, &mut faults);
    faults
}

/// `90 s`, `5 min`, `36 h`, `7 d`.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        s if s >= 2 * DAY && s % DAY == 0 => format!("{} d", s / DAY),
        s if s >= 3_600 && s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s >= 60 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn lifetimes(issued: &Issued, policy: &Policy, faults: &mut Vec<Fault>) {
    for lifetime in &issued.lifetimes {
        let bound = lifetime.binding == Binding::Bound;
        let Some(most) = policy.ttl(if bound { "access-bound" } else { "access" }) else { continue };
        if lifetime.seconds <= most {
            continue;
        }
        let severity = if !bound && lifetime.seconds > most.max(DAY) { Severity::High } else { Severity::Medium };
        let whose = match &lifetime.client {
            Some(client) => format!("of {client}"),
            None => format!("of {}", issued.issuer),
        };
        let written = if lifetime.default { "lives by default" } else { "is set to live" };
        faults.push(Fault {
            rule: Rule::TtlLong,
            severity,
            reason: None,
            place: lifetime.place,
            related: Vec::new(),
            client: lifetime.client.clone(),
            setting: lifetime.setting.to_owned(),
            message: format!(
                "An access token {whose} {written} {}: for that long a stolen one works{}.",
                span(lifetime.seconds),
                if bound { ", should its key be stolen with it" } else { "" }
            ),
            because: vec![format!(
                "{} is {} s, the policy allows {most} s for {} access token",
                lifetime.setting,
                lifetime.seconds,
                if bound { "a bound" } else { "an" }
            )],
        });
    }
}

/// Tokens that anybody can use who holds them, where the issuer could bind them.
fn unbound(issued: &Issued, policy: &Policy, faults: &mut Vec<Fault>) {
    let fault = |client: &Client, severity, reason, place, setting: &str, message, because| Fault {
        rule: Rule::Unbound,
        severity,
        reason: Some(reason),
        place,
        related: client
            .binding_at
            .filter(|(at, _)| *at != place)
            .map(|(at, _)| (at, "says so".to_owned()))
            .into_iter()
            .collect(),
        client: Some(client.name.clone()),
        setting: setting.to_owned(),
        message,
        because: vec![because],
    };
    let mut plain: Vec<&Client> = Vec::new();
    for client in &issued.clients {
        let name = &client.name;
        let setting = client.binding_at.map_or("no binding", |(_, setting)| setting);
        match client.binding {
            // What can't be set is nobody's mistake.
            Binding::Unknown | Binding::Bound | Binding::Impossible => {}
            Binding::Optional => {
                let Some((place, setting)) = client.binding_at else { continue };
                faults.push(fault(
                    client,
                    Severity::Medium,
                    "issuer-pop-not-required",
                    place,
                    setting,
                    format!("{name} can have its access tokens bound to a key and need not: whoever steals one that is not bound can use it."),
                    format!("{setting} does not require a proof of possession"),
                ));
            }
            Binding::Unasked | Binding::Off => {
                let long = client.access.filter(|seconds| policy.ttl("access").is_some_and(|most| *seconds > most));
                if let Some((place, method)) = client.certificate {
                    faults.push(fault(
                        client,
                        Severity::Medium,
                        "issuer-x509-client-unbound",
                        place,
                        method,
                        format!("{name} authenticates with a certificate, and its access tokens are not bound to it: whoever steals one can use it without."),
                        format!("{method} names a certificate, {setting} leaves the tokens without one"),
                    ));
                } else if let (Kind::Public, Some(seconds)) = (client.kind, long) {
                    faults.push(fault(
                        client,
                        Severity::Medium,
                        "issuer-public-client-unbound-long",
                        client.place,
                        setting,
                        format!("{name} is a public client, and whoever steals one of its access tokens can use it for up to {}.", span(seconds)),
                        format!("access tokens live {seconds} s and are bound to no key"),
                    ));
                } else {
                    plain.push(client);
                }
            }
        }
    }
    // One finding for all the others: it is one decision, and the same line in each of them.
    let written = |client: &&Client| client.binding == Binding::Off;
    let Some(first) = plain.iter().copied().find(written).or(plain.first().copied()) else { return };
    let names: Vec<&str> = plain.iter().map(|client| client.name.as_str()).collect();
    let listed = names.iter().take(6).copied().collect::<Vec<_>>().join(", ");
    let more = if names.len() > 6 { format!(" and {} more", names.len() - 6) } else { String::new() };
    let explicit = written(&first);
    let (place, setting) = first.binding_at.unwrap_or((first.place, "no binding"));
    let of = |client: &&Client| (client.binding_at.map_or(client.place, |(at, _)| at), format!("{}, too", client.name));
    faults.push(Fault {
        rule: Rule::Unbound,
        severity: if explicit { Severity::Low } else { Severity::Info },
        reason: Some("client-no-sender-constraint"),
        place,
        related: plain.iter().map(of).filter(|(at, _)| *at != place).take(20).collect(),
        client: (plain.len() == 1).then(|| first.name.clone()),
        setting: setting.to_owned(),
        message: format!(
            "Access tokens of {} are bound to no key: whoever holds one can use it ({listed}{more}).",
            if plain.len() == 1 {
                format!("a client of {}", issued.issuer)
            } else {
                format!("{} clients of {}", plain.len(), issued.issuer)
            }
        ),
        because: vec![if explicit {
            format!("{setting} is off")
        } else {
            "nothing asks for DPoP or for certificate-bound tokens".to_owned()
        }],
    });
}

fn refresh(issued: &Issued, faults: &mut Vec<Fault>) {
    for client in &issued.clients {
        if client.kind != Kind::Public || !client.refresh || !client.binding.is_none() {
            continue;
        }
        // Where it says that it binds nothing, and of rotation nothing at all, the issuer alone can make it good.
        let silent = client.rotated.is_none() && client.rotated_at.is_none() && client.binding == Binding::Off;
        let (severity, replaced) = match client.rotated {
            Some(false) => (Severity::High, "nor replaced when used"),
            None if silent => (Severity::Low, "nor, as far as is said here, replaced when used"),
            _ => continue,
        };
        let unbound =
            client.binding_at.filter(|_| silent).map(|(at, setting)| (at, format!("{setting} binds them to no key")));
        let kept = client.rotated_at.map(|(at, setting)| (at, format!("{setting} leaves them in use")));
        faults.push(Fault {
            rule: Rule::RefreshPublic,
            severity,
            reason: None,
            place: client.place,
            related: kept.into_iter().chain(unbound).collect(),
            client: Some(client.name.clone()),
            setting: client.rotated_at.map_or("rotation", |(_, setting)| setting).to_owned(),
            message: format!(
                "{} is a public client and gets refresh tokens that are neither bound to a key {replaced}: whoever steals one keeps getting access tokens, unnoticed.",
                client.name
            ),
            because: vec!["a public client's refresh tokens must be bound to the client or be used once (RFC 9700, section 2.2.2)".to_owned()],
        });
    }
    for rotation in &issued.rotations {
        let whose = rotation.client.as_deref().unwrap_or(&issued.issuer);
        if !rotation.on {
            faults.push(Fault {
                rule: Rule::RotationOff,
                severity: if rotation.public { Severity::Medium } else { Severity::Low },
                reason: None,
                place: rotation.place,
                related: Vec::new(),
                client: rotation.client.clone(),
                setting: rotation.setting.to_owned(),
                message: format!(
                    "A refresh token of {whose} stays in use after it was used: that somebody else uses a stolen one goes unnoticed."
                ),
                because: vec![format!("{} keeps refresh tokens instead of replacing them", rotation.setting)],
            });
        }
        if let Some((seconds, place, setting)) = rotation.leeway.filter(|(seconds, ..)| *seconds > LEEWAY) {
            faults.push(Fault {
                rule: Rule::RotationLeeway,
                severity: Severity::Low,
                reason: None,
                place,
                related: Vec::new(),
                client: rotation.client.clone(),
                setting: setting.to_owned(),
                message: format!(
                    "A refresh token of {whose} is still accepted {} after it was replaced: a thief can use it in that time, unnoticed.",
                    span(seconds)
                ),
                because: vec![format!("{setting} is {seconds} s; a retry takes no longer than {LEEWAY} s")],
            });
        }
    }
}

fn windows(issued: &Issued, faults: &mut Vec<Fault>) {
    for window in issued.windows.iter().filter(|window| window.seconds > WINDOW) {
        faults.push(Fault {
            rule: Rule::DpopWindow,
            severity: Severity::Medium,
            reason: None,
            place: window.place,
            related: Vec::new(),
            client: window.client.clone(),
            setting: window.setting.clone(),
            message: format!(
                "DPoP proofs are accepted when their time is off by up to {}: a captured one can be sent again for that long.",
                span(window.seconds)
            ),
            because: vec![format!("{} is {} s, more than {WINDOW} s", window.setting, window.seconds)],
        });
    }
}

fn verifiers(issued: &Issued, faults: &mut Vec<Fault>) {
    for verifier in &issued.verifiers {
        let setting = &verifier.setting;
        let (rule, message, because) = if verifier.fallback {
            (
                Rule::BearerFallback,
                format!(
                    "{} takes access tokens without a proof beside those with one: a thief sends the token as a bearer token.",
                    issued.issuer
                ),
                format!("{setting} makes the proof optional"),
            )
        } else {
            (
                Rule::CheckOff,
                format!(
                    "{} does not compare an access token's binding with the key of whoever sends it: a bound token that is stolen works like any other.",
                    issued.issuer
                ),
                format!("{setting} switches the comparison off"),
            )
        };
        faults.push(Fault {
            rule,
            severity: Severity::Medium,
            reason: None,
            place: verifier.place,
            related: Vec::new(),
            client: None,
            setting: setting.clone(),
            message,
            because: vec![because],
        });
    }
}

fn metadata(issued: &Issued, faults: &mut Vec<Fault>) {
    for document in &issued.metadata {
        for (place, algorithm) in &document.weak {
            faults.push(Fault {
                rule: Rule::DpopAlgorithm,
                severity: Severity::High,
                reason: None,
                place: *place,
                related: Vec::new(),
                client: None,
                setting: "dpop_signing_alg_values_supported".to_owned(),
                message: format!(
                    "{} accepts DPoP proofs with {algorithm}, which prove possession of no key.",
                    issued.issuer
                ),
                because: vec!["a DPoP proof is signed with an asymmetric algorithm (RFC 9449, section 4.3)".to_owned()],
            });
        }
        if !document.binds {
            faults.push(Fault {
                rule: Rule::Unbound,
                severity: Severity::Info,
                reason: Some("issuer-metadata-no-sender-constraint"),
                place: document.place,
                related: Vec::new(),
                client: None,
                setting: "tls_client_certificate_bound_access_tokens".to_owned(),
                message: format!("{} offers neither DPoP nor certificate-bound access tokens: whoever holds one of its tokens can use it.", issued.issuer),
                because: vec![
                    "neither dpop_signing_alg_values_supported nor tls_client_certificate_bound_access_tokens stands in its metadata".to_owned(),
                ],
            });
        }
    }
}

fn overlaps(issued: &Issued, now: i64, faults: &mut Vec<Fault>) {
    for overlap in &issued.overlaps {
        let many = overlap.others.len() + 1;
        // What is over can't be used any more.
        if overlap.seconds.is_some_and(|seconds| seconds <= DAY) || overlap.end.is_some_and(|end| end <= now) {
            continue;
        }
        let message = match overlap.seconds {
            Some(seconds) => format!(
                "A {} stays valid beside its successor for {}: should its key leak, that is how long it still passes.",
                overlap.what,
                span(seconds)
            ),
            None => format!(
                "{many} signing keys for the same algorithm are published at once: each of them makes valid tokens, the retired ones, too."
            ),
        };
        faults.push(Fault {
            rule: Rule::KeyOverlap,
            severity: Severity::Low,
            reason: None,
            place: overlap.place,
            related: overlap.others.iter().map(|at| (*at, "is valid beside it".to_owned())).collect(),
            client: None,
            setting: "keys".to_owned(),
            message,
            because: vec![match overlap.seconds {
                Some(seconds) => {
                    format!("the times in which they are valid overlap for {seconds} s, more than {DAY} s")
                }
                None => format!("a rotation needs two or three keys, here are {many}"),
            }],
        });
    }
}

fn replays(issued: &Issued, faults: &mut Vec<Fault>) {
    for replay in &issued.replays {
        let setting = &replay.setting;
        faults.push(Fault {
            rule: Rule::ReplayCacheOff,
            severity: Severity::Low,
            reason: None,
            place: replay.place,
            related: Vec::new(),
            client: None,
            setting: setting.clone(),
            message: format!(
                "{} does not remember which DPoP proofs it has seen: a captured one can be sent again while its time lasts.",
                issued.issuer
            ),
            because: vec![format!("{setting} switches the comparison of `jti` off")],
        });
    }
}

/// Certificates that are over are no use to a thief, however long they lived.
fn certificates(issued: &Issued, policy: &Policy, now: i64, faults: &mut Vec<Fault>) {
    let Some(most) = policy.ttl("client-cert") else { return };
    for lived in &issued.certificates {
        if lived.seconds <= most || lived.end.is_some_and(|end| end <= now) {
            continue;
        }
        let severity = if lived.seconds > most.saturating_mul(4) { Severity::Medium } else { Severity::Low };
        let (what, is) = match lived.end {
            Some(_) => ("A client certificate", "is valid"),
            None => ("Client certificates", "are issued"),
        };
        faults.push(Fault {
            rule: Rule::CertificateLong,
            severity,
            reason: None,
            place: lived.place,
            related: Vec::new(),
            client: None,
            setting: lived.setting.to_owned(),
            message: format!(
                "{what} {is} for {}: whoever steals its key passes for the client until then, with all tokens that are bound to it.",
                span(lived.seconds)
            ),
            because: vec![format!("{} makes {} s, the policy allows {most} s for a client certificate", lived.setting, lived.seconds)],
        });
    }
}

fn software_keys(issued: &Issued, faults: &mut Vec<Fault>) {
    for key in &issued.keys {
        let call = key.call;
        faults.push(Fault {
            rule: Rule::SoftwareKey,
            severity: if key.stored.is_some() { Severity::Medium } else { Severity::Low },
            reason: None,
            place: key.place,
            related: key.stored.map(|at| (at, "stores what was read out of keys".to_owned())).into_iter().collect(),
            client: None,
            setting: "extractable".to_owned(),
            message: format!(
                "The key that {call} makes for DPoP proofs can be read out: a script that runs in the page once can take it away with the tokens that are bound to it."
            ),
            because: vec!["extractable is true; a public key can be exported all the same when it is false".to_owned()],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::issued::Lifetime;
    use super::*;

    #[test]
    fn a_lifetime_of_exactly_the_policy_passes() {
        let faults = |seconds, binding| {
            let lifetime =
                Lifetime { seconds, place: Place::default(), setting: "ttl", client: None, binding, default: false };
            let issued = Issued { lifetimes: vec![lifetime], ..Issued::default() };
            check(&issued, &Policy::default(), 0).first().map(|fault| fault.severity)
        };
        assert_eq!(faults(3_600, Binding::Unasked), None);
        assert_eq!(faults(3_601, Binding::Unknown), Some(Severity::Medium));
        assert_eq!(faults(86_400, Binding::Off), Some(Severity::Medium));
        assert_eq!(faults(86_401, Binding::Off), Some(Severity::High));
        assert_eq!(faults(86_400, Binding::Bound), None);
        assert_eq!(faults(86_401, Binding::Bound), Some(Severity::Medium));
    }

    #[test]
    fn lengths_of_time_are_said_shortly() {
        let said: Vec<String> = [59, 60, 3_601, 7_200, 86_400, 172_800].into_iter().map(span).collect();
        assert_eq!(said, ["59 s", "1 min", "3601 s", "2 h", "24 h", "2 d"]);
    }
}
