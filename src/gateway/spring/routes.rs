//! Routes that code writes: `RouteLocatorBuilder` in Java and Kotlin, and the functions of the gateway on Spring MVC. Only
//! what stands there as text is known; what a condition, a variable or a method of the application's own decides is not.
//!
//! See `GatewayFilterSpec`, `RouteDsl` and `BeforeFilterFunctions` of spring-cloud/spring-cloud-gateway. `default-filters`
//! are for routes of settings alone (`RouteDefinitionRouteLocator`).

use super::Definition;
use super::filters::Filter;
use crate::config::files::Files;
use crate::gateway::hop::Place;
use crate::syntax::code::{Call, Piece, pieces};

/// More routes of one file are not looked at.
const MOST: usize = 1024;
/// How something is written that is not known: as what settings would have filled in.
const UNKNOWN: &str = "${}";
/// Methods of builders that are called otherwise than the filters of settings.
const NAMES: &[(&str, &str)] = &[
    ("jsonToGRPC", "JsonToGrpc"),
    ("preserveHost", "PreserveHostHeader"),
    ("redirect", "RedirectTo"),
    ("removeJsonAttributes", "RemoveJsonAttributesResponseBody"),
    ("setHostHeader", "SetRequestHostHeader"),
    ("setRequestHeaderSize", "RequestHeaderSize"),
    ("setRequestSize", "RequestSize"),
];
/// What runs a part of the code sometimes.
const CHOICES: &[&str] = &["if", "else", "for", "while", "when", "switch", "try"];
/// Methods of HTTP that have a predicate of their own on Spring MVC.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Whether a text has routes.
pub(super) fn recognises(name: &str, text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    !name.contains("src/test/")
        && has("springframework.cloud.gateway")
        && has("route")
        && (has("RouteLocatorBuilder") || has("gateway.server.mvc"))
}

/// The routes of a file.
pub(super) fn read(files: &Files, file: u32) -> Vec<Definition> {
    let text = files.get(file);
    let code = Code { file, kotlin: text.path().ends_with(".kt") };
    let mut routes = Vec::new();
    code.within(&pieces(&text.text), &mut routes);
    routes.truncate(MOST);
    routes
}

struct Code {
    file: u32,
    kotlin: bool,
}

impl Code {
    /// Looks for routes in all that is called.
    fn within(&self, pieces: &[Piece<'_>], routes: &mut Vec<Definition>) {
        for (at, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Call(call) => {
                    let found = routes.len();
                    if call.name == "route" {
                        match self.located(call) {
                            Some(route) => routes.push(route),
                            // Further on in a chain it has been seen from its beginning.
                            None if matches!(pieces[..at], [.., Piece::Call(_), Piece::Sign(b'.')]) => {}
                            None => self.served(call, &pieces[at + 1..], routes),
                        }
                    }
                    if routes.len() == found {
                        call.arguments.iter().for_each(|argument| self.within(argument, routes));
                    }
                }
                Piece::Group(inside) => self.within(inside, routes),
                _ => {}
            }
        }
    }

    /// `route("id", r -> r.path("/a/**").filters(f -> …).uri("http://a"))`.
    fn located(&self, call: &Call<'_>) -> Option<Definition> {
        let body = body(call.arguments.last()?)?;
        let calls = calls(&body);
        let to = calls.iter().find(|call| call.name == "uri")?;
        let mut filters = Vec::new();
        let mut predicates = Vec::new();
        for call in &calls {
            match call.name {
                "filters" => filters.extend(self.chain(call)),
                "uri" | "and" | "metadata" | "customize" => {}
                _ => predicates.push(self.filter(call)),
            }
        }
        // Alternatives are more than one predicate can say.
        if is_choice(&body) || calls.iter().any(|call| matches!(call.name, "or" | "negate" | "not")) {
            predicates.iter_mut().for_each(Filter::forget);
        }
        let id = call.arguments.first().filter(|_| call.arguments.len() > 1).and_then(|id| self.text(id));
        Some(Definition { id, uri: self.argument(to), place: self.place(to), filters, predicates })
    }

