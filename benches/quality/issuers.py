"""The tokens of particular issuers: JWT profiles that an issuer gives itself away with, and prefixed families.

A family's row says what its documents say: prefix, alphabet, length, checksum. Prefixes stand here in pieces.
"""

import base64
import datetime
import string
import urllib.parse

from quality.mint import BASE36, BASE62, DAY, HOUR, NOW, YEAR, Token, Verdict, b64u, compact, words

LETTERS = string.ascii_letters
UPPER36 = string.digits + string.ascii_uppercase


def issuer_jwts(mint):
    """Tokens whose issuer or claims name their family; each kind live, expired and live again."""
    for name, make in _PROFILES.items():
        for number in range(3):
            start = NOW - (mint.rng.randrange(60, 250) if number != 1 else 400 * DAY)
            family, claims, header, ttl, binding = make(mint, start)
            alg, typ = header.pop("alg", "RS256"), header.pop("typ", "JWT")
            expires = start + ttl if ttl else None
            claims = {**claims, "iat": start, "exp": expires}
            claims = {k: v for k, v in claims.items() if v is not None}
            if ttl is None:
                state = words("never-expires")
            else:
                state = words("live" if expires > NOW else "expired")
            spelling = "kid first" if "kid" in header else "alg first"
            text = mint.jws(claims, alg, typ, spelling, header)
            yield Token(text, name, family, (family,),
                        Verdict(words(binding), state, words(ttl), expires))


def _entra(mint, _):
    tenant = mint.uuid()
    return ("entra-access", {
        "aud": mint.uuid(), "iss": f"https://login.microsoftonline.com/{tenant}/v2.0", "azp": mint.uuid(),
        "oid": mint.uuid(), "scp": "Files.Read", "sub": mint.word(43), "tid": tenant, "uti": mint.word(22),
        "ver": "2.0"}, {"kid": mint.word(27)}, 4500, "none")


def _entra_v1(mint, start):
    tenant = mint.uuid()
    return ("entra-access", {
        "aud": "https://graph.microsoft.com", "iss": f"https://sts.windows.net/{tenant}/", "nbf": start,
        "appid": mint.uuid(), "idtyp": "app", "oid": mint.uuid(), "roles": ["Mail.Read"], "tid": tenant,
        "uti": mint.word(22), "ver": "1.0"}, {"nonce": mint.word(43), "kid": mint.word(27)}, 5100, "none")


def _entra_id(mint, start):
    tenant = mint.uuid()
    return ("entra-id", {
        "aud": mint.uuid(), "iss": f"https://login.microsoftonline.com/{tenant}/v2.0", "nbf": start, "name": "Robin",
        "nonce": mint.word(20), "oid": mint.uuid(), "sub": mint.word(43), "tid": tenant, "uti": mint.word(22),
        "ver": "2.0"}, {"kid": mint.word(27)}, HOUR, "none")


def _cognito(use):
    def make(mint, start):
        common = {"sub": mint.uuid(), "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_"
                  + mint.chars(BASE62, 9), "token_use": use, "auth_time": start, "jti": mint.uuid()}
        more = {"client_id": mint.chars(BASE36, 26), "scope": "openid profile"} if use == "access" else \
            {"aud": mint.chars(BASE36, 26), "cognito:username": mint.uuid(), "event_id": mint.uuid()}
        return f"cognito-{use}", {**common, **more}, {"kid": mint.word(43), "typ": None}, HOUR, "none"
    return make


def _okta(mint, _):
    bound = mint.rng.random() < 0.5
    return ("okta-access", {
        "ver": 1, "jti": "AT." + mint.word(43), "iss": "https://shop.okta.com/oauth2/default", "aud": "api://default",
        "cid": "0oa" + mint.chars(BASE62, 17), "uid": "00u" + mint.chars(BASE62, 17), "scp": ["orders"],
        "sub": "robin@example.com", "cnf": {"jkt": mint.bytes_b64u(32)} if bound else None},
        {"kid": mint.word(43), "typ": None}, HOUR, "jkt" if bound else "none")


def _auth0(mint, _):
    return ("auth0-access", {
        "iss": "https://shop.eu.auth0.com/", "sub": "auth0|" + mint.hex(24), "aud": ["https://api.example.com"],
        "azp": mint.chars(BASE62, 32), "scope": "openid orders"}, {"kid": mint.word(21)}, DAY, "none")


