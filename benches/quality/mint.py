"""Makes synthetic tokens: random bodies, true structure, and for each one the judgement that it must get.

The formats are taken from the issuers' documents and the RFCs, not from the scanner's rule files, so that the two
can disagree.
"""

import base64
import json
import random
import string
import zlib
from dataclasses import dataclass

NOW_TEXT = "2026-06-15T12:00:00Z"
NOW = 1_781_524_800
HOUR, DAY, YEAR = 3600, 86_400, 31_536_000

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
BASE36 = string.digits + string.ascii_lowercase
WORD = BASE62 + "-_"

BOUND = frozenset({"x5t#S256", "jkt", "jwk"})
"""The bindings that hold: a bound token is of no use to somebody without the key."""

SIGNATURE_BYTES = {
    "HS256": 32, "HS384": 48, "HS512": 64, "RS256": 256, "RS512": 512, "PS256": 256,
    "ES256": 64, "ES384": 96, "EdDSA": 64,
}


@dataclass(frozen=True)
class Verdict:
    """What must be said of a token. A set holds every acceptable answer, `None` means that it is not checked."""

    binding: frozenset | None = None
    state: frozenset | None = None
    ttl: frozenset | None = None
    expires: int | None = None
    faults: frozenset = frozenset()


@dataclass(frozen=True)
class Token:
    """A token, what it is, and where it may be planted."""

    text: str
    label: str                      # the class it belongs to, for the tables
    family: str                     # the row of the family table
    names: tuple = ("*",)           # patterns of family slugs that name it rightly
    verdict: Verdict | None = None
    carriers: tuple = ()            # names of carriers, empty: any general one
    before: int = 0                 # how many bytes before its start a finding may begin
    after: int = 0                  # how many bytes after its start a finding may begin
    start_only: bool = False        # its fingerprint can't be told (form is the scanner's choice)


def words(*items):
    """A set of acceptable answers."""
    return frozenset(items)


def b64u(data):
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base_n(number, alphabet, width):
    """`number` in the alphabet's base, padded to the left."""
    digits = ""
    while number:
        number, digit = divmod(number, len(alphabet))
        digits = alphabet[digit] + digits
    return digits.rjust(width, alphabet[0])


def compact(value):
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def _first(header, *names):
    """The header with these members first."""
    return {name: header[name] for name in (*names, *header) if name in header}


HEADER_SPELLINGS = {
    "alg first": lambda h: compact(_first(h, "alg")),
    "typ first": lambda h: compact(_first(h, "typ")),
    "kid first": lambda h: compact(_first({"kid": "key-2026-05", **h}, "kid")),
    "blank": lambda h: "{ " + compact(h)[1:],
    "spaced": json.dumps,
    "lines": lambda h: json.dumps(h, indent=2),
    "crlf lines": lambda h: json.dumps(h, indent=2).replace("\n", "\r\n"),
    "tab": lambda h: "{\t" + compact(h)[1:],
    "tabbed lines": lambda h: json.dumps(h, indent="\t"),
}

LIFETIMES = (
    "live", "short", "long", "month", "last second", "expires now", "expired", "long expired", "not yet", "nbf now",
    "no exp", "exp null", "far exp", "ms exp", "ms all", "string exp", "no number", "no iat", "nbf for iat",
    "beyond 64 bits", "exponent", "fraction", "exp twice, last dead", "exp twice, last live",
)

BINDINGS = (
    "none", "x5t", "jkt", "jwk ec", "jwk rsa", "jwk okp", "empty", "null", "string", "array", "unknown member",
    "sha1", "hex thumbprint", "padded thumbprint", "standard alphabet", "short thumbprint", "empty thumbprint",
    "number", "two methods", "kid", "jku", "jwe", "private jwk", "private rsa jwk", "oct jwk", "CNF", "ext.cnf",
    "act.cnf", "twice, last empty", "twice, last jkt", "escaped name",
)


