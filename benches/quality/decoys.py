"""What looks like a token and is none: nothing in these lines may be reported at severity low or above."""

import base64
import hashlib
import hmac
import json
import string
import zlib

from quality.mint import BASE36, BASE62, HOUR, NOW, b64u, base_n, compact
from quality.saml import saml_decoys

JOSE_START = "ey" "J"


def plant_decoys(mint, planted):
    """Plants every class of decoys, one file each (texts of several lines get a file of their own)."""
    for label, path, lines in (
        ("placeholder", "config/app.env", _placeholders()),
        ("shaped placeholder", "config/sample.yaml", _shaped_placeholders()),
        ("masked", "logs/masked.log", _masked(mint)),
        ("wrong checksum", "logs/edited.log", _wrong_checksums(mint)),
        ("published example", "notes/rfcs.md", _published(mint)),
        ("broken jwt", "logs/broken.log", _broken_jwts(mint)),
        ("signed content", "logs/attestations.log", _signed_content(mint)),
        ("source map", "dist/app.css", _source_maps(mint)),
        ("integrity hash", "index.html", _integrity(mint)),
        ("git sha", "logs/git.log", _git(mint)),
        ("uuid", "logs/requests.log", _uuids(mint)),
        ("etag", "captures/responses.http", _etags(mint)),
        ("csrf or pagination", "captures/pages.html", _csrf(mint)),
        ("jwks", "captures/jwks.json", _jwks(mint)),
        ("method or setting", "src/settings.js", _methods()),
        ("code expression", "src/session.ts", _code()),
        ("challenge", "captures/challenges.http", _challenges()),
        ("prose", "notes/auth.md", _prose()),
        ("lock file", "yarn.lock", _lock_lines(mint)),
        ("minified js", "dist/app.min.js", _minified(mint)),
        ("data uri", "dist/icons.css", _data_uris(mint)),
        ("svg path", "dist/logo.svg", _svg(mint)),
        ("i18n", "src/locales/de.json", _i18n()),
        ("public id", "src/public.js", _public_ids(mint)),
        ("look-alike", "src/lookalikes.txt", _look_alikes(mint)),
    ):
        with planted.file(path) as file:
            for line in lines:
                file.decoy(label, line)
    for number, (label, text) in enumerate(saml_decoys(mint)):
        with planted.file(f"captures/saml-{number}.txt") as file:
            file.decoy(label, text)
    for number in range(4):
        with planted.file(f"certs/server-{number}.pem") as file:
            file.decoy("certificate", _certificate(mint))
    with planted.file("dist/app.js.map") as file:
        file.decoy("source map", compact({"version": 3, "sources": ["cart.ts"], "names": ["accessToken", "bearer"],
                                          "mappings": ";".join(mint.chars(BASE62, 9) for _ in range(300))}))


def _forms(value):
    """Ways to write a value down where a token could stand."""
    return [
        f"Authorization: Bearer {value}", f"access_token={value}", f'"access_token": "{value}"', f"API_TOKEN={value}",
        f"token: {value}", f'curl -H "PRIVATE-TOKEN: {value}" https://gitlab.example.com', f"X-Auth-Token: {value}",
        f'headers["Authorization"] = "Bearer {value}"', f"https://api.example.com/me?access_token={value}",
    ]


