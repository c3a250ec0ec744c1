"""What tokens travel in: logs, messages, configuration, sources, and big, odd or damaged files.

A carrier is a template whose marks are filled: `‹token›` takes the next token, `‹new opaque›`, `‹new id›` and
`‹new proof›` make one on the spot, the others (`‹time›`, `‹n›`, `‹hex›`, `‹uuid›`, `‹ip›`) are made up.
"""

from collections import Counter
from dataclasses import dataclass

from quality.archives import plant_archives
from quality.mint import HOUR, NOW, dpop_proof, general_jwts, id_token
from quality.issuers import issuer_jwts, k8s_legacy, prefixed, signed_urls
from quality.platforms import platform_tokens
from quality.saml import FIELD, saml_tokens

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Carrier:
    """A kind of file and the lines that carry tokens in it."""

    name: str
    path: str
    lines: tuple                # templates, taken in turn
    opaque: bool = False        # names its value, so that a token without a shape can stand here
    home: bool = False          # only for tokens that name it
    share: int = 1              # how many tokens it gets, compared with others
    head: str = ""
    foot: str = ""
    between: str = "\n"
    newline: str = "\n"


BEARER = "Authorization: Bearer ‹token›"
BIN = "\x1b"

CARRIERS = (
    # --- logs
    Carrier("plain log", "logs/gateway.log", (
        f"‹time› INFO  http GET /api/orders/‹n› headers: {BEARER} -> 200 in ‹n› ms",
        f"‹time› DEBUG proxy > {BEARER}",
        "[‹time›] request.headers.authorization=Bearer ‹token› trace=‹hex›",
    ), opaque=True),
    Carrier("json log", "logs/service.jsonl", (
        '{"ts":"‹time›","level":"debug","headers":{"authorization":"Bearer ‹token›","accept":"*/*"},"id":"‹uuid›"}',
        '{"ts": "‹time›", "msg": "got a token", "access_token": "‹token›", "ms": ‹n›}',
    ), opaque=True),
    Carrier("json in json", "logs/container.log", (
        r'{"log":"{\"level\":\"info\",\"authorization\":\"Bearer ‹token›\",\"id\":\"‹uuid›\"}\n","stream":"stdout"}',
        r'{"body":"{\"access_token\":\"‹token›\",\"token_type\":\"Bearer\"}","status":200}',
        r'{"a":"{\"b\":\"{\\\"access_token\\\":\\\"‹token›\\\",\\\"n\\\":‹n›}\"}"}',
    ), opaque=True),
    Carrier("nginx access log", "logs/access.log", (
        '‹ip› - - [15/Jun/2026:11:‹nn›:‹nn› +0000] "GET /files/‹n›?access_token=‹token|query›&v=2 HTTP/1.1" 200 ‹n›',
        '‹ip› - - [15/Jun/2026:11:‹nn›:‹nn› +0000] "GET /ws?token=‹token|query› HTTP/1.1" 101 0 "-" "agent/‹n›"',
    ), opaque=True),
    Carrier("ansi log", "logs/console.log", (
        f"{BIN}[2m‹time›{BIN}[0m {BIN}[32mINFO{BIN}[0m token{BIN}[2m={BIN}[0m‹token›{BIN}[0m user=‹n›",
        f"{BIN}[36mauthorization{BIN}[0m: {BIN}[1;33m‹token›{BIN}[0m",
    )),
    Carrier("several on a line", "logs/tokens.log", (
        "‹time› rotated ‹token› to ‹token› for ‹n›",
        "old=‹token›,new=‹token›;next=‹token›",
    )),
    Carrier("crlf log", "logs/windows.log", (
        f"‹time› INFO {BEARER}",
        "‹time› token=‹token›",
        '‹time› {"access_token":"‹token›"}',
    ), newline="\r\n"),
    # --- messages
    Carrier("http message", "captures/session.http", (
        f"GET /api/orders/‹n› HTTP/1.1\nHost: api.example.com\n{BEARER}\nAccept: */*\n",
    ), opaque=True),
    Carrier("curl", "ops/deploy.sh", (
        f"curl -sS -X POST -H '{BEARER}' -H 'Accept: application/json' https://api.example.com/v1/orders",
        f'curl --header "{BEARER}" https://api.example.com/v1/items/‹n›',
        'curl -d access_token=‹token› https://api.example.com/v1/me',
    ), opaque=True),
    Carrier("har", "captures/session.har", (
        '  {"startedDateTime":"‹time›","request":{"method":"GET","url":"https://api.example.com/v1/‹n›","headers":['
        '{"name":"Accept","value":"*/*"},{"name":"Authorization","value":"Bearer ‹token›"}]}}',
    ), opaque=True, head='{"log":{"version":"1.2","entries":[\n', foot="\n]}}\n", between=",\n"),
    Carrier("url fragment", "captures/redirects.txt", (
        "https://app.example.com/callback#access_token=‹token›&token_type=Bearer&expires_in=3600&state=‹hex›",
        "Location: https://app.example.com/cb#state=‹hex›&access_token=‹token›",
    ), opaque=True),
    Carrier("form body", "captures/forms.txt", (
        "grant_type=refresh_token&access_token=‹token|query›&client_id=shop",
        "access_token=‹token|query›",
    ), opaque=True),
    Carrier("percent encoded", "captures/encoded.txt", (
        "redirect=https%3A%2F%2Fapp.example.com%2Fcb%3Faccess_token%3D‹token|percent›%26state%3D‹hex›",
        "q=%7B%22token%22%3A%22‹token|percent›%22%7D",
    )),
    Carrier("unicode escapes", "captures/escaped.json", (
        '{"n":‹n›,"access_token":"‹token|unicode›"}',
    )),
    Carrier("html entities", "captures/page.html", (
        "<li data-n=‹n›><code>‹token|html›</code></li>",
    )),
    Carrier("oauth response", "captures/token-responses.jsonl", (
        '{"access_token":"‹token›","token_type":"Bearer","expires_in":3600,"refresh_token":"‹new opaque›"}',
        '{"access_token": "‹token›", "token_type": "Bearer", "expires_in": 3600, "id_token": "‹new id›"}',
        '{\n  "access_token": "‹token›",\n  "expires_in": 3600,\n  "refresh_token": "‹new opaque›"\n}',
    ), opaque=True),
    Carrier("cookie", "captures/cookies.txt", (
        "Set-Cookie: session=‹token›; Path=/; HttpOnly; Secure; SameSite=Lax",
        "Cookie: theme=dark; access_token=‹token›; lang=en",
        "set-cookie: auth=‹token›",
    )),
    Carrier("vendor header", "captures/headers.txt", (
        "X-Auth-Token: ‹token›",
        "x-auth-token: ‹token›",
        '  -H "X-Auth-Token: ‹token›" \\',
    ), opaque=True),
    Carrier("dpop request", "captures/dpop.http", (
        "POST /orders/‹n› HTTP/1.1\nHost: api.example.com\nAuthorization: DPoP ‹token›\nDPoP: ‹new proof›\n",
    )),
    # --- configuration
    Carrier("dot env", ".env", (
        "SERVICE_TOKEN=‹token›", 'export API_TOKEN="‹token›"', "AUTH_TOKEN='‹token›'",
    ), opaque=True),
    Carrier("yaml", "config/settings.yaml", (
        "service‹n›:\n  token: ‹token›", 'client‹n›:\n  access_token: "‹token›"\n  retries: 3',
    ), opaque=True),
    Carrier("xml", "config/settings.xml", (
        "  <token>‹token›</token>", '  <add key="ApiToken" value="‹token›" />',
    ), head='<?xml version="1.0"?>\n<settings>\n', foot="\n</settings>\n"),
    Carrier("csv", "export/sessions.csv", (
        "2026-06-15,user‹n›@example.com,‹token›,200", '2026-06-15,user‹n›@example.com,"‹token›",200',
    ), head="day,user,token,status\n"),
    Carrier("toml", "config/settings.toml", ('token_‹n› = "‹token›"',)),
    Carrier("ini", "config/settings.ini", ("token = ‹token›",)),
    # --- sources and texts
    Carrier("python", "src/client.py", (
        'ACCESS_TOKEN_‹n› = "‹token›"',
        'requests.get(URL, headers={"Authorization": "Bearer ‹token›"})',
        'headers["Authorization"] = "Bearer " + "‹token›"',
    ), head='"""Calls the order service."""\nimport requests\n\n'),
    Carrier("javascript", "src/client.js", (
        "const token‹n› = '‹token›';",
        "await fetch(url, { headers: { Authorization: `Bearer ‹token›` } });",
        'axios.defaults.headers.common["Authorization"] = "Bearer ‹token›";',
    )),
    Carrier("java", "src/Client.java", (
        '    private static final String TOKEN_‹n› = "‹token›";',
        '    request.setHeader("Authorization", "Bearer ‹token›");',
    ), head="class Client {\n", foot="\n}\n"),
    Carrier("go", "src/client.go", (
        'var token‹n› = "‹token›"', '\treq.Header.Set("Authorization", "Bearer ‹token›")', "const raw‹n› = `‹token›`",
    ), head="package client\n\n"),
    Carrier("markdown", "notes/runbook.md", (
        "- log in with `‹token›` and call `/orders`", "  The token is ‹token› until the next rotation.",
        "```\nAuthorization: Bearer ‹token›\n```",
    ), head="# Runbook\n\n"),
    # --- what follows a token directly
    Carrier("follower", "odd/followers.txt", (
        "[‹token›] n=‹n›", "call(‹token›) n=‹n›", "a=‹token›,b=‹n›", "<t>‹token›</t>", "t=‹token›%20x", "k='‹token›'",
        'k="‹token›"', "k=‹token›;path=/", r'"a\n‹token›\nb"', f"‹token›{BIN}[0m", "t=‹token›&u=‹n›", "{‹token›}",
        "‹token›\\", "t=‹token›%22%7D", "‹token›\tx", "(see ‹token›)", r"\"‹token›\"", "|‹token›|",
    ), share=4),
    # --- homes of particular tokens
    Carrier("json document", "captures/signed.json", (
        "‹token›", '{"time":"‹time›","message":‹token›}',
    ), home=True),
    Carrier("dpop header", "captures/proofs.txt", ("DPoP: ‹token›", '"dpop": "‹token›",'), home=True),
    Carrier("id token message", "captures/id-tokens.jsonl", ('{"n":‹n›,"id_token":"‹token›"}',), home=True),
    Carrier("url fragment id token", "captures/id-tokens.txt", (
        "https://shop.example.com/cb#id_token=‹token›&state=‹hex›",
    ), home=True),
    Carrier("logout message", "logs/logout.log", ("‹time› POST /backchannel-logout logout_token=‹token›",), home=True),
    Carrier("client assertion", "captures/assertions.txt", (
        "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type"
        "%3Ajwt-bearer&client_assertion=‹token›&scope=orders",
    ), home=True),
    Carrier("authorization request", "captures/requests.txt", (
        "GET /authorize?client_id=shop-web&request=‹token› HTTP/1.1",
    ), home=True),
    Carrier("private-token header", "ops/pipeline.sh", (
        'curl --header "PRIVATE-TOKEN: ‹token›" https://gitlab.example.com/api/v4/projects',
    ), home=True),
    Carrier("vault header", "ops/secrets.sh", (
        'curl -H "X-Vault-Token: ‹token›" https://vault.example.com/v1/secret/data/shop', "export VAULT_TOKEN=‹token›",
    ), home=True),
    Carrier("consul or nomad", "ops/cluster.sh", (
        'curl -H "X-Consul-Token: ‹token›" http://127.0.0.1:8500/v1/kv/shop', "export CONSUL_HTTP_TOKEN=‹token›",
        'curl -H "X-Nomad-Token: ‹token›" http://127.0.0.1:4646/v1/jobs', "NOMAD_TOKEN=‹token›",
    ), home=True),
    Carrier("token setting", "config/clients.env", (
        "SHOP_TOKEN=‹token›", 'api_key: "‹token›"', '{"access_token": "‹token›", "n": ‹n›}', f"{BEARER}",
    ), home=True),
    Carrier("cargo", "ops/publish.sh", (
        "export CARGO_REGISTRY_TOKEN=‹token›", "cargo login ‹token›", 'printf \'token = "‹token›"\' > ~/.cargo/credentials.toml',
    ), home=True),
    Carrier("jenkins", "ops/builds.sh", (
        "JENKINS_API_TOKEN=‹token›", "export JENKINS_USER_TOKEN=‹token›", 'jenkins = Jenkins(url, "robin", "‹token›")',
    ), home=True),
    Carrier("twilio", "src/messages.js", (
        "const twilioAuthToken = '‹token›';", "TWILIO_API_SECRET=‹token›", 'twilio: { auth_token: "‹token›" }',
    ), home=True),
    Carrier("discord", "src/bot.py", (
        'DISCORD_TOKEN = "‹token›"', 'discord.Client(intents=i).run("‹token›")', 'headers = {"Authorization": "Bot ‹token›"}',
    ), home=True),
    Carrier("airtable", "src/tables.js", (
        "AIRTABLE_API_KEY=‹token›", "Airtable.configure({ apiKey: '‹token›' })", f"{BEARER}",
    ), home=True),
    Carrier("launchdarkly", "config/flags.yaml", (
        "launchdarkly_sdk_key: ‹token›", "LD_ACCESS_TOKEN: ‹token›", 'launchDarkly("‹token›")',
    ), home=True),
    Carrier("notion", "src/pages.js", (
        "NOTION_TOKEN=‹token›", "const notion = new Client({ auth: '‹token›' })", '{"NOTION_API_KEY": "‹token›"}',
    ), home=True),
    Carrier("azure devops", "ops/azure.sh", (
        "export AZURE_DEVOPS_EXT_PAT=‹token›", "AZURE_DEVOPS_TOKEN=‹token›", "ado_token: ‹token›",
    ), home=True),
    Carrier("github hex", "ops/old.sh", (
        "export GITHUB_TOKEN=‹token›", '{"github_access_token": "‹token›"}', "HOMEBREW_GITHUB_API_TOKEN=‹token›",
    ), home=True),
    Carrier("npmrc", "config/npmrc", (
        "//registry.npmjs.org/:_authToken=‹token›", "npm config set //registry.npmjs.org/:_authToken ‹token›",
    ), home=True),
    Carrier("cookie d", "captures/chat.txt", ("Cookie: b=‹hex›; d=‹token›; lc=‹n›",), home=True),
    Carrier("google credentials", "config/application_default_credentials.json", (
        '{"client_id":"‹n›.apps.googleusercontent.com","refresh_token":"‹token›","type":"authorized_user"}',
    ), home=True),
    Carrier("aws environment", "ops/aws.sh", (
        "export AWS_SESSION_TOKEN=‹token›", "aws_session_token = ‹token›",
    ), home=True),
    Carrier("amz header", "logs/aws.log", ("X-Amz-Security-Token: ‹token›", "x-amz-security-token:‹token›"), home=True),
    Carrier("authorization raw", "logs/admin.log", ("‹time› authorization: ‹token› GET /api/v1/users",), home=True),
    Carrier("saml post", "captures/sso.http", (
        f"POST /saml/acs HTTP/1.1\nHost: sp.example.com\n\n{FIELD}=‹token|query›&RelayState=‹hex›\n",
    ), home=True),
    Carrier("saml redirect", "logs/sso-access.log", (
        f'‹ip› - - [15/Jun/2026:11:‹nn›:‹nn› +0000] "GET /acs?{FIELD}=‹token|query›&RelayState=‹hex› HTTP/1.1" 302 0',
    ), home=True),
    Carrier("saml form", "captures/sso.html", (
        f'<form method="post" action="https://sp.example.com/acs"><input type="hidden" name="{FIELD}" value="‹token›"/></form>',
        f'<form method="post">\n<INPUT TYPE="hidden" NAME="{FIELD}"\n VALUE="‹token|html wrapped›">\n</form>',
    ), home=True),
    Carrier("saml har", "captures/sso.har", (
        f'{{"params":[{{"name":"RelayState","value":"‹hex›"}},{{"name":"{FIELD}","value":"‹token|query›"}}]}}',
    ), home=True, between=",\n"),
    Carrier("saml json", "captures/sso.jsonl", (f'{{"n":‹n›,"{FIELD}":"‹token|slashes›"}}',), home=True),
    Carrier("saml grant", "captures/saml-grants.txt", (
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Asaml2-bearer&assertion=‹token›&client_id=shop",
        "assertion=‹token›&grant_type=urn:ietf:params:oauth:grant-type:saml2-bearer",
    ), home=True),
    Carrier("saml soap", "captures/trust.xml", (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>\n‹token›\n</s:Body></s:Envelope>',
    ), home=True),
    Carrier("saml log", "logs/sso.log", ("‹time› DEBUG sso received ‹token› from ‹ip›",), home=True),
    Carrier("saml json string", "logs/sso.jsonl", (
        '{"level":"debug","msg":"assertion ‹token|json›","n":‹n›}', '{"xml":"‹token|json html›"}',
    ), home=True),
    Carrier("saml page", "captures/debug.html", ("<pre>‹token|html text›</pre>",), home=True),
    Carrier("web address", "ops/notify.sh", ("curl -d @message https://‹token›", "WEBHOOK=https://‹token›"), home=True),
    Carrier("web address query", "logs/downloads.log", (
        "‹time› GET https://shop.example.com/exports/‹n›.csv?‹token› 200",
        'url: "https://shop.example.com/a/‹n›?‹token›"',
    ), home=True),
)