def _keycloak(typ, ttl, alg):
    def make(mint, _):
        return (f"keycloak-{ {'Bearer': 'access'}.get(typ, typ.lower())}", {
            "jti": mint.uuid(), "iss": "https://sso.example.com/realms/shop", "sub": mint.uuid(), "typ": typ,
            "aud": "account" if typ == "Bearer" else "https://sso.example.com/realms/shop", "azp": "shop-web",
            "sid": mint.uuid(), "scope": "openid"}, {"alg": alg, "kid": mint.word(43)}, ttl, "none")
    return make


def _github_oidc(mint, start):
    return ("github-actions-oidc", {
        "jti": mint.uuid(), "sub": "repo:example/shop:ref:refs/heads/main", "aud": "https://github.com/example",
        "ref": "refs/heads/main", "sha": mint.hex(40), "repository": "example/shop", "run_id": mint.digits(10),
        "iss": "https://token.actions.githubusercontent.com", "nbf": start}, {"kid": mint.uuid()}, 300, "none")


def _github_runtime(mint, start):
    return ("github-actions-runtime", {
        "nameid": mint.uuid(), "scp": f"Actions.Results:{mint.uuid()}:{mint.uuid()}", "ac": "[]",
        "orch_id": mint.uuid(),
        "iss": "https://vstoken.actions.githubusercontent.com", "aud": "https://vstoken.actions.githubusercontent.com",
        "nbf": start}, {"kid": mint.word(40)}, 6 * HOUR, "none")


def _gitlab_oidc(mint, _):
    return ("gitlab-oidc", {
        "namespace_path": "example", "project_id": "17", "project_path": "example/shop", "pipeline_id": mint.digits(7),
        "job_id": mint.digits(8), "ref": "main", "ref_type": "branch", "iss": "https://gitlab.example.com",
        "sub": "project_path:example/shop:ref_type:branch:ref:main", "aud": "https://vault.example.com"},
        {"kid": mint.word(43)}, HOUR + 5, "none")


def _supabase(role):
    def make(mint, _):
        family = {"anon": "supabase-anon", "service_role": "supabase-service-role"}[role]
        return family, {"iss": "supabase", "ref": mint.chars(string.ascii_lowercase, 20), "role": role}, \
            {"alg": "HS256"}, 10 * YEAR, "none"
    return make


def _svid(mint, _):
    return "jwt-svid", {"sub": f"spiffe://prod.example.com/ns/shop/sa/{mint.hex(4)}", "aud": ["orders"]}, \
        {"alg": "ES256", "kid": mint.word(20)}, 300, "none"


def _k8s_bound(extended):
    def make(mint, start):
        where = {"namespace": "shop", "pod": {"name": "cart-" + mint.hex(8), "uid": mint.uuid()},
                 "serviceaccount": {"name": "cart", "uid": mint.uuid()}}
        more = {"warnafter": start + 3607} if extended else {}
        return ("k8s-sa-bound", {
            "aud": ["https://kubernetes.default.svc.cluster.local"], "nbf": start,
            "iss": "https://kubernetes.default.svc.cluster.local", "kubernetes" + ".io": {**where, **more},
            "sub": "system:serviceaccount:shop:cart"}, {"typ": None, "kid": mint.word(43)},
            YEAR if extended else 3607, "none")
    return make


_PROFILES = {
    "entra v2": _entra, "entra v1": _entra_v1, "entra id": _entra_id, "cognito access": _cognito("access"),
    "cognito id": _cognito("id"), "okta": _okta, "auth0": _auth0, "keycloak access": _keycloak("Bearer", 300, "RS256"),
    "keycloak refresh": _keycloak("Refresh", 1800, "HS512"), "keycloak offline": _keycloak("Offline", None, "HS512"),
    "github oidc": _github_oidc, "github runtime": _github_runtime, "gitlab oidc": _gitlab_oidc,
    "supabase anon": _supabase("anon"), "supabase service": _supabase("service_role"), "svid": _svid,
    "k8s bound": _k8s_bound(False), "k8s extended": _k8s_bound(True),
}


