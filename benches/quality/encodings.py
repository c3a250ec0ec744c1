"""Tokens behind the encodings of text: base64 where something announces it, gzip in it, 16-bit characters,
quoted-printable, hard wraps, entities, escapes, JSON in JSON. Each token stands where its outer bytes stand.
"""

import base64
import gzip
import json

from quality.issuers import prefixed
from quality.mint import HOUR, NOW

WORD = "base" + "64"
SECRET = "kind: " + "Secret"


def plant_encodings(mint, planted):
    """Plants fresh tokens behind each encoding."""
    for name, path, write, only in ENCODINGS:
        for number, token in enumerate(_samples(mint, only)):
            folder, file_name = path.rsplit("/", 1)
            with planted.file(f"encodings/{folder}/{number:02}-{file_name}") as file:
                write(mint, file, token, f"encoded: {name}")


def _samples(mint, only):
    """Tokens of all lengths, bindings and states; of `names`, opaque ones as well, of `jose` no others."""
    tokens = [mint.access(f"cnf {binding}", binding=binding, lifetime=lifetime, alg=alg)
              for binding, lifetime, alg in (
                  ("none", "live", "RS256"), ("jkt", "long", "ES256"), ("x5t", "expired", "HS256"),
                  ("empty", "live", "EdDSA"), ("short thumbprint", "expired", "ES256"), ("none", "no exp", "PS256"),
                  ("jwk ec", "live", "ES384"), ("none", "long expired", "RS512"))]
    if only != "jose":
        # One whose start is a matter of taste has no place of its own in there.
        shaped = {token.family: token for token in prefixed(mint) if not token.start_only}
        tokens += [shaped[family] for family in ("github-pat", "gitlab-pat", "npm", "openai", "slack-bot")]
    if only == "names":
        tokens += [mint.opaque() for _ in range(3)]
    return tokens


def b64(data):
    """Standard base64."""
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def _lines(text, width, end):
    return end.join(text[at:at + width] for at in range(0, len(text), width))