    /// `route("id").GET("/a", http()).before(uri("http://a")).filter(…).build()`, and what comes `after` the first call.
    fn served(&self, first: &Call<'_>, after: &[Piece<'_>], routes: &mut Vec<Definition>) {
        let id = first.arguments.first().and_then(|id| self.text(id));
        let (mut to, mut filters) = (None, Vec::new());
        let mut handled: Vec<(&Call<'_>, Option<String>)> = Vec::new();
        // The path that a predicate asks for.
        let asked = |predicate: &Call<'_>| (predicate.name == "path").then(|| self.argument(predicate));
        if let [predicate, _] = first.arguments.as_slice() {
            handled.push((first, named(predicate).and_then(asked)));
        }
        let mut rest = after;
        while let [Piece::Sign(b'.'), Piece::Call(call), tail @ ..] = rest {
            rest = tail;
            let function = call.arguments.first().and_then(|argument| named(argument));
            match (call.name, function) {
                ("before" | "filter", Some(function)) => match function.name {
                    "uri" => to = Some((self.argument(function), self.place(function))),
                    "lb" => to = Some((format!("lb://{}", self.argument(function)), self.place(function))),
                    "routeId" => {}
                    _ => filters.push(self.filter(function)),
                },
                ("before" | "filter", None) => filters.push(self.filter(call)),
                ("route", _) => handled.push((call, function.and_then(asked))),
                (method, _) if METHODS.contains(&method) => {
                    handled.push((call, call.arguments.first().and_then(|path| self.text(path))));
                }
                ("build", _) => break,
                ("after" | "onError" | "withAttribute" | "withAttributes", _) => {}
                // Routes within routes, with filters of their own.
                _ => return,
            }
        }
        for (call, path) in handled {
            let Some(http) = call.arguments.last().and_then(|handler| named(handler)).filter(|one| one.name == "http")
            else {
                continue;
            };
            // An older way to say where it goes.
            let here = http.arguments.first().map(|_| (self.argument(http), self.place(http)));
            let (uri, place) = here.or_else(|| to.clone()).unwrap_or_else(|| (UNKNOWN.to_owned(), self.place(call)));
            let path = path.map(|path| Filter::of("Path", vec![path], self.place(call)));
            let predicates = vec![path.unwrap_or_else(|| Filter::of("Other", Vec::new(), self.place(call)))];
            routes.push(Definition { id: id.clone(), uri, place, filters: filters.clone(), predicates });
        }
    }

    /// The filters of a chain, in order.
    fn chain(&self, call: &Call<'_>) -> Vec<Filter> {
        let unread = || vec![Filter::of("code", Vec::new(), self.place(call))];
        let Some(body) = call.arguments.last().and_then(|argument| body(argument)) else { return unread() };
        if is_choice(&body) {
            return unread();
        }
        calls(&body).into_iter().map(|call| self.filter(call)).collect()
    }

    fn filter(&self, call: &Call<'_>) -> Filter {
        let known = NAMES.iter().find(|(method, _)| *method == call.name).map(|(_, name)| (*name).to_owned());
        let name = known.unwrap_or_else(|| {
            let (first, rest) = call.name.split_at(call.name.chars().next().map_or(0, char::len_utf8));
            first.to_ascii_uppercase() + rest
        });
        let arguments = call.arguments.iter().map(|one| self.text(one).unwrap_or_else(|| UNKNOWN.to_owned())).collect();
        Filter::of(&name, arguments, self.place(call))
    }

    fn argument(&self, call: &Call<'_>) -> String {
        call.arguments.first().and_then(|one| self.text(one)).unwrap_or_else(|| UNKNOWN.to_owned())
    }

    /// The text of an argument: texts put together, and `${}` for each part that is none. `None` where it is no text at all.
    fn text(&self, argument: &[Piece<'_>]) -> Option<String> {
        // `id = "a"`
        let argument = match argument {
            [Piece::Word(_), Piece::Sign(b'='), rest @ ..] => rest,
            all => all,
        };
        // `URI.create("http://a")`
        if let [Piece::Word("URI"), Piece::Sign(b'.'), Piece::Call(call)] = argument {
            return (call.name == "create").then(|| self.text(call.arguments.first()?)).flatten();
        }
        if let [Piece::Word(number)] = argument
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Some((*number).to_owned());
        }
        if let [Piece::Word("HttpHeaders"), Piece::Sign(b'.'), Piece::Word(name)] = argument {
            return Some(name.replace('_', "-"));
        }
        let mut text = String::new();
        let mut any = false;
        for part in argument.split(|piece| *piece == Piece::Sign(b'+')) {
            match part {
                [Piece::Text(part)] => {
                    any = true;
                    text += &self.unescaped(part);
                }
                _ => text += UNKNOWN,
            }
        }
        any.then_some(text)
    }

    /// A text as the program has it. What Kotlin fills in is not known.
    fn unescaped(&self, text: &str) -> String {
        let mut plain = String::with_capacity(text.len());
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\\' => plain.extend(rest.next()),
                '$' if self.kotlin && rest.peek().is_some_and(|next| *next == '{' || next.is_alphabetic()) => {
                    plain += UNKNOWN;
                    let braces = rest.peek() == Some(&'{');
                    let inside = |c: &char| if braces { *c != '}' } else { c.is_alphanumeric() || *c == '_' };
                    while rest.next_if(inside).is_some() {}
                    rest.next_if(|_| braces);
                }
                c => plain.push(c),
            }
        }
        plain
    }

    fn place(&self, call: &Call<'_>) -> Place {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Place { file: self.file, start: offset(call.start), end: offset(call.end) }
    }
}

