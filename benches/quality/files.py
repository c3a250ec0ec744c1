"""The files of `tests/data/carriers` (see `tests/common/carriers.rs`), filled with fresh tokens: every kind of file that
holds tokens, real in form, with values in between that must not be taken for any.
"""

import base64
import re
from pathlib import Path

from quality.issuers import prefixed
from quality.mint import Token
from quality.planting import Decoy, Place

FOLDER = Path(__file__).resolve().parents[2] / "tests/data/carriers"
_MARK = re.compile("‹([^›]+)›")
_FILE = re.compile(r"^-- (.+) --\n", re.MULTILINE)
_SHAPED = {"github": "github-pat", "gitlab": "gitlab-pat", "npm": "npm", "slack": "slack-bot"}


def plant_files(mint, planted):
    """Plants the files of all texts below the folder."""
    shaped = {}
    for token in prefixed(mint):
        shaped.setdefault(token.family, []).append(token)
    for text in sorted(FOLDER.glob("*.txt")):
        parts = _FILE.split(text.read_text(encoding="utf-8"))
        for path, body in zip(parts[1::2], parts[2::2]):
            _plant(mint, planted, shaped, text.stem, path, body)


def _plant(mint, planted, shaped, text, path, body):
    known = {}

    def value(kind):
        """The token of a mark, and how it is written."""
        if "#" not in kind:
            return _make(mint, shaped, kind)
        if kind not in known:
            known[kind] = _make(mint, shaped, kind.split("#")[0])
        return known[kind]

    path = _MARK.sub(lambda mark: value(mark[1].split()[0])[1], path)
    carrier = f"{text}: {path.rsplit('/', 1)[-1] if len(path) > 24 else path}"
    with planted.file(f"{text}/{path}") as file:
        at = 0
        for mark in _MARK.finditer(body):
            file.write(body[at:mark.start()])
            at = mark.end()
            words = mark[1].split()
            if words == ["nul"]:
                file.write(b"\0")
                continue
            token, written = value(words[0])
            start = len(file.content)
            file.write(written)
            end = len(file.content)
            if len(words) > 1 and words[1] != "quiet":
                planted.places.append(Place(file.path, start, end, token, carrier))
            else:
                planted.decoys.append(Decoy(file.path, start, end, "value in a carrier"))
        file.write(body[at:])


def _make(mint, shaped, kind):
    opaque = lambda text: Token(text, "opaque", "opaque bearer", ("opaque*",))   # noqa: E731
    if kind.startswith("basic:"):
        token = mint.opaque()
        return token, base64.b64encode(f"{kind[6:]}:{token.text}".encode()).decode()
    if kind == "password64":
        token = mint.opaque()
        return token, base64.b64encode(token.text.encode()).decode()
    if kind == "words64":
        return opaque("jane:Spring-in-the-garden"), base64.b64encode(b"jane:Spring-in-the-garden").decode()
    if kind in _SHAPED:
        token = mint.rng.choice(shaped[_SHAPED[kind]])
    elif kind == "jwt":
        token = mint.access("head alg first")
    else:
        token = {
            "opaque": mint.opaque,
            "quiet": lambda: opaque(mint.word(32)),
            "long": lambda: opaque(mint.word(160)),
            "refresh": lambda: opaque(f"0.A{mint.word(120)}.{mint.word(40)}"),
            "uuid": lambda: opaque(mint.uuid()),
            "hex16": lambda: opaque(mint.hex(16)),
            "hex": lambda: opaque(mint.hex(40)),
            "hex64": lambda: opaque(mint.hex(64)),
        }[kind]()
    return token, token.text