def _base64_of(text, before="", after="\n", width=None, end="\n"):
    """A writer of a text that is wholly in base64, in lines of that width; `text` holds the token at `@`."""
    def write(mint, file, token, carrier):
        file.write(before)
        inner = text.replace("@", token.text)
        encoded = b64(inner)
        start = len(file.content)
        breaks = lambda symbol: symbol + (symbol // width * len(end) if width else 0)   # noqa: E731
        first = breaks(text.index("@") * 4 // 3)
        last = breaks(((text.index("@") + len(token.text)) * 4 + 2) // 3)
        file.write((_lines(encoded, width, end) if width else encoded).encode())
        file.place(token, carrier, start + first, start + last)
        file.write(after)
    return write


def _packed(pack, before, after="\n"):
    """A writer of base64 in which no byte of the token has a place of its own: the whole stands for it."""
    def write(mint, file, token, carrier):
        file.write(before)
        start = len(file.content)
        file.write(pack(f'{{"level":"debug","authorization":"Bearer {token.text}","n":{mint.digits(5)}}}'))
        file.place(token, carrier, start, len(file.content))
        file.write(after)
    return write


def _wide(codec, mark):
    """A writer of a file in 16-bit characters."""
    def write(mint, file, token, carrier):
        head = f"{mark}# exported by nightly\r\nid;value\r\nAuthorization: Bearer "
        file.write(head.encode(codec))
        # The token begins with the byte that says something.
        start = len(file.content) + codec.endswith("be")
        file.write(token.text.encode(codec))
        file.place(token, carrier, start, len(file.content))
        file.write("\r\nnext line\r\n".encode(codec))
    return write


def _text(template, encode, end=""):
    """A writer of a template with the encoded token at `@`."""
    def write(mint, file, token, carrier):
        before, after = template.split("@")
        file.write(before.encode())
        start = len(file.content)
        file.write(encode(token.text).encode())
        file.place(token, carrier, start, len(file.content))
        file.write(after.encode())
    return write


def _soft(template, width, mark):
    """A writer of lines that go on: the whole text is cut at that width with the mark at each line's end."""
    def write(mint, file, token, carrier):
        text = template.replace("@", token.text)
        at = template.index("@")
        moved = lambda offset: offset + offset // width * len(mark)     # noqa: E731
        start = len(file.content)
        file.write(_lines(text, width, mark).encode())
        file.place(token, carrier, start + moved(at), start + moved(at + len(token.text) - 1) + 1)
        file.write("\n")
    return write


def _in_json(depth, escape):
    """A writer of JSON in JSON, so deep, with the dots escaped in the innermost."""
    def write(mint, file, token, carrier):
        marked = json.dumps({"access_token": "@", "token_type": "Bearer", "expires_at": NOW + HOUR})
        for _ in range(depth):
            marked = json.dumps({"message": marked, "n": 7})
        escaped = _dots("\\" * (2 ** depth - 1) + escape if escape != "." else ".")(token.text)
        before, after = marked.split("@")
        file.write(before.encode())
        start = len(file.content)
        file.write(escaped.encode())
        file.place(token, carrier, start, len(file.content))
        file.write(after.encode() + b"\n")
    return write


def _dots(escape):
    """Escapes the dots of a JOSE object."""
    return lambda text: text.replace(".", escape) if text[:2] in ("ey", "ew") else text


def _zipped(text):
    return b64(gzip.compress(text.encode(), mtime=0))


LETTER = "Hello,\n\nthe new key for the test system:\nAuthorization: Bearer @\n\nPlease use no other.\n"
MIME = f"From: robin@example.com\nContent-Type: text/plain\nContent-Transfer-Encoding: {WORD}\n\n"

# Name of the carrier, file, writer, and which tokens it takes.
ENCODINGS = (
    ("base64, secret", "k8s/secret.yaml", _base64_of("@", f"apiVersion: v1\n{SECRET}\ndata:\n  api-token: "), "names"),
    ("base64, secret below", "k8s/late.yaml", _base64_of("@", "data:\n  token: ", f"\n{SECRET}\n"), "names"),
    ("base64, data uri", "web/page.html", _base64_of(LETTER, f'<a href="data:text/plain;{WORD},', '">x</a>\n'), "all"),
    ("base64, mail", "mail/letter.eml", _base64_of(LETTER, MIME, "\r\n", 76, "\r\n"), "all"),
    ("base64, value", "env/service.env", _base64_of("@", "SERVICE_TOKEN="), "names"),
    ("base64, json value", "env/config.json", _base64_of("@", '{"access_token": "', '"}\n'), "names"),
    ("base64, decoded in source", "src/client.py", _base64_of("@", f'key = {WORD}.b64decode("', '")\n'), "all"),
    ("base64, json", "logs/json.log", _base64_of('{"n":1,"access_token":"@"}', "payload "), "all"),
    ("base64, basic", "logs/basic.log", lambda *all: _basic(*all), "names"),
    ("base64 of utf-16", "ops/run.ps1",
     lambda _, file, token, carrier: _powershell(file, token, carrier), "all"),
    ("base64 of gzip", "logs/packed.log", _packed(_zipped, "body="), "all"),
    ("base64 of base64 of gzip", "k8s/release.yaml",
     _packed(lambda text: b64(_zipped(text)), f"apiVersion: v1\n{SECRET}\ntype: helm.sh/release.v1\ndata:\n  release: "),
     "all"),
    ("utf-16 le, marked", "wide/little.txt", _wide("utf-16-le", "\ufeff"), "all"),
    ("utf-16 be, marked", "wide/big.txt", _wide("utf-16-be", "\ufeff"), "all"),
    ("utf-16 le", "wide/little-plain.txt", _wide("utf-16-le", ""), "all"),
    ("utf-16 be", "wide/big-plain.txt", _wide("utf-16-be", ""), "all"),
    ("quoted-printable", "mail/quoted.eml", _soft("Authorization: Bearer @", 72, "=\r\n"), "all"),
    ("quoted-printable dots", "mail/dots.eml", _text("Authorization: Bearer @\r\n", _dots("=2E")), "all"),
    ("continued lines", "ops/call.sh", _soft('curl -H "Authorization: Bearer @"', 60, "\\\n"), "jose"),
    ("hard wraps", "text/wrapped.txt", _text("the key:\n@\n", lambda text: _lines(text, 64, "\n")), "jose"),
    ("hard wraps, crlf", "text/windows.txt", _text("the key:\r\n@\r\n", lambda text: _lines(text, 76, "\r\n")), "jose"),
    ("hard wraps, indented", "config/block.yaml", _text("key: |\n  @\n", lambda text: _lines(text, 70, "\n  ")), "jose"),
    ("entities, decimal", "web/decimal.html", _text("<p>Bearer @</p>\n", _dots("&#46;")), "all"),
    ("entities, hexadecimal", "web/hex.html", _text("<p>Bearer @</p>\n", _dots("&#x2E;")), "all"),
    ("entities around", "web/around.html", _text("<pre>{&quot;access_token&quot;:&quot;@&quot;}</pre>\n", str), "names"),
    ("escape x", "src/escaped.py", _text('token = "@"\n', _dots("\\x2e")), "all"),
    ("escape x twice", "logs/escaped.log", _text('{"line":"token = \\"@\\""}\n', _dots("\\\\x2e")), "all"),
    ("escape u", "logs/escaped.json", _text('{"access_token":"@"}\n', _dots("\\u002e")), "all"),
    ("percent twice", "web/twice.url", _text("next=https%253A%252F%252Fa.test%252F%253Ftoken%253D@\n", _dots("%252E")), "all"),
    ("json in json", "logs/nested.log", _in_json(1, "."), "names"),
    ("json in json in json", "logs/deeper.log", _in_json(2, "."), "names"),
    ("json in json, escaped", "logs/nested-escaped.log", _in_json(1, "\\u002e"), "all"),
)


def _basic(mint, file, token, carrier):
    """The password of a pair: the whole value is what is to be taken out."""
    file.write("Authorization: Basic ")
    start = len(file.content)
    file.write(b64(f"robot-{mint.digits(3)}:{token.text}"))
    file.place(token, carrier, start, len(file.content))
    file.write("\n")


def _powershell(file, token, carrier):
    """The characters are 16 bits wide inside of the base64."""
    text = "$t = '@'; Invoke-RestMethod"
    start_in = 2 * text.index("@")
    encoded = b64(text.replace("@", token.text).encode("utf-16-le"))
    file.write(f'[Convert]::From{WORD.capitalize()}String("')
    start = len(file.content)
    file.write(encoded)
    file.place(token, carrier, start + start_in * 4 // 3, start + len(encoded))
    file.write('")\n')