def k8s_legacy(mint):
    """The service account token of old: no times at all, so it never ends."""
    prefix = "kubernetes.io/" + "serviceaccount"
    claims = {"iss": "kubernetes/" + "serviceaccount", f"{prefix}/namespace": "shop",
              f"{prefix}/secret.name": "cart-token-" + mint.chars(BASE36, 5),
              f"{prefix}/service-account.name": "cart", f"{prefix}/service-account.uid": mint.uuid(),
              "sub": "system:serviceaccount:shop:cart"}
    text = mint.jws(claims, "RS256", None, "alg first", {"kid": mint.word(43)})
    return Token(text, "k8s legacy", "k8s-sa-legacy", ("k8s-sa-legacy",),
                 Verdict(words("none"), words("never-expires"), words(None), None, words("k8s-legacy-sa-token")))


# --- prefixed families ----------------------------------------------------------------------------------------------

def prefixed(mint):
    """Four tokens of every prefixed family and form."""
    m, rng = mint, mint.rng
    c = mint.chars
    openai = base64.b64encode(b"Open" b"AI").decode()

    def jwt():
        return m.access("", spelling="typ first", alg="RS256").text

    rows = [
        # family, patterns of its slug, carriers (none: general), a maker
        ("github-pat", "github-pat", (), lambda: m.with_crc62("gh" "p_", 30)),
        ("github-oauth", "github-oauth", (), lambda: m.with_crc62("gh" "o_", 30)),
        ("github-user-to-server", "github-user-to-server", (), lambda: m.with_crc62("gh" "u_", 30)),
        ("github-server-to-server", "github-server-to-server", (), lambda: m.with_crc62("gh" "s_", 30)),
        ("github-server-to-server", "github-server-to-server", (), lambda: "gh" "s_" + m.digits(6) + "_" + jwt()),
        ("github-refresh", "github-refresh", (), lambda: m.with_crc62("gh" "r_", 70)),
        ("github-fine-grained-pat", "github-fine-grained-pat", (),
         lambda: "github" "_pat_" + c(BASE62, 22) + "_" + c(BASE62, 59)),
        ("gitlab-pat", "gitlab-pat", ("private-token header", ""), lambda: "glp" "at-" + m.word(20)),
        ("gitlab-pat", "gitlab-pat", (), lambda: m.gitlab_routable("glp" "at-")),
        ("gitlab-pat", "gitlab-pat", (), lambda: m.gitlab_routable("glp" "at-", "01.")),
        ("gitlab-deploy", "gitlab-deploy", (), lambda: "gld" "t-" + m.word(20)),
        ("gitlab-trigger", "gitlab-trigger", (), lambda: "glp" "tt-" + m.hex(40)),
        ("gitlab-runner", "gitlab-runner", (), lambda: "glr" "t-" + m.word(20)),
        ("gitlab-job-token", "gitlab-job-token", (), lambda: "glc" "bt-" + m.hex(2) + "_" + m.word(20)),
        ("gitlab-job-token", "gitlab-job-token", (), lambda: "glc" "bt-" + jwt()),
        ("gitlab-scim", "gitlab-scim", (), lambda: "gls" "oat-" + m.word(20)),
        ("gitlab-feed", "gitlab-feed", (), lambda: "glf" "t-" + m.word(20)),
        ("gitlab-mail", "gitlab-mail", (), lambda: "gli" "mt-" + c(BASE36, 25)),
        ("gitlab-agent", "gitlab-agent", (), lambda: "gla" "gent-" + m.word(50)),
        ("gitlab-oauth-app-secret", "gitlab-oauth-app-secret", (), lambda: "glo" "as-" + m.hex(64)),
        ("gitlab-feature-flag", "gitlab-feature-flag", (), lambda: "glf" "fct-" + m.word(20)),
        ("gitlab-workspace", "gitlab-workspace", (), lambda: "glw" "t-" + m.word(20)),
        ("npm", "npm*", (), lambda: m.with_crc62("np" "m_", 30)),
        ("pypi", "pypi*", (), lambda: _pypi(m)),
        ("slack-bot", "slack*", (), lambda: "xo" "xb-" + f"{m.digits(12)}-{m.digits(13)}-{c(BASE62, 24)}"),
        ("slack-user", "slack*", (),
         lambda: "xo" "xp-" + f"{m.digits(12)}-{m.digits(12)}-{m.digits(13)}-{m.hex(32)}"),
        ("slack-app", "slack*", (), lambda: "xa" "pp-1-A" + f"{c(UPPER36, 10)}-{m.digits(13)}-{m.hex(64)}"),
        ("slack-refresh", "slack*", (), lambda: "xo" "xe-1-" + c(BASE62, 146)),
        ("slack-rotated", "slack*", (), lambda: "xo" "xe.xo" "xb-1-" + c(BASE62, 166)),
        ("slack-session", "slack*", (),
         lambda: "xo" "xc-" + f"{m.digits(12)}-{m.digits(12)}-{m.digits(13)}-{m.hex(64)}"),
        ("slack-session", "slack*", ("cookie d",), lambda: "xo" "xd-" + c(BASE62, 140)),
        ("google-access", "google-access", (), lambda: "ya" "29." + rng.choice(["a0", "c.b0", ""]) + m.word(160)),
        ("google-refresh", "google-refresh", ("google credentials",), lambda: "1/" "/0" + m.word(60)),
        ("gcp-api-key", "gcp-api-key", (), lambda: "AI" "za" + "Sy" + m.word(33)),
        ("google-oauth-client-secret", "google-oauth-client-secret", (), lambda: "GOC" "SPX-" + m.word(28)),
        ("aws-session-token", "aws-session-token", ("aws environment", "amz header"),
         lambda: base64.b64encode(b"!\n\torigin" b"_ec" + rng.randbytes(rng.randrange(240, 600))).decode()),
        ("aws-session-token", "aws-session-token", ("aws environment", "amz header"),
         lambda: base64.b64encode(b"\x17\n\x06er" b"/aws" + rng.randbytes(rng.randrange(240, 400))).decode()),
        ("openai", "openai*", (), lambda: "sk-" "proj-" + m.word(74) + openai + m.word(74)),
        ("openai", "openai*", (), lambda: "sk-" "svcacct-" + m.word(58) + openai + m.word(58)),
        ("openai", "openai*", (), lambda: "sk-" + c(BASE62, 20) + openai + c(BASE62, 20)),
        ("openai-admin", "openai*", (), lambda: "sk-" "admin-" + m.word(58) + openai + m.word(58)),
        ("anthropic", "anthropic*", (), lambda: "sk-" "ant-api03-" + m.word(93) + "AA"),
        ("anthropic-admin", "anthropic*", (), lambda: "sk-" "ant-admin01-" + m.word(93) + "AA"),
        ("anthropic-oauth", "anthropic*", (), lambda: "sk-" "ant-oat01-" + m.word(93) + "AA"),
        ("anthropic-oauth-refresh", "anthropic*", (), lambda: "sk-" "ant-ort01-" + m.word(93) + "AA"),
        ("stripe", "stripe*", (), lambda: rng.choice("sr") + "k_" "live_" + c(BASE62, rng.choice([24, 99]))),
        ("stripe-test", "stripe*", (), lambda: rng.choice("sr") + "k_" "test_" + c(BASE62, 99)),
        ("vault-service", "vault*", ("vault header", ""), lambda: "hv" "s." + c(BASE62, 24)),
        ("vault-service", "vault*", ("vault header", ""), lambda: "hv" "s." + _vault_namespaced(m)),
        ("vault-batch", "vault*", (), lambda: "hv" "b.AAAAAQ" + m.word(150)),
        ("vault-recovery", "vault*", (), lambda: "hv" "r." + c(BASE62, 24)),
        ("huggingface", "huggingface*", (), lambda: "h" "f_" + c(LETTERS, 34)),
        ("huggingface", "huggingface*", (), lambda: "api" "_org_" + c(LETTERS, 34)),
        ("databricks", "databricks*", (), lambda: "da" "pi" + m.hex(32) + rng.choice(["", "-2"])),
        ("salesforce-session", "salesforce*", (),
         lambda: "00" "D" + c(BASE62, 12) + "!A" "Q" + c(BASE62 + "._", 93) + c(BASE62, 1)),
        ("salesforce-refresh", "salesforce*", (), lambda: "5Aep" "861" + c(BASE62 + "._", 70) + c(BASE62, 9)),
        ("consul-nomad-token", "consul-nomad-token", ("consul or nomad",), m.uuid),
        ("entra-client-secret", "entra-client-secret", (),
         lambda: c(BASE62, 3) + c(string.digits, 1) + "Q" "~" + c(BASE62 + "_.-~", 33) + c(BASE62, 1)),
    ]
    for family, names, carriers, make in rows:
        for number in range(4):
            # "" among the carriers: half of them stand in general ones.
            homes = () if "" in carriers and number % 2 else tuple(name for name in carriers if name)
            yield Token(make(), family, family, (names,), carriers=homes)
    for _ in range(3):
        text = "acme-" + m.gitlab_routable("glp" "at-")
        yield Token(text, "gitlab instance prefix", "gitlab-pat", ("gitlab-pat",), after=5, start_only=True)
        yield Token("SS" "WS 00" + m.word(40), "okta-ssws", "okta-ssws", ("okta-ssws",),
                    carriers=("authorization raw",), after=5, start_only=True)
        yield Token("s." + c(BASE62, 21) + "aZ7", "vault legacy", "vault-legacy", carriers=("vault header",))
        place = f"{c(UPPER36, 9)}/B{c(UPPER36, 9)}/{c(BASE62, 24)}"
        yield Token("hooks.slack" ".com/services/T" + place, "slack-webhook", "slack-webhook", ("slack*",),
                    carriers=("web address",), before=8, start_only=True)


