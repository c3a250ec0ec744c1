"""The tokens of platforms: prefixed families beyond those of `issuers.py`, tokens that carry their own expiry, and secrets
that only what stands before them tells.

A row says what the issuer's documents or sources say: prefix, alphabet, length, checksum, structure. Prefixes stand here in
pieces.
"""

import base64
import datetime
import json
import string
import struct
import zlib

from quality.mint import BASE36, BASE62, DAY, HOUR, NOW, YEAR, Token, Verdict, b64u, compact, words

BASE32 = string.ascii_lowercase + "234567"
HEX_UPPER = "0123456789ABCDEF"
UPPER36 = string.digits + string.ascii_uppercase


def b64(data):
    """base64 with padding."""
    return base64.b64encode(data).decode()


def at(seconds, form="%Y-%m-%dT%H:%M:%SZ"):
    """A time as text, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime(form)


def platform_tokens(mint):
    """Everything in this file."""
    yield from opaque_families(mint)
    yield from named_families(mint)
    yield from self_describing(mint)
    yield from public_keys(mint)


# --- families with a prefix -------------------------------------------------------------------------------------------

def opaque_families(m):
    """Three tokens of every prefixed family and form."""
    c, rng = m.chars, m.rng
    rows = [
        ("groq", "groq", lambda: "gs" "k_" + c(BASE62, 52)),
        ("perplexity", "perplexity", lambda: "ppl" "x-" + c(BASE62, 48)),
        ("xai", "xai", lambda: "xa" "i-" + c(BASE62, 80)),
        ("replicate", "replicate", lambda: "r8" "_" + c(BASE62, 37)),
        ("nvidia", "nvidia", lambda: "nva" "pi-" + m.word(64)),
        ("bedrock-long", "bedrock*", lambda: "ABS" "K" + b64(
            f"BedrockAPIKey-{c(BASE36, 4)}-at-{m.digits(12)}:{b64(rng.randbytes(32))}".encode())),
        ("sendgrid", "sendgrid", lambda: "S" "G." + m.word(22) + "." + m.word(43)),
        ("digitalocean", "digitalocean*", lambda: "do" + rng.choice("po") + "_v1" "_" + m.hex(64)),
        ("digitalocean-refresh", "digitalocean*", lambda: "do" "r_v1_" + m.hex(64)),
        ("terraform-cloud", "terraform*", lambda: c(BASE62, 14) + ".atlas" "v1." + m.word(67)),
        ("dropbox", "dropbox", lambda: "s" "l.u.A" + m.word(400)),
        ("dropbox", "dropbox", lambda: "s" "l.B" + m.word(136)),
        ("atlassian", "atlassian", lambda: "ATA" "TT3xFfGF0" + m.word(171) + "=" + c(HEX_UPPER, 8)),
        ("bitbucket-app-password", "bitbucket*", lambda: "AT" "BB" + c(BASE62, 24) + c(HEX_UPPER, 8)),
        ("azure-devops-pat", "azure-devops*", lambda: c(BASE62, 76) + "AZ" "DO" + c(BASE62, 4)),
        ("docker", "docker*", lambda: "dck" "r_pat_" + m.word(27)),
        ("docker", "docker*", lambda: "dck" "r_oat_" + m.word(32)),
        ("circleci", "circleci*", lambda: "CCI" "PAT_" + c(BASE62, 22) + "_" + m.hex(40)),
        ("circleci", "circleci*", lambda: "CCI" "PRJ_" + c(BASE62, 22) + "_" + m.hex(40)),
        ("buildkite", "buildkite*", lambda: "bk" + rng.choice(["ua", "aa", "aj", "ct"]) + "_" + c(BASE36, 40)),
        ("artifactory-api-key", "artifactory*", lambda: "AK" "Cp8" + c(BASE62, 68)),
        ("doppler", "doppler", lambda: "d" "p." + rng.choice(["pt.", "st.prd.", "sa.", "ct."]) + c(BASE62, 43)),
        ("linear", "linear", lambda: "lin" "_api_" + c(BASE62, 40)),
        ("postman", "postman", lambda: "PM" "AK-" + m.hex(24) + "-" + m.hex(34)),
        ("shopify", "shopify*", lambda: "sh" + rng.choice(["pat", "pca", "ppa"]) + "_" + m.hex(32)),
        ("shopify-secret", "shopify*", lambda: "sh" "pss_" + m.hex(32)),
        ("rubygems", "rubygems", lambda: "ruby" "gems_" + m.hex(48)),
        ("nuget", "nuget", lambda: "oy" "2" + c(BASE32, 43)),
        ("pulumi", "pulumi", lambda: "pu" "l-" + m.hex(40)),
        ("planetscale", "planetscale", lambda: "psc" "ale_" + rng.choice(["tkn", "oauth", "pw"]) + "_" + m.word(43)),
        ("tailscale", "tailscale", lambda: "ts" "key-" + rng.choice(["auth", "api", "client"]) + "-" + c(BASE62, 11)
         + "CNTRL-" + c(BASE62, 32)),
        ("supabase-pat", "supabase-pat", lambda: "sb" "p_" + m.hex(40)),
        ("supabase-secret", "supabase-secret", lambda: "sb_" "secret_" + m.word(22) + "_" + m.word(8)),
        ("new-relic", "new-relic", lambda: "NR" "AK-" + c(UPPER36, 27)),
        ("notion", "notion*", lambda: "nt" "n_" + m.digits(11) + c(BASE62, 35)),
        ("figma", "figma", lambda: "fig" "d_" + m.word(40)),
        ("openshift", "openshift", lambda: "sha" "256~" + m.word(43)),
        ("facebook", "facebook", lambda: "EA" "A" + c(BASE62, rng.randrange(150, 230))),
        ("telegram-bot", "telegram*", lambda: m.digits(10) + ":A" "A" + m.word(33)),
        ("sentry-user", "sentry*", lambda: "sntr" "yu_" + m.hex(64)),
        ("grafana-service-account", "grafana*", lambda: _grafana(m)),
        ("grafana-cloud", "grafana*", lambda: "gl" "c_" + b64(compact(
            {"o": m.digits(6), "n": "shop-metrics", "k": c(BASE62, 24), "m": {"r": "eu"}}).encode())),
        ("grafana-api-key", "grafana*", lambda: b64(compact(
            {"k": c(BASE62, 32), "n": "shop", "id": rng.randrange(1, 9)}).encode())),
        ("onepassword-sa", "onepassword*", lambda: _one_password(m)),
        ("cognito-refresh", "cognito*", lambda: m.jwe("RSA-OAEP", "A256GCM", {"cty": "JWT"})),
    ]
    for family, names, make in rows:
        for _ in range(3):
            yield Token(make(), family, family, (names,))


def _grafana(m):
    """Prefix, 32 characters, CRC-32 of both with the lowest byte first."""
    text = "gl" "sa_" + m.chars(BASE62, 32)
    return f"{text}_{zlib.crc32(text.encode()).to_bytes(4, 'little').hex()}"


def _one_password(m):
    return "op" "s_" + b64u(compact({
        "signInAddress": "shop.1password.com", "userAuth": {"method": "SRPg-4096", "iterations": 650000},
        "email": m.chars(BASE36, 13) + "@1passwordserviceaccounts.com", "srpX": m.hex(64),
        "muk": {"alg": "A256GCM", "k": m.bytes_b64u(32), "kty": "oct"},
        "secretKey": "A3-" + m.chars(UPPER36, 26), "deviceUuid": m.chars(BASE36, 26)}).encode())


# --- secrets that only a name tells -------------------------------------------------------------------------------------

def named_families(m):
    """Three of every family without characters of its own, where their names stand."""
    c = m.chars
    rows = [
        ("cratesio", "cratesio", "cargo", lambda: "ci" "o" + c(BASE62, 32)),
        ("jenkins-api", "jenkins*", "jenkins", lambda: "11" + m.hex(32)),
        ("twilio", "twilio", "twilio", lambda: m.hex(32)),
        ("discord-bot", "discord*", "discord", lambda: f"{b64u(m.digits(19).encode())}.G{c(BASE62, 5)}.{m.word(38)}"),
        ("airtable", "airtable", "airtable", lambda: "pa" "t" + c(BASE62, 14) + "." + m.hex(64)),
        ("launchdarkly", "launchdarkly", "launchdarkly", lambda: m.rng.choice(["api-", "sdk-"]) + m.uuid()),
        ("notion-old", "notion*", "notion", lambda: "secr" "et_" + c(BASE62, 43)),
        ("azure-devops-pat-old", "azure-devops*", "azure devops", lambda: c(BASE32, 52)),
        ("github-classic-hex", "github-classic-hex", "github hex", lambda: m.hex(40)),
        ("npm-legacy", "npm*", "npmrc", m.uuid),
    ]
    for family, names, carrier, make in rows:
        for _ in range(3):
            yield Token(make(), family, family, (names,), carriers=(carrier,))


# --- tokens that say when they end --------------------------------------------------------------------------------------

def self_describing(m):
    """Tokens whose expiry or age stands in them: live, expired, without an end."""
    rng = m.rng
    ends = [("live", NOW + HOUR), ("live", NOW + 30 * DAY), ("expired", NOW - HOUR), ("expired", NOW)]

    def token(text, family, names, state, expires=None, ttl=None, binding=None):
        verdict = Verdict(words(binding) if binding else None, words(state), words(ttl) if ttl else None, expires)
        return Token(text, family, family, (names,), verdict)

    for state, end in ends:
        # Begun in the past: a token that is not yet good is another matter.
        start = min(end, NOW) - 2 * HOUR
        ttl = end - start
        for version in ("v1", "v2", "v3", "v4"):
            claims = {"iss": "login.example.com", "sub": f"user-{m.digits(3)}", "iat": at(start), "exp": at(end)}
            footer = rng.random() < 0.3
            yield token(_paseto_public(m, version, claims, footer), "paseto-public", "paseto*", state, end, ttl, "none")
        yield token(_macaroon_1(m, [f"time < {at(end)}", "op = read"]), "macaroon", "macaroon*", state, end)
        yield token(_macaroon_1(m, ["user = 7", f"time < {end * 1000}"]), "macaroon", "macaroon*", state, end)
        yield token(b64u(_macaroon_2(m, b"pay.example.com", [f"time-before {at(end)}"])), "macaroon-v2", "macaroon*", state, end)
        yield token(_macaroon_2(m, b"lnd", [f"time-before {at(end)}"]).hex(), "macaroon-v2", "macaroon*", state, end)
        caveat = compact([0, end, start])
        yield token("py" "pi-" + b64u(_macaroon_2(m, b"pypi" b".org", [caveat])), "pypi", "pypi*", state, end, ttl)
        # A window is good until its last second has passed.
        yield token(_fly(m, [(start, end - 1)]), "fly", "fly", state, end, ttl)
        yield token(f"{_fly(m, [(start, NOW + YEAR)])},{_fly(m, [(start, end - 1)])}", "fly", "fly", state, end, ttl)
        reference = b64(f"reftkn:01:{end:010}:{m.chars(BASE62, 27)}".encode())
        yield token(reference, "artifactory", "artifactory*", state, end)
        if end <= NOW + 12 * HOUR:
            yield token(_bedrock(m, end - 12 * HOUR), "bedrock-short", "bedrock*", state, end, 12 * HOUR)
        for prefix in (True, False):
            text = _biscuit(m, end - 1)
            one = token(("bis" "cuit:" if prefix else "") + text, "biscuit", "biscuit", state, end)
            yield one if prefix else Token(one.text, one.label, one.family, one.names, one.verdict, ("token setting",))
    never = b64(f"reftkn:01:{0:010}:{m.chars(BASE62, 27)}".encode())
    yield token(never, "artifactory", "artifactory*", "never-expires")
    for _ in range(3):
        yield token(_fly(m, []), "fly", "fly", "unknown")
        yield token("fo" "1_" + m.word(43), "fly", "fly", "unknown")
        yield token(_macaroon_1(m, ["op = read"]), "macaroon", "macaroon*", "unknown")
        yield token("bis" "cuit:" + _biscuit(m, None), "biscuit", "biscuit", "unknown")
        claims = {"iss": "login.example.com", "sub": "user-1"}
        yield token(_paseto_public(m, "v4", claims, False), "paseto-public", "paseto*", "never-expires", binding="none")
        local = rng.choice([("v2", 40), ("v3", 80), ("v4", 64)])
        text = f"{local[0]}.lo" "cal." + b64u(rng.randbytes(local[1] + rng.randrange(80, 200)))
        yield token(text, "paseto-local", "paseto*", "unknown", binding="unknown")
        body = compact({"iat": NOW - 40 * DAY + 0.25, "url": "https://sentry.io", "region_url": "https://de.sentry.io",
                        "org": "shop"})
        secret = b64(rng.randbytes(32)).rstrip("=")
        yield token(f"sntr" f"ys_{b64(body.encode())}_{secret}", "sentry-org", "sentry*", "unknown")


def _paseto_public(m, version, claims, footer):
    """Header, the base64url of message and signature, now and then a footer."""
    signature = {"v1": 256, "v2": 64, "v3": 96, "v4": 64}[version]
    text = f"{version}.pub" "lic." + b64u(compact(claims).encode() + m.rng.randbytes(signature))
    return text + ("." + b64u(compact({"kid": "k4.pid." + m.word(20)}).encode()) if footer else "")


def _macaroon_1(m, caveats):
    """Packets of four hexadecimal digits of length, a name, a value and a line break."""
    def packet(name, value):
        return f"{len(name) + len(value) + 6:04x}{name} ".encode() + value + b"\n"

    return b64u(packet("location", b"https://pay.example.com") + packet("identifier", m.uuid().encode())
                + b"".join(packet("cid", caveat.encode()) for caveat in caveats)
                + packet("signature", m.rng.randbytes(32)))


def _macaroon_2(m, location, caveats):
    """Version byte, sections of typed fields, each ended by a zero, and the signature."""
    def field(kind, data):
        return bytes([kind, len(data)]) + data

    return (b"\x02" + field(1, location) + field(2, m.rng.randbytes(32)) + b"\0"
            + b"".join(field(2, caveat.encode()) + b"\0" for caveat in caveats) + b"\0" + field(6, m.rng.randbytes(32)))


def _fly(m, windows):
    """MessagePack: nonce, location, caveats (an organization, and windows of validity), tail."""
    def binary(data):
        return bytes([0xC4, len(data)]) + data

    caveats = b"\x00\x92" + b"\xce" + struct.pack(">I", m.rng.randrange(10**6)) + b"\x1f"
    for first, last in windows:
        caveats += b"\x04\x92\xce" + struct.pack(">I", first) + b"\xce" + struct.pack(">I", last)
    location = b"https://api.fly.io/v1"
    body = (b"\x94\x93" + binary(m.rng.randbytes(8)) + binary(m.rng.randbytes(16)) + b"\xc2"
            + bytes([0xA0 | len(location)]) + location + bytes([0x90 | 2 * (1 + len(windows))]) + caveats
            + binary(m.rng.randbytes(32)))
    return "fm" "2_" + b64(body)


def _bedrock(m, signed):
    """A presigned request that serves as a bearer token."""
    day = at(signed, "%Y%m%d")
    url = ("bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" "AS" "IA"
           + m.chars(UPPER36, 16) + f"%2F{day}%2Feu-west-1%2Fbedrock%2Faws4_request&X-Amz-Date="
           + at(signed, "%Y%m%dT%H%M%SZ") + f"&X-Amz-Expires={12 * HOUR}&X-Amz-SignedHeaders=host&X-Amz-Signature="
           + m.hex(64) + "&Version=1")
    return "bedrock" "-api-key-" + b64(url.encode())


def _biscuit(m, deadline):
    """Protobuf: an authority block with a fact and, where there is a deadline, a check of the time; a key, a proof."""
    def varint(number):
        out = b""
        while number >= 0x80:
            out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
        return out + bytes([number])

    def number(field, value):
        return varint(field << 3) + varint(value)

    def data(field, value):
        return varint(field << 3 | 2) + varint(len(value)) + value

    # check if time($0), $0 <= deadline
    clock = number(1, 5) + data(2, number(1, 0))
    operations = (data(1, data(1, number(1, 0))) + data(1, data(1, number(4, deadline or 0)))
                  + data(1, data(3, number(1, 2))))
    query = data(1, number(1, 27) + data(2, number(1, 0))) + data(2, clock) + data(3, operations)
    check = data(6, data(1, query)) if deadline else b""
    fact = data(4, data(1, number(1, 10) + data(2, number(3, 1024))))
    block = data(1, f"user-{m.digits(4)}".encode()) + number(3, 3) + fact + check
    signed = data(1, block) + data(2, number(1, 0) + data(2, m.rng.randbytes(32))) + data(3, m.rng.randbytes(64))
    return b64u(data(2, signed) + data(4, data(1, m.rng.randbytes(32))))


# --- keys that are public by design -------------------------------------------------------------------------------------

def public_keys(m):
    """Keys that a name announces and that are made to be shipped: to be noted, and to be named rightly."""
    rows = [
        ("stripe-publishable", "stripe*", lambda: "pk" "_live_51" + m.chars(BASE62, 97)),
        ("supabase-publishable", "supabase*", lambda: "sb_" "publishable_" + m.word(22) + "_" + m.word(8)),
        ("new-relic-browser", "new-relic*", lambda: "NR" "JS-" + m.hex(19)),
    ]
    for family, names, make in rows:
        for _ in range(3):
            yield Token(make(), family, family, (names,), carriers=("token setting",))