class Fields:
    """Fills the marks of templates."""

    def __init__(self, mint):
        self.mint = mint

    def __call__(self, name):
        rng = self.mint.rng
        return {
            "time": lambda: f"2026-06-15T11:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(1000):03}Z",
            "n": lambda: str(rng.randrange(100, 99999)),
            "nn": lambda: f"{rng.randrange(60):02}",
            "hex": lambda: self.mint.hex(16),
            "uuid": self.mint.uuid,
            "ip": lambda: f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
        }[name]()


def plant_tokens(mint, planted):
    """Plants the whole set of tokens."""
    fields = Fields(mint)
    waiting = {carrier.name: [] for carrier in CARRIERS}
    shaped = list(general_jwts(mint)) + list(issuer_jwts(mint)) + [k8s_legacy(mint) for _ in range(3)]
    shaped += list(prefixed(mint)) + list(signed_urls(mint)) + list(platform_tokens(mint)) + list(saml_tokens(mint))
    opaque = [mint.opaque() for _ in range(45)]

    general = [carrier for carrier in CARRIERS if not carrier.home]
    naming = [carrier for carrier in general if carrier.opaque]
    _deal([t for t in shaped if not t.carriers], general, waiting, mint.rng)
    _deal(opaque, naming, waiting, mint.rng)
    turns = Counter()
    for token in (t for t in shaped if t.carriers):
        waiting[token.carriers[turns[token.carriers] % len(token.carriers)]].append(token)
        turns[token.carriers] += 1
    for carrier in CARRIERS:
        _plant_carrier(carrier, waiting[carrier.name], mint, planted, fields)

    _plant_ends_of_file(mint, planted)
    _plant_binary(mint, planted)
    _plant_repeated(mint, planted, fields)
    _plant_boundaries(mint, planted, fields)
    _plant_long_line(mint, planted)
    plant_archives(planted, lambda: _samples(mint), lambda size: _filler(mint, fields, size))