class Mint:
    """A source of synthetic tokens; the same seed mints the same ones."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    # --- random texts -------------------------------------------------------------------------------------------

    def chars(self, alphabet, count):
        """Random characters."""
        return "".join(self.rng.choices(alphabet, k=count))

    def hex(self, count):
        """Random hexadecimal digits."""
        return self.chars("0123456789abcdef", count)

    def digits(self, count):
        """A random number of that many digits."""
        return self.chars("123456789", 1) + self.chars(string.digits, count - 1)

    def word(self, count):
        """Random base64url characters that end in a letter or digit."""
        return self.chars(WORD, count - 1) + self.chars(BASE62, 1)

    def bytes_b64u(self, count):
        """Random bytes in base64url."""
        return b64u(self.rng.randbytes(count))

    def uuid(self):
        """A random UUID."""
        digits = self.hex(32)
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def with_crc62(self, prefix, count):
        """Prefix, random body and its CRC-32 in base62 (GitHub, npm)."""
        body = self.chars(BASE62, count)
        return prefix + body + base_n(zlib.crc32(body.encode()), BASE62, 6)

    def gitlab_routable(self, prefix, version=""):
        """GitLab's routable token: payload, its length and a CRC-32 over all before it in base36."""
        route = f"o:{self.rng.randrange(1, 99)}\nu:{base_n(self.rng.randrange(1, 99999), BASE36, 2)}".encode()
        payload = b64u(route + self.rng.randbytes(16) + b"\x10")
        text = f"{prefix}{payload}.{version}{base_n(len(payload), BASE36, 2)}"
        return text + base_n(zlib.crc32(text.encode()), BASE36, 7)

    # --- JOSE ---------------------------------------------------------------------------------------------------

    def jws(self, claims, alg="RS256", typ="JWT", spelling="alg first", header=None):
        """A JWS with a random signature of the right length; for `alg` none it ends with the dot."""
        members = {"alg": alg, **({"typ": typ} if typ else {}), **(header or {})}
        head = b64u(HEADER_SPELLINGS[spelling](members).encode())
        text = (compact if self.rng.random() < 0.8 else json.dumps)(claims)
        # Members that a dict can't hold: `x again` is a second `x`, and `cnf escaped` is spelt with an escape.
        body = b64u(text.replace(' again":', '":').replace('"cnf escaped":', '"c\\u006ef":').encode())
        signature = "" if alg.lower() == "none" else self.bytes_b64u(SIGNATURE_BYTES[alg])
        return f"{head}.{body}.{signature}"

    def jwe(self, alg, enc, header=None):
        """A JWE with random segments of the right lengths."""
        members = {"alg": alg, "enc": enc, **(header or {})}
        if alg.startswith("ECDH-ES"):
            members["epk"] = self.public_jwk("EC")
        key = {"dir": 0, "ECDH-ES": 0, "RSA-OAEP": 256, "RSA-OAEP-256": 256, "A256KW": 40}[alg]
        iv, tag = (12, 16) if enc.endswith("GCM") else (16, 16 if enc.startswith("A128") else 32)
        text = 16 * self.rng.randrange(8, 40)
        return ".".join([b64u(compact(members).encode())] + [self.bytes_b64u(n) for n in (key, iv, text, tag)])

    def public_jwk(self, kind):
        """A public key as JWK."""
        b = self.bytes_b64u
        return {
            "EC": lambda: {"kty": "EC", "crv": "P-256", "x": b(32), "y": b(32)},
            "OKP": lambda: {"kty": "OKP", "crv": "Ed25519", "x": b(32)},
            "RSA": lambda: {"kty": "RSA", "n": b(256), "e": "AQAB"},
        }[kind]()

    def confirmation(self, kind):
        """Claims with that form of `cnf`, the acceptable bindings, and the fault that must be named."""
        b = self.bytes_b64u
        none, bad, leaked = words("none"), words("malformed"), words("self-leaked")
        empty = words("none", "malformed")      # it binds nothing, under either word
        table = {
            "none": lambda: ({}, none, "jwt-unbound"),
            "x5t": lambda: ({"cnf": {"x5t#S256": b(32)}}, words("x5t#S256"), None),
            "jkt": lambda: ({"cnf": {"jkt": b(32)}}, words("jkt"), None),
            "jwk ec": lambda: ({"cnf": {"jwk": self.public_jwk("EC")}}, words("jwk"), None),
            "jwk rsa": lambda: ({"cnf": {"jwk": self.public_jwk("RSA")}}, words("jwk"), None),
            "jwk okp": lambda: ({"cnf": {"jwk": self.public_jwk("OKP")}}, words("jwk"), None),
            "empty": lambda: ({"cnf": {}}, empty, "jwt-cnf-empty"),
            "null": lambda: ({"cnf": None}, empty, "jwt-cnf-empty"),
            "string": lambda: ({"cnf": b(32)}, bad, "jwt-cnf-malformed"),
            "array": lambda: ({"cnf": [{"jkt": b(32)}]}, bad, "jwt-cnf-malformed"),
            "unknown member": lambda: ({"cnf": {"thumb": b(32)}}, empty, "jwt-cnf-unknown-method"),
            "sha1": lambda: ({"cnf": {"x5t": b(20)}}, empty, "jwt-cnf-sha1"),
            "hex thumbprint": lambda: self._thumbprint(self.hex(64)),
            "padded thumbprint": lambda: self._thumbprint(b(32) + "="),
            "standard alphabet": lambda: self._thumbprint(b(15) + "+/" + b(15) + "A"),
            "short thumbprint": lambda: self._thumbprint(b(20)),
            "empty thumbprint": lambda: self._thumbprint(""),
            "number": lambda: self._thumbprint(self.rng.randrange(10**12)),
            "two methods": lambda: (
                {"cnf": {"jkt": b(32), "x5t#S256": b(32)}}, words("x5t#S256", "jkt"), "jwt-cnf-multiple"),
            "kid": lambda: ({"cnf": {"kid": self.uuid()}}, words("kid"), "jwt-cnf-kid-only"),
            "jku": lambda: (
                {"cnf": {"jku": "https://keys.example.com/jwks.json", "kid": self.hex(8)}}, words("jku"),
                "jwt-cnf-jku"),
            "jwe": lambda: ({"cnf": {"jwe": self.jwe("RSA-OAEP", "A256GCM")}}, words("jwe"), None),
            "private jwk": lambda: (
                {"cnf": {"jwk": {**self.public_jwk("EC"), "d": b(32)}}}, leaked, "jwt-cnf-private-jwk"),
            "private rsa jwk": lambda: (
                {"cnf": {"jwk": {**self.public_jwk("RSA"), "d": b(256), "p": b(128), "q": b(128)}}}, leaked,
                "jwt-cnf-private-jwk"),
            "oct jwk": lambda: ({"cnf": {"jwk": {"kty": "oct", "k": b(32)}}}, leaked, "jwt-cnf-symmetric-jwk"),
            "CNF": lambda: ({"CNF": {"jkt": b(32)}}, none, "jwt-unbound"),
            "ext.cnf": lambda: ({"ext": {"cnf": {"jkt": b(32)}}}, none, "jwt-unbound"),
            "act.cnf": lambda: ({"act": {"sub": "svc", "cnf": {"jkt": b(32)}}}, none, "jwt-unbound"),
            # RFC 7519, section 4: of two members with one name, the last counts.
            "twice, last empty": lambda: ({"cnf": {"jkt": b(32)}, "cnf again": {}}, empty, None),
            "twice, last jkt": lambda: ({"cnf": {}, "cnf again": {"jkt": b(32)}}, words("jkt", "malformed"), None),
            "escaped name": lambda: ({"cnf escaped": {"jkt": b(32)}}, words("jkt"), None),
        }
        return table[kind]()

    def _thumbprint(self, value):
        name = self.rng.choice(["x5t#S256", "jkt"])
        return {"cnf": {name: value}}, words("malformed"), "jwt-cnf-thumbprint-malformed"

    def lifetime(self, kind):
        """Time claims of that kind, the acceptable states and lifetimes, and `exp` in seconds where it is plain."""
        ago = self.rng.randrange(60, 1800)
        iat, live = NOW - ago, words("live")

        def plain(start, seconds, states=live, **more):
            return {"iat": start, **more, "exp": start + seconds}, states, words(seconds), start + seconds

        soft = words("unknown", "live", "never-expires")        # whatever it is called, not harmless
        table = {
            "live": lambda: plain(iat, HOUR),
            "short": lambda: plain(NOW - 30, self.rng.randrange(60, 300)),
            "long": lambda: plain(iat, DAY * self.rng.randrange(1, 8)),
            "month": lambda: plain(iat, 45 * DAY),
            "last second": lambda: plain(NOW - HOUR + 1, HOUR),
            "expires now": lambda: plain(NOW - HOUR, HOUR, words("expired")),
            "expired": lambda: plain(NOW - 2 * HOUR - ago, HOUR, words("expired")),
            "long expired": lambda: plain(NOW - YEAR - ago, DAY, words("expired")),
            "not yet": lambda: plain(iat, 2 * HOUR, words("not-yet"), nbf=NOW + 600),
            "nbf now": lambda: plain(NOW, 900, nbf=NOW),
            "no exp": lambda: ({"iat": iat}, words("never-expires"), words(None), None),
            "exp null": lambda: ({"iat": iat, "exp": None}, words("never-expires", "unknown"), words(None), None),
            "far exp": lambda: plain(iat, 10 * YEAR),
            "ms exp": lambda: (
                {"iat": iat, "exp": (iat + HOUR) * 1000}, live, words(None, HOUR), None),
            "ms all": lambda: (
                {"iat": iat * 1000, "exp": (iat + HOUR) * 1000}, live, words(None, HOUR), None),
            "string exp": lambda: ({"iat": iat, "exp": str(iat + HOUR)}, soft, words(None, HOUR), None),
            "no number": lambda: ({"iat": iat, "exp": self.rng.choice([True, [], {}])}, soft, words(None), None),
            "no iat": lambda: ({"exp": iat + HOUR}, live, words(None), iat + HOUR),
            "nbf for iat": lambda: ({"nbf": iat, "exp": iat + HOUR}, live, words(None, HOUR), iat + HOUR),
            "beyond 64 bits": lambda: ({"iat": iat, "exp": 10**25}, words("live", "never-expires"), None, None),
            "exponent": lambda: ({"iat": iat, "exp": 1e30}, words("live", "never-expires"), None, None),
            "fraction": lambda: (
                {"iat": iat + 0.25, "exp": iat + HOUR + 0.5}, live, words(HOUR, HOUR + 1), iat + HOUR),
            "exp twice, last dead": lambda: (
                {"iat": iat - HOUR, "exp": iat + HOUR, "exp again": iat - 1}, words("expired"), words(HOUR - 1),
                iat - 1),
            "exp twice, last live": lambda: (
                {"iat": iat, "exp": iat + 1, "exp again": iat + HOUR}, live, words(HOUR), iat + HOUR),
        }
        return table[kind]()

    def access(self, label, binding="none", lifetime="live", typ="at+jwt", extra=None, **spelling):
        """An access token in the shape of RFC 9068, with that form of `cnf` and those times."""
        cnf, bindings, fault = self.confirmation(binding)
        times, states, ttl, expires = self.lifetime(lifetime)
        claims = {
            "iss": "https://login.example.com",
            "sub": f"user-{self.rng.randrange(1000)}",
            "aud": "https://api.example.com",
            "client_id": f"shop-{self.hex(4)}",
            "scope": "orders.read orders.write",
            **times,
            "jti": self.uuid(),
            **cnf,
            **(extra or {}),
        }
        # A fault is asked for where the token is of use: of a dead one a scanner may say less.
        named = words(fault) if fault and states == words("live") else frozenset()
        text = self.jws(claims, typ=typ, **spelling)
        names = ("jwt-access",) if typ and typ.endswith("at+jwt") else ("jwt-access", "jwt")
        return Token(text, label, "jwt-access", names, Verdict(bindings, states, ttl, expires, named))

    def opaque(self):
        """A bearer token without a shape of its own; only its context gives it away."""
        text = self.rng.choice([
            lambda: self.word(self.rng.randrange(32, 64)),
            lambda: self.chars(BASE62, 40),
            lambda: self.hex(self.rng.choice([40, 64])),
            lambda: f"{self.chars(BASE62, 24)}.{self.word(27)}",
        ])()
        return Token(text, "opaque", "opaque bearer", ("opaque*",))