def _pypi(mint):
    """A macaroon of version 2 for pypi.org, with or without a caveat."""
    def packet(kind, data):
        return bytes([kind, len(data)]) + data

    caveat = packet(2, compact([1, [mint.uuid()]]).encode()) + b"\0" if mint.rng.random() < 0.5 else b""
    macaroon = (b"\x02" + packet(1, b"pypi" b".org") + packet(2, mint.uuid().encode()) + b"\0" + caveat + b"\0"
                + packet(6, mint.rng.randbytes(32)))
    return "py" "pi-" + b64u(macaroon)


def _vault_namespaced(mint):
    """The protobuf that a namespaced Vault token carries."""
    inner = b"\x0a\x1c" + b"hv" b"s." + mint.chars(BASE62, 24).encode() + b"\x10\x8f\x01"
    return b64u(b"\x08\x01\x12\x20" + mint.rng.randbytes(32) + b"\x1a" + bytes([len(inner)]) + inner)


def signed_urls(mint):
    """Azure shared access signatures and presigned AWS requests: their query string is the credential."""
    quote = urllib.parse.quote

    def at(seconds, form="%Y-%m-%dT%H:%M:%SZ"):
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime(form)

    for days in (0, 2, 30, -3, 400, 0):
        start = NOW - HOUR if days >= 0 else NOW - 10 * DAY
        end = NOW + (days * DAY or 1800) if days >= 0 else NOW + days * DAY
        signature = quote(base64.b64encode(mint.rng.randbytes(32)).decode(), safe="")
        query = (f"sv=2023-11-03&st={quote(at(start))}&se={quote(at(end), safe='')}&sr=b&sp=r&s" f"ig={signature}")
        state = words("live" if end > NOW else "expired")
        yield Token(query, "azure-sas", "azure-sas", ("azure-sas",), Verdict(None, state, words(end - start), end),
                    ("web address query",), before=60, after=len(query), start_only=True)
    for ago, ttl in ((60, 900), (600, HOUR), (DAY, 7 * DAY), (2 * DAY, HOUR), (30, 60), (HOUR, 12 * HOUR)):
        start = NOW - ago
        day = at(start, "%Y%m%d")
        query = ("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" "AK" "IA" + mint.chars(UPPER36, 16)
                 + f"%2F{day}%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date={at(start, '%Y%m%dT%H%M%SZ')}"
                 + f"&X-Amz-Expires={ttl}&X-Amz-SignedHeaders=host&X-Amz-Sig" f"nature={mint.hex(64)}")
        state = words("live" if start + ttl > NOW else "expired")
        yield Token(query, "aws-presigned", "aws-presigned", ("aws-presigned",),
                    Verdict(None, state, words(ttl), start + ttl), ("web address query",), before=60, after=len(query),
                    start_only=True)