def _placeholders():
    values = [
        "${TOKEN}", "$ACCESS_TOKEN", "$(cat /run/secrets/token)", "{{ token }}", "{{ .Values.apiToken }}",
        "{access_token}", "<your-token>", "<ACCESS_TOKEN>", "YOUR_ACCESS_TOKEN_HERE", "your-access-token-goes-here",
        "%ACCESS_TOKEN%", "%s", "#{access_token}", "<%= access_token %>", "[[token]]", "@ACCESS_TOKEN@",
        "$env:ACCESS_TOKEN", "op://infra/orders/token", "vault:secret/data/orders#token", "x" * 32, "X" * 40, "*" * 32,
        "changeme-changeme-changeme", "dummy-token-for-local-development", "REPLACE_ME_WITH_A_REAL_TOKEN", "0" * 40,
        string.ascii_lowercase, "1234567890" * 4, "${{ secrets.API_TOKEN }}", "${input:api-token}",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:orders", "ENC[AES256_GCM,data:abc,iv:def,tag:ghi]",
        "insert-your-bearer-token-here", "test-token-test-token-test", "example-access-token-value",
        "fake_token_fake_token",
    ]
    for number, value in enumerate(values * 2):
        forms = _forms(value)
        yield forms[(number * 5 + number // len(values)) % len(forms)]
    yield "X-Consul-Token: 00000000-0000-0000-0000-000000000000"
    yield "CONSUL_HTTP_TOKEN=00000000-0000-0000-0000-000000000002"


def _shaped_placeholders():
    for prefix, body in (
        ("gh" "p_", "x" * 36), ("gh" "p_", "X" * 36), ("gh" "p_", "0" * 36), ("gh" "p_", "YOUR_TOKEN_HERE"),
        ("github" "_pat_", "x" * 22 + "_" + "x" * 59), ("glp" "at-", "x" * 20), ("glp" "at-", "X" * 20),
        ("glp" "at-", "your-gitlab-token-here"), ("xo" "xb-", "your-bot-token"),
        ("xo" "xb-", "000000000000-000000000000-" + "x" * 24), ("xo" "xb-", "xxxxxxxxxxxx-xxxxxxxxxxxx-" + "x" * 24),
        ("sk-" "proj-", "x" * 48), ("sk-" "ant-api03-", "x" * 95), ("sk-" "ant-api03-", "your-key-here"),
        ("np" "m_", "X" * 36), ("np" "m_", "x" * 36), ("hv" "s.", "x" * 24),
        ("hv" "s.", "YOUR_VAULT_TOKEN_GOES_HERE"),
        ("sk_" "live_", "x" * 24), ("sk_" "test_", "X" * 24), ("AI" "zaSy", "X" * 33), ("AI" "za", "x" * 35),
        ("da" "pi", "x" * 32), ("da" "pi", "0" * 32), ("h" "f_", "x" * 34), ("h" "f_", "X" * 34),
        ("py" "pi-", "x" * 60), ("ya" "29.", "x" * 60), (JOSE_START, "hbGciOi..."), (JOSE_START, "x" * 40),
    ):
        yield f"token: {prefix}{body}"


def _masked(mint):
    token = mint.access("", alg="HS256").text
    head, body, signature = token.split(".")
    pat = mint.with_crc62("gh" "p_", 30)
    values = [
        f"{token[:10]}...[REDACTED]", f"{token[:12]}***", f"{head}.{body}.[REDACTED]", f"{head}.{body}.***",
        f"{head}.{body}.<redacted>", f"{head}.{body}.SIGNATURE_REMOVED_BY_GOOGLE", f"{head}.***.***",
        f"{head}.[REDACTED].{signature}", f"{token[:16]}…{token[-4:]}", f"{token[:20]}...{token[-6:]}", f"{head}...",
        "gh" "p_" + "*" * 36, f"{pat[:8]}{'*' * 32}", f"{pat[:8]}...{pat[-4:]}", "glp" "at-" + "*" * 20,
        "xo" "xb-12********-********-************************", "sk-" "proj-****************************abcd",
        "sk_" "live_************************", "*" * 40, "[REDACTED]", "<redacted>", "[FILTERED]", "<FILTERED>",
        "[MASKED]", "[hidden]", "hv" "s.************************", "np" "m_" + "*" * 36,
    ]
    for value in values:
        yield f"2026-06-15T11:00:{mint.rng.randrange(10, 60)}Z INFO sent Authorization: Bearer {value} -> 200"


def _wrong_checksums(mint):
    for _ in range(12):
        for prefix in ("gh" "p_", "np" "m_"):
            token = mint.with_crc62(prefix, 30)
            yield f"token: {token[:-6]}{_other(token[-6:], BASE62, mint)}"
    for version in ("", "01.") * 8:
        token = mint.gitlab_routable("glp" "at-", version)
        yield f"token: {token[:-7]}{_other(token[-7:], BASE36, mint)}"


def _other(text, alphabet, mint):
    """Another text of that length."""
    found = text
    while found == text:
        found = base_n(zlib.crc32(mint.rng.randbytes(8)), alphabet, len(text))
    return found


def _published(mint):
    """The examples of the RFCs and of jwt.io, computed from what these publish."""
    def signed(header, payload, key):
        text = f"{b64u(header.encode())}.{b64u(payload.encode())}"
        return f"{text}.{b64u(hmac.new(key, text.encode(), hashlib.sha256).digest())}"

    rfc_key = base64.urlsafe_b64decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ" "-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==")
    joe = '{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'
    rfc_7515 = signed('{"typ":"JWT",\r\n "alg":"HS256"}', joe, rfc_key)
    rfc_7519 = f"{b64u(compact({'alg': 'none'}).encode())}.{b64u(joe.encode())}."
    doe = {"sub": "1234567890", "name": "John Doe"}
    header = compact({"alg": "HS256", "typ": "JWT"})
    old = compact({**doe, "admin": True})
    usual = compact({**doe, "iat": 1516239022})
    latest = compact({**doe, "admin": True, "iat": 1516239022})
    proof = "".join((
        b64u(compact({"typ": "dpop+jwt", "alg": "ES256", "jwk": {
            "kty": "EC", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA", "crv": "P-256"}}).encode()), ".",
        b64u(compact({"jti": "-BwC3ESc6acc2lTc", "htm": "POST", "htu": "https://server.example.com/token",
                      "iat": 1562262616}).encode()),
        ".2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4", "PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"))
    again = ".".join(signed(header, usual, b"secret").split(".")[:2])
    values = [
        rfc_7515, rfc_7519, signed(header, old, b"secret"), signed(header, usual, b"your-256-" b"bit-secret"),
        signed(header, latest, b"a-string-secret-" b"at-least-256-bits-long"), f"{again}.{mint.bytes_b64u(32)}", proof,
    ]
    for value in values:
        yield f"Example: {value}"
        yield f"    Authorization: Bearer {value}"
        yield f'    {{"access_token": "{value}"}}'
    opaque, refresh = "2YotnFZFEjr1" "zCsicMWpAA", "tGzv3JOkF0XG" "5Qx2TlKWIA"
    yield f'{{"access_token":"{opaque}","token_type":"example","expires_in":3600,"refresh_token":"{refresh}"}}'
    yield f"    http://example.com/cb#access_token={opaque}&state=xyz&token_type=example&expires_in=3600"
    yield f"    grant_type=refresh_token&refresh_token={refresh}"
    yield "    Authorization: Bearer " + "mF_9.B5f" "-4.1JqM"
    yield "    https://server.example.com/resource?access_token=" + "mF_9.B5f" "-4.1JqM"
    yield "    Authorization: DPoP " + "Kz~8mXK1EalYznwH-LC" "-1fBAo.4Ljp~zsPE_NeO.gxU"
    yield '    {"access_token": "' + "SlAV32" "hkKG" + '", "token_type": "Bearer"}'
    yield "    aws_access_key_id = " + "AKIA" "IOSFODNN7EXAMPLE"


def _broken_jwts(mint):
    """Lookalikes that no verifier could read."""
    def line(text):
        return f"2026-06-15T11:20:00Z WARN could not parse token {text}"

    for _ in range(8):
        head, body, signature = mint.access("", alg="ES256").text.split(".")
        yield line(f"{head}.{_unparsable(body, mint)}.{signature}")
        no_alg = b64u(compact({"typ": "JWT", "kid": mint.hex(8)}).encode())
        yield line(f"{no_alg}.{body}.{signature}")
        yield line(f"{head[:3]}{mint.word(40)}.{mint.word(80)}.{mint.word(43)}")
        yield line(f"{head}.{body}")
        yield line(f"{head} {body} {signature}")
        yield line(f"{b64u(compact({'alg': 256, 'typ': 'JWT'}).encode())}.{body}.{signature}")


def _signed_content(mint):
    """JWS over something that is no JSON object: it proves who signed, and gives nobody access."""
    for number in range(8):
        head, _, signature = mint.access("", alg="ES256", typ=None).text.split(".")
        content = b64u(f"build {number} of cart-service, digest {mint.hex(64)}".encode())
        yield f"attestation: {head}.{content}.{signature}"


def _unparsable(segment, mint):
    """The segment with a character missing, so that its JSON can't be read any more."""
    while True:
        at = mint.rng.randrange(8, len(segment) - 8)
        text = segment[:at] + segment[at + 1:]
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) % 4 != 1 else b"?"
        try:
            json.loads(raw)
        except ValueError:
            return text


def _source_maps(mint):
    for number in range(8):
        source = {"version": 3, "sources": [f"part-{number}.ts"], "names": [], "mappings": mint.chars(BASE62, 80)}
        yield "/*# sourceMappingURL=data:application/json;base64," + \
            base64.b64encode(compact(source).encode()).decode() + " */"


def _integrity(mint):
    for name, size in (("sha512", 64), ("sha384", 48), ("sha256", 32)) * 5:
        value = base64.b64encode(mint.rng.randbytes(size)).decode()
        yield f'<script src="/static/{mint.hex(8)}.js" integrity="{name}-{value}" crossorigin="anonymous"></script>'


def _git(mint):
    for _ in range(5):
        yield f"commit {mint.hex(40)}"
        yield f"Merge: {mint.hex(9)} {mint.hex(9)}"
        yield f"    Use the token of the session (see {mint.hex(40)})"
        yield f"index {mint.hex(10)}..{mint.hex(10)} 100644"


def _uuids(mint):
    for _ in range(5):
        yield f"x-request-id: {mint.uuid()}"
        yield f'{{"correlation_id":"{mint.uuid()}","trace_id":"{mint.hex(32)}","span_id":"{mint.hex(16)}"}}'
        yield f"token_id={mint.uuid()} issued"
        yield f"session opened for user {mint.uuid()}"


def _etags(mint):
    for _ in range(4):
        yield f'ETag: "{mint.hex(40)}"'
        yield f'If-None-Match: W/"{mint.word(27)}"'
        yield f"Digest: sha-256={base64.b64encode(mint.rng.randbytes(32)).decode()}"


def _csrf(mint):
    for _ in range(4):
        value = base64.b64encode(mint.rng.randbytes(64)).decode()
        page = base64.b64encode(compact({"id": mint.digits(8), "after": mint.uuid()}).encode()).decode()
        yield f'<input type="hidden" name="authenticity_token" value="{value}">'
        yield f'<input type="hidden" name="csrf_token" value="{mint.word(43)}">'
        yield f'<meta name="csrf-token" content="{value}">'
        yield f"Set-Cookie: XSRF-TOKEN={mint.word(40)}; Path=/"
        yield f"X-CSRF-Token: {mint.word(40)}"
        yield f'{{"items": [], "nextPageToken": "{mint.word(48)}"}}'
        yield f'{{"items": [], "next_token": "{page}"}}'
        yield f'{{"continuationToken": "{page}", "count": 20}}'


def _jwks(mint):
    for number in range(12):
        kind = ("EC", "RSA", "OKP")[number % 3]
        yield compact({**mint.public_jwk(kind), "kid": mint.word(20), "use": "sig"}) + ","


def _methods():
    yield from (
        "const value = hv" "s.methodNameThatIsRatherLongIndeed(argument);",
        "hv" "s.renderVirtualScrollContainer(items, offset);", "hv" "s.getElementByIdentifierAndValue(id);",
        "hv" "b.broadcastMessageToEveryConnectedClientInTheCurrentRoom(payload);",
        "s.computeAccessTokenExpiryFor(session);", "b.serializeTokenCacheEntries(cache);",
        "process.env.np" "m_config_registry_authentication_type_name",
        "np" "m_package_config_server_listen_address_and_port",
        "np" "m_lifecycle_script_for_the_current_package_name", "export np" "m_config_cache_directory_for_the_build=1",
        "h" "f_model_checkpoint_conversion_script_v", "h" "f_tokenizer_configuration_for_the_base_model",
        "h" "f_datasetConfigurationWithDefaultValues()", ".sk-" "circle-fade-dot { animation: none }",
        ".sk-" "proj-card-header-with-a-very-long-class-name-indeed { margin: 0 }",
        ".sk-" "ant-design-table-wrapper-with-a-long-class-name { margin: 0 }",
        "da" "pi_client_configuration_defaults()", "gh" "p_pages_deploy_configuration_for_the_site()",
        "v2" ".local.example.com", "glp" "at-token-rotation-reminder", "gld" "t-deploy-token-for-staging",
        "eyJoin(left, right).select.from.where", "ey" "Jury.verdict.pending",
        "xo" "xb-channel-header-container", "api" "_org_chart_with_departments_and_teams",
    )


def _code():
    yield from r'''
access_token: response.data.accessToken,
token = tokenizer.next_token_value
const accessToken = await getAccessTokenSilently(options);
headers.Authorization = "Bearer " + accessToken;
Authorization: `Bearer ${session.accessToken}`,
authorization: Bearer $ACCESS_TOKEN
token: process.env.GITHUB_TOKEN,
token = os.environ["SERVICE_API_TOKEN"]
self.refresh_token = refresh_token_from_storage
refreshToken: tokens.refreshToken ?? previousRefreshToken,
headers["X-Auth-Token"] = request.headers["X-Auth-Token"]
PRIVATE-TOKEN: $GITLAB_API_TOKEN
url = `${base}?access_token=${encodeURIComponent(token)}`;
access_token=AccessTokenProvider.currentValue()
req.Header.Set("Authorization", "Bearer "+cfg.AccessToken)
const id_token = params.get('id_token');
Authorization: "Bearer " + localStorage.getItem("accessToken")
if (token === undefined) return refreshToken;
String header = "Bearer " + tokenService.getAccessToken();
expect(token).toEqual(expectedAccessTokenValue);
token_endpoint_auth_method: private_key_jwt
oauth.refresh_token = yield call(fetchRefreshToken, user)
access_token = models.CharField(max_length=255)
access_token: z.string().min(20),
token: string | undefined;
bearer_token = config.get('bearer_token') or default_bearer_token
let token = lexer.nextTokenOrEndOfInput();
#define TOKEN_BEARER_AUTHENTICATION_SCHEME_NAME
token_count=4096 max_tokens=8192 tokens_per_second=71
auth_token = hashlib.sha256(user_identifier).hexdigest()
secret_token = SecretStr(load_from_keyring())
req.headers.authorization.replace('Bearer ', '')
const [scheme, token] = authorization.split(' ');
Authorization = "Bearer {}".format(self._access_token)
f'Bearer {self.credentials.access_token}'
r"Bearer\s+([A-Za-z0-9\-._~+/]+=*)"
vaultToken := os.Getenv("VAULT_TOKEN")
X-Vault-Token: ${VAULT_TOKEN}
@RequestHeader("X-Auth-Token") String authenticationToken
access_token: !vault orders/token
'''.strip().splitlines()


def _challenges():
    yield from r'''
WWW-Authenticate: Bearer realm="x"
WWW-Authenticate: Bearer realm="orders", error="invalid_token"
www-authenticate: Bearer error="invalid_token", error_description="The access token expired"
WWW-Authenticate: Bearer authorization_uri="https://login.example.com/authorize", resource_id="orders"
WWW-Authenticate: DPoP algs="ES256 PS256"
WWW-Authenticate: Bearer realm="https://auth.example.com/token"
WWW-Authenticate: Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"
{"token_type":"Bearer","scope":"orders.read"}
token_types_supported: Bearer DPoP
Proxy-Authenticate: Bearer scope="repository:shop:pull"
'''.strip().splitlines()


def _prose():
    yield from r'''
The bearer token is sent in the Authorization header of every request.
Authorization: Bearer <token>
Send `Authorization: Bearer` followed by the access-token-of-the-session.
Tokens expire after 3600 seconds.
Anyone who holds a bearer token can use it; a sender-constrained token needs the key as well.
A bearer authentication-scheme-for-http-services is described in RFC 6750.
Set `API_TOKEN` before the start.
The token: a string that stands for the authorization of a client.
Bearer: see glossary/authentication-terms
Use the X-Auth-Token header, the PRIVATE-TOKEN header or the access_token parameter.
We replaced `?access_token=...` by a header, so that it does not end up in logs.
A JSON Web Token has three parts: header.payload.signature
Token rotation/refresh-token-reuse-detection is on.
The bearer of this letter is entitled to collect the parcel.
token = the smallest unit of the grammar
'''.strip().splitlines()


def _lock_lines(mint):
    b64 = lambda n: base64.b64encode(mint.rng.randbytes(n)).decode()    # noqa: E731
    for number in range(5):
        yield f"  integrity sha512-{b64(64)}"
        yield f'  resolved "https://registry.yarnpkg.com/js-tokens/-/js-tokens-{number}.0.0.tgz#{mint.hex(40)}"'
        yield f"example.com/oauth2/token v0.{number}.0 h1:{b64(32)}"
        yield f'checksum = "{mint.hex(64)}"'
        yield f'    {{file = "token_bucket-{number}.0-py3-none-any.whl", hash = "sha256:{mint.hex(64)}"}},'


def _minified(mint):
    for _ in range(4):
        a, b = mint.chars(string.ascii_lowercase, 2)
        yield (f"!function({a},{b}){{{a}.access_token={b}.access_token,{a}.refresh_token={b}.refreshToken||null,"
               f"{a}.headers.Authorization=\"Bearer \".concat({b}.token)}}(this,window);")
        yield (f"var {a}=function(){{return{{token:{b}.nextToken,id_token:{b}.id_token,expires_in:3600}}}},"
               f"k=\"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=\";")
        yield f"e.exports=\"{mint.hex(20)}\",n.token=t(\"access_token\"),r.bearer=o.getBearerTokenFromRequest({a})"


def _data_uris(mint):
    for kind in ("image/png", "font/woff2", "image/gif", "application/octet-stream") * 2:
        value = base64.b64encode(mint.rng.randbytes(300)).decode()
        yield f".icon-token {{ background: url(data:{kind};base64,{value}) }}"


def _svg(mint):
    for _ in range(8):
        steps = "".join(f"{mint.rng.choice('MmLlCcHhVvSs')}{mint.rng.random() * 90:.3f}-{mint.rng.random() * 9:.2f}"
                        for _ in range(40))
        yield f'<path id="token" d="{steps}z"/>'


def _i18n():
    yield from r'''
  "token": "Bitte Token eingeben",
  "access_token": "Zugriffstoken ist abgelaufen",
  "auth_token": "Anmeldemerkmal",
  "refresh_token": "Erneuerungstoken anfordern",
  "bearer": "Inhaber des Tokens",
  "token.hint": "Mindestens-32-Zeichen",
  "secret": "Geheimnis-bitte-sicher-aufbewahren",
  "apiToken": "API-Token-hier-einfuegen",
  "id_token": "Ausweistoken",
  "token_invalid": "Der-eingegebene-Token-ist-ungueltig",
  "accessToken": "Zugriffstoken-erfolgreich-erneuert",
  "password_token": "Kennwort-zuruecksetzen-und-bestaetigen",
  "tokenExpired": "Ihre Sitzung ist abgelaufen",
  "private_token": "Privates/Token/der/Gruppe",
  "auth": "Anmeldung_mit_zweitem_Faktor",
  "csrf_token": "Formularschutz",
  "bearer_token": "Tokeninhaberbescheinigungsverfahren",
  "session_token": "Sitzungskennzeichen-abgelaufen",
'''.strip('\n').splitlines()


def _public_ids(mint):
    for _ in range(2):
        yield f"Stripe('pk_" f"live_{mint.chars(BASE62, 24)}')"
        yield f'const dsn = "https://{mint.hex(32)}@o{mint.digits(6)}.ingest.sentry.io/{mint.digits(7)}";'
        yield f'orgId: "00D5g{mint.chars(BASE62, 13)}",'
        yield f'channel: "C0{mint.chars(string.digits + string.ascii_uppercase, 9)}",'
        yield f"client_id: '{mint.digits(12)}-{mint.chars(BASE36, 32)}.apps.googleusercontent.com',"
        yield f"grecaptcha.render('box', {{ sitekey: '6L{mint.chars(BASE62, 38)}' }});"
    yield f"expires_at: {NOW + HOUR}"


def _look_alikes(mint):
    """Beginnings and names of the platforms' tokens where no token stands."""
    for _ in range(2):
        yield "this.sl.addEventListener('change', this.sl.Component.prototype.update_selection_state)"
        yield f"image: registry.example.com/shop@sha256:{mint.hex(64)}"
        yield f"uses: sha256~{mint.hex(12)}"
        yield f"r8_{mint.hex(8)}_texture_format = VK_FORMAT_R8_UNORM;"
        yield f"src: url(data:image/png;base64,iVBORw0KGgo{mint.chars(BASE62, 90)}/EA" f"A{mint.chars(BASE62, 160)}+{mint.chars(BASE62, 90)})"
        yield f"EXTENDED_{mint.chars(string.ascii_uppercase, 9)}:AAAA_{mint.chars(string.ascii_uppercase, 9)}"
        yield f"backup finished at {mint.digits(10)}:AA"
        yield "//registry.npmjs.org/:_authToken=${NPM_TOKEN}"
        yield "//registry.npmjs.org/:_authToken=00000000-0000-0000-0000-000000000000"
        yield "cargo login <your-api-token>"
        yield f"TWILIO_ACCOUNT_SID=AC{mint.hex(32)}"
        yield f"DISCORD_CLIENT_ID={mint.digits(18)}"
        yield f"JENKINS_BUILD_TAG=jenkins-shop-{mint.digits(4)}"
        yield f"NOTION_DATABASE_ID={mint.hex(32)}"
        yield f"NOTION_PAGE_ID={mint.uuid()}"
        yield f"AIRTABLE_BASE_ID=app{mint.chars(BASE62, 14)}"
        yield f"git checkout {mint.hex(40)} # github.com/example/shop"
        yield f"GITHUB_SHA={mint.hex(40)}"
        yield "v4.public.${payload}.${footer}"
        yield "import { pay } from './v2.local.settings';"
        yield "macaroon = MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsv..."
        yield "FLY_API_TOKEN=fm2_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        yield "ATA" "TT3xFfGF0..."
        yield "SEN" "DGRID_API_KEY=SG.xxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        yield f"launchdarkly environment id: {mint.hex(24)}"


def _certificate(mint):
    body = base64.b64encode(b"\x30\x82\x03\x0a" + mint.rng.randbytes(778)).decode()
    lines = "\n".join(body[at:at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----"