def general_jwts(mint):
    """The classes of JWTs and JWEs that no particular issuer stands behind."""
    rng = mint.rng
    algs, spellings = list(SIGNATURE_BYTES), list(HEADER_SPELLINGS)
    turn = iter(range(10**6))

    def varied():
        number = next(turn)
        return {"alg": algs[number % len(algs)], "spelling": spellings[number // 2 % len(spellings)]}

    for kind in BINDINGS:
        for lifetime in ("live", "expired", rng.choice(["long", "no exp", "short"])):
            yield mint.access(f"cnf {kind}", binding=kind, lifetime=lifetime, **varied())
    for kind in LIFETIMES:
        for binding in ("none", "none", rng.choice(["jkt", "x5t", "jwk ec"]), rng.choice(["empty", "kid"])):
            yield mint.access(f"life {kind}", binding=binding, lifetime=kind, **varied())
    for spelling in spellings:
        for alg in rng.sample(algs, 4):
            typ = rng.choice(["at+jwt", "JWT", None, "application/at+jwt"])
            yield mint.access(f"head {spelling}", spelling=spelling, alg=alg, typ=typ)
    for alg in ("none", "None", "NONE", "nOnE") * 2:
        token = mint.access("unsecured", alg=alg, binding=rng.choice(["none", "jkt"]), lifetime="live",
                            spelling=rng.choice(spellings))
        faults = token.verdict.faults | words("jwt-alg-none")
        yield Token(token.text, token.label, "jwt unsecured", ("jwt*",),
                    Verdict(token.verdict.binding, token.verdict.state, token.verdict.ttl, token.verdict.expires,
                            faults))
    for _ in range(3):
        yield mint.access("long claims", binding="jkt", extra={"groups": [mint.uuid() for _ in range(200)]})
        inner = mint.access("", lifetime="live").text
        token = mint.access("token in a claim", extra={"user_token": inner})
        yield Token(token.text, token.label, token.family, token.names,
                    Verdict(token.verdict.binding, token.verdict.state, token.verdict.ttl, token.verdict.expires,
                            token.verdict.faults | words("jwt-nested-token")))
    yield from _encrypted(mint)
    yield from _jws_json(mint)
    yield from _proofs_and_messages(mint)
    yield from _sd_jwts(mint)


def _encrypted(mint):
    unknown = Verdict(words("unknown"), words("unknown"), words(None))
    forms = [("dir", "A256GCM"), ("dir", "A128CBC-HS256"), ("RSA-OAEP", "A256GCM"), ("RSA-OAEP-256", "A256CBC-HS512"),
             ("ECDH-ES", "A128GCM"), ("A256KW", "A256GCM")]
    for alg, enc in forms * 2:
        yield Token(mint.jwe(alg, enc), f"jwe {alg}", "jwe", ("jwe", "*refresh*"), unknown)
    for _ in range(4):
        yield Token(mint.jwe("RSA-OAEP", "A256GCM", {"cty": "JWT", "kid": mint.hex(8)}), "nested: jwt in jwe", "jwe",
                    ("jwe",), unknown)


def _jws_json(mint):
    for number in range(8):
        binding = ("none", "jkt", "empty", "x5t")[number % 4]
        token = mint.access("", binding=binding, lifetime=("live", "expired")[number % 2], alg="ES256")
        protected, payload, signature = token.text.split(".")
        signatures = [{"protected": protected, "signature": signature}]
        if number % 2:
            signatures.append({"protected": protected, "header": {"kid": mint.hex(6)},
                               "signature": mint.bytes_b64u(64)})
        general = number >= 4
        value = {"payload": payload, "signatures": signatures} if general else \
            {"payload": payload, "protected": protected, "signature": signature}
        text = (compact, json.dumps)[number % 2](value)
        yield Token(text, f"jws-json {'general' if general else 'flattened'}", "jws-json", ("jws*", "jwt*"),
                    token.verdict, ("json document",), after=len(text), start_only=True)


def _proofs_and_messages(mint):
    rng = mint.rng
    for _ in range(6):
        yield dpop_proof(mint)
        yield id_token(mint)
    times = {"iat": NOW - 30, "exp": NOW + 90, "jti": mint.uuid()}
    event = {"http://schemas.openid.net/event/" + "backchannel-logout": {}}
    harmless = Verdict(None, words("live"), words(120), NOW + 90)
    for typ in ("logout+jwt", "logout+jwt", "JWT", "JWT"):
        claims = {"iss": "https://login.example.com", "aud": "shop-web", **times, "sid": mint.uuid(), "events": event}
        yield Token(mint.jws(claims, typ=typ), "logout token", "jwt-logout", ("jwt-logout",), harmless,
                    ("logout message", "json log"))
    for alg in ("PS256", "RS256", "ES256", "EdDSA", "HS256"):
        client = f"job-{mint.hex(4)}"
        start = NOW - rng.randrange(20, 200)
        claims = {"iss": client, "sub": client, "aud": "https://login.example.com/token", "iat": start,
                  "exp": start + 300, "jti": mint.uuid()}
        yield Token(mint.jws(claims, alg), "client assertion", "jwt-client-assertion", ("jwt-client-assertion",),
                    Verdict(words("none", "unknown"), words("live"), words(300), start + 300),
                    ("client assertion", "json log"))
    for _ in range(3):
        claims = {"iss": "shop-web", "aud": "https://login.example.com", "client_id": "shop-web",
                  "response_type": "code", "redirect_uri": "https://shop.example.com/cb", "scope": "openid",
                  "iat": NOW - 60, "exp": NOW + 540}
        yield Token(mint.jws(claims, "ES256", "oauth-authz-req+jwt"), "request object", "jwt-request-object",
                    ("jwt-request-object",), Verdict(None, words("live"), words(600), NOW + 540),
                    ("authorization request",))


def dpop_proof(mint):
    """A DPoP proof: no access by itself, and the key is in its header."""
    claims = {"jti": mint.bytes_b64u(12), "htm": "POST", "htu": "https://api.example.com/orders", "iat": NOW - 5}
    text = mint.jws(claims, "ES256", "dpop+jwt", "typ first", {"jwk": mint.public_jwk("EC")})
    return Token(text, "dpop proof", "jwt-dpop-proof", ("jwt-dpop-proof",), Verdict(), ("dpop header", "json log"))


def id_token(mint):
    """An OpenID Connect ID token."""
    start = NOW - mint.rng.randrange(60, 7000)
    claims = {"iss": "https://login.example.com", "sub": mint.digits(9), "aud": "shop-web", "iat": start,
              "exp": start + HOUR, "nonce": mint.word(16), "at_hash": mint.bytes_b64u(16), "auth_time": start - 3,
              "email": "robin@example.com"}
    state = words("live" if start + HOUR > NOW else "expired")
    return Token(mint.jws(claims, "RS256"), "id token", "jwt-id", ("jwt-id",),
                 Verdict(words("none"), state, words(HOUR), start + HOUR),
                 ("id token message", "url fragment id token"))


def _sd_jwts(mint):
    for number in range(6):
        start = NOW - 30 * DAY
        bound = number % 2 == 0
        claims = {"iss": "https://issuer.example.com", "vct": "https://issuer.example.com/member", "iat": start,
                  "exp": start + YEAR, "_sd_alg": "sha-256", "_sd": [mint.bytes_b64u(32) for _ in range(2)],
                  **({"cnf": {"jwk": mint.public_jwk("EC")}} if bound else {})}
        parts = [mint.jws(claims, "ES256", "dc+sd-jwt")]
        parts += [b64u(compact([mint.bytes_b64u(16), name, "Robin"]).encode()) for name in ("given_name", "nickname")]
        key_binding = {"iat": NOW - 9, "aud": "https://shop.example.com", "nonce": mint.word(12),
                       "sd_hash": mint.bytes_b64u(32)}
        parts.append(mint.jws(key_binding, "ES256", "kb+jwt") if number % 3 == 0 else "")
        yield Token("~".join(parts), "sd-jwt", "sd-jwt", ("sd-jwt",),
                    Verdict(words("jwk") if bound else words("none"), words("live"), words(YEAR), start + YEAR))