def _deal(tokens, carriers, waiting, rng):
    """Deals shuffled tokens to the carriers in turn."""
    rng.shuffle(tokens)
    carriers = [carrier for carrier in carriers for _ in range(carrier.share)]
    for number, token in enumerate(tokens):
        waiting[carriers[number % len(carriers)].name].append(token)


def _plant_carrier(carrier, tokens, mint, planted, fields):
    """Writes the file of a carrier, the templates in turn until its tokens are used up."""
    makers = {"new opaque": mint.opaque, "new id": lambda: id_token(mint), "new proof": lambda: dpop_proof(mint)}
    waiting = list(reversed(tokens))

    def draw(name):
        if name != "token":
            return makers[name]()
        return waiting.pop() if waiting else mint.access("head alg first")

    with planted.file(carrier.path, carrier.newline) as file:
        file.write(carrier.head)
        number = 0
        while waiting:
            file.write(carrier.between if number else "")
            file.fill(carrier.lines[number % len(carrier.lines)], carrier.name, fields, draw)
            number += 1
        file.write(carrier.foot or "\n")


def _samples(mint):
    """Tokens of different lengths and alphabets."""
    return [
        mint.access("head alg first", alg="RS256"),
        mint.access("head lines", spelling="lines", alg="ES256"),
        next(t for t in prefixed(mint) if t.family == "github-pat"),
        next(t for t in prefixed(mint) if t.family == "openai"),
        mint.access("unsecured", alg="none"),
        mint.access("cnf jkt", binding="jkt", alg="HS256"),
    ]