/// What a function does that stands there itself: `f -> …`, or a block.
fn body<'a>(argument: &[Piece<'a>]) -> Option<Vec<Piece<'a>>> {
    let arrow = argument.windows(2).position(|pair| pair == [Piece::Sign(b'-'), Piece::Sign(b'>')]);
    let inside = match arrow {
        Some(at) => &argument[at + 2..],
        // A block of Kotlin, in which the builder needs no name.
        None if argument.iter().any(|piece| matches!(piece, Piece::Call(_))) => argument,
        None => return None,
    };
    match inside {
        [Piece::Group(block)] => Some(block.clone()),
        all => Some(all.to_vec()),
    }
}

/// What is called, one after the other.
fn calls<'p, 'a>(body: &'p [Piece<'a>]) -> Vec<&'p Call<'a>> {
    let call = |piece: &'p Piece<'a>| match piece {
        Piece::Call(call) => Some(call),
        _ => None,
    };
    body.iter().filter_map(call).collect()
}

/// The function that an argument names: `stripPrefix(1)`, `BeforeFilterFunctions.stripPrefix(1)`.
fn named<'p, 'a>(argument: &'p [Piece<'a>]) -> Option<&'p Call<'a>> {
    match argument {
        [Piece::Call(call)] | [Piece::Word(_), Piece::Sign(b'.'), Piece::Call(call)] => Some(call),
        _ => None,
    }
}

/// Whether parts of it are run only sometimes.
fn is_choice(body: &[Piece<'_>]) -> bool {
    body.iter().any(|piece| match piece {
        Piece::Word(word) => CHOICES.contains(word),
        Piece::Call(call) => CHOICES.contains(&call.name),
        Piece::Sign(sign) => *sign == b'?',
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::files::Text;
    use crate::origin::Origin;

    /// `path -> uri: filters` of each route.
    fn routes(name: &str, code: &str) -> Vec<String> {
        let text = Text::new(Arc::new(Origin::file(name.into())), code.as_bytes().to_vec());
        let said = |filters: &[Filter]| {
            let one = |filter: &Filter| format!("{}({})", filter.name, filter.all().join(", "));
            filters.iter().map(one).collect::<Vec<_>>().join(" ")
        };
        let all = read(&Files::new(vec![text]), 0);
        all.iter()
            .map(|route| format!("{} -> {}: {}", said(&route.predicates), route.uri, said(&route.filters)))
            .collect()
    }

    #[test]
    fn builders_of_java() {
        let code = r#"
            return builder.routes()
                .route("a", r -> r.path("/a/**").and().host("a.example")
                    .filters(f -> f.stripPrefix(1) // .removeRequestHeader("X")
                        .rewritePath("/a/(?<rest>.*)", "/${rest}").setRequestHeader(HttpHeaders.AUTHORIZATION, "Bearer " + token)
                        .filter(own).retry(c -> c.setRetries(3)))
                    .uri("lb://a"))
                .route(r -> r.path("/b").or().path("/c").filters(f -> { if (on) { f.removeRequestHeader("DPoP"); } return f; }).uri(B))
                .route("d", r -> r.path("/d").filters(this::common).uri(URI.create("http://d")))
                .build();"#;
        assert_eq!(
            routes("Routes.java", code),
            [
                "Path(/a/**) Host(a.example) -> lb://a: StripPrefix(1) RewritePath(/a/(?<rest>.*), /${rest}) \
                 SetRequestHeader(AUTHORIZATION, Bearer ${}) Filter(${}) Retry(${})",
                "Path(${}) Or(${}) Path(${}) -> ${}: code()",
                "Path(/d) -> http://d: code()",
            ]
        );
    }

    #[test]
    fn builders_of_kotlin() {
        let code = r#"
            fun routes(builder: RouteLocatorBuilder) = builder.routes {
                route(id = "a") {
                    path("/a/**") and method("GET")
                    filters { removeRequestHeader("DPoP")
                        setRequestHeader("X-Env", "$env-1") }
                    uri("http://a:${port}")
                }
                route("b") { r -> r.path("/b").uri("http://b") }
            }"#;
        assert_eq!(
            routes("Routes.kt", code),
            [
                "Path(/a/**) Method(GET) -> http://a:${}: RemoveRequestHeader(DPoP) SetRequestHeader(X-Env, ${}-1)",
                "Path(/b) -> http://b: ",
            ]
        );
    }

    #[test]
    fn functions_on_spring_mvc() {
        let code = r#"
            RouterFunction<ServerResponse> all() {
                return route("a").GET("/a", http()).route(path("/b/**"), http("http://b")).POST("/own", this::answer)
                    .before(uri("http://a")).before(BeforeFilterFunctions.removeRequestHeader("DPoP")).filter(lb)
                    .build().and(GatewayRouterFunctions.route(RequestPredicates.path("/c"), HandlerFunctions.http("http://c")));
            }"#;
        assert_eq!(
            routes("Routes.java", code),
            [
                "Path(/a) -> http://a: RemoveRequestHeader(DPoP) Filter(${})",
                "Path(/b/**) -> http://b: RemoveRequestHeader(DPoP) Filter(${})",
                "Path(/c) -> http://c: ",
            ]
        );
    }
}