def _plant_ends_of_file(mint, planted):
    """The last line without newline: nothing at all follows the token."""
    for number, token in enumerate(_samples(mint) * 2):
        with planted.file(f"odd/end-{number}.txt") as file:
            file.write("token: " if number % 2 else "")
            file.token(token, "end of file")


def _plant_binary(mint, planted):
    """Tokens between bytes that are no text; a NUL stands on either side."""
    with planted.file("odd/core.bin") as file:
        for token in _samples(mint) * 2:
            file.write(mint.rng.randbytes(mint.rng.randrange(500, 5000)) + b"\0")
            file.token(token, "binary")
            file.write(b"\0")


def _plant_repeated(mint, planted, fields):
    """The same token in three files: every place must be named."""
    tokens = _samples(mint)
    for number in range(3):
        with planted.file(f"repeated/worker-{number}.log") as file:
            for token in tokens:
                file.fill("‹time› retry ‹n› with ‹token›\n", "repeated", fields, lambda _, token=token: token)


def _filler(mint, fields, size):
    """Ordinary log lines."""
    lines = []
    while size > 0:
        time, worker, order = fields("time"), fields("nn"), fields("n")
        lines.append(f"{time} INFO worker-{worker} order {order} accepted, trace={fields('hex')}\n")
        size -= len(lines[-1])
    return "".join(lines).encode()


def _plant_boundaries(mint, planted, fields):
    """Tokens that begin before, at or after the places where a reader may cut a file, and end behind them."""
    block = _filler(mint, fields, 64 * KIB)
    block *= 4 * MIB // len(block) + 2
    lead = b"\nAuthorization: Bearer "
    for number, part in enumerate((0.0, 0.001, 0.01, 0.5, 0.99, 1.0)):
        with planted.file(f"big/boundary-{number}.log") as file:
            for turn, boundary in enumerate((64 * KIB, 256 * KIB, MIB, 4 * MIB)):
                token = _samples(mint)[(number + turn) % 6]
                inside = -(-len(token.text) * int(part * 1000) // 1000)
                gap = boundary - inside - len(lead) - len(file.content)
                file.write(block[:gap] + lead)
                file.token(token, f"boundary {boundary // KIB} KiB")
                file.write(b"\n")
            file.write(block[:20 * KIB])


def _plant_long_line(mint, planted):
    """20 MB of JSON in one line."""
    item = "".join(f'{{"id":{mint.digits(6)},"state":"ok","span":"{mint.hex(16)}"}},' for _ in range(2000)).encode()
    item *= 5 * MIB // len(item)
    tokens = iter(_samples(mint) * 2)
    with planted.file("big/one-line.json") as file:
        file.write(b"[")
        for _ in range(4):
            file.write(item)
            for wanted in (True, False):
                file.write('{"access_token":"' if wanted else '{"authorization":"Bearer ')
                file.token(next(tokens), "20 MB line")
                file.write(f'","expires":{NOW + HOUR}}},')
        file.write('{"access_token":"')
        file.token(next(tokens), "20 MB line")
        file.write('"}]')
