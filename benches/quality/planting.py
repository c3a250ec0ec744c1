"""Writes the files of the labelled set and remembers what stands where."""

import html
import json
import re
import urllib.parse
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from quality.mint import Token

def _dots(text, escape):
    """Escapes the dots of a JOSE object. Nobody escapes those that belong to a prefix."""
    return text.replace(".", escape) if text[:2] in ("ey", "ew") else text


ENCODINGS = {
    "raw": lambda text: text,
    "query": lambda text: urllib.parse.quote(text, safe="-._~"),
    "percent": lambda text: _dots(urllib.parse.quote(text, safe="-._~"), "%2E"),
    "unicode": lambda text: _dots(text, "\\u002e").replace("/", "\\/"),
    "html": lambda text: _dots(text, "&#46;"),
    "html text": html.escape,
    "html wrapped": lambda text: "&#10;".join(text[at:at + 76] for at in range(0, len(text), 76)),
    "json": lambda text: json.dumps(text)[1:-1],
    "json html": lambda text: json.dumps(text)[1:-1].replace("<", "\\u003c").replace(">", "\\u003e"),
    "slashes": lambda text: text.replace("/", "\\/"),
}

_MARK = re.compile("‹([^›]+)›")


def within(path, member):
    """A file, or what is in it."""
    return path if member is None else f"{path}!/{member}"


@dataclass(eq=False)
class Place:
    """One place where a token stands; the scoring writes into it what was found."""

    path: str
    start: int
    end: int
    token: Token
    carrier: str
    findings: list = field(default_factory=list)    # records that point at its start
    misplaced: list = field(default_factory=list)   # records that point into it, or near it
    related: list = field(default_factory=list)     # records that name it as a further place


@dataclass(eq=False)
class Decoy:
    """One stretch of a file in which nothing is to be found."""

    path: str
    start: int
    end: int
    label: str
    alarms: list = field(default_factory=list)


class File:
    """A file of the set, or of an archive in the set, while it is written."""

    def __init__(self, planted, path, newline="\n", member=None, packers=()):
        self.planted, self.newline = planted, newline.encode()
        self.target, self.packers = planted.root / path, packers
        self.path = within(path, member)
        self.content = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        packed = bytes(self.content)
        for pack in self.packers:
            packed = pack(packed)
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.target.write_bytes(packed)
        starts = array("Q", [0])
        starts.extend(match.end() for match in re.finditer(b"\n", self.content))
        self.planted.lines[self.path] = starts

    def write(self, text):
        """Appends text (with the file's line ends) or bytes (as they are)."""
        if isinstance(text, str):
            text = text.encode().replace(b"\n", self.newline)
        self.content += text

    def token(self, token, carrier, encoding="raw"):
        """Appends a token and remembers its place."""
        start = len(self.content)
        self.content += ENCODINGS[encoding](token.text).encode()
        self.planted.places.append(Place(self.path, start, len(self.content), token, carrier))

    def place(self, token, carrier, start, end):
        """Remembers the place of a token that was written in some other form."""
        self.planted.places.append(Place(self.path, start, end, token, carrier))

    def decoy(self, label, text):
        """Appends a line in which nothing is to be found."""
        start = len(self.content)
        self.write(text)
        self.planted.decoys.append(Decoy(self.path, start, len(self.content), label))
        self.write("\n")

    def fill(self, template, carrier, filling, draw):
        """Appends a template: `‹token›`, `‹token|encoding›` and `‹new kind›` are tokens that `draw` gives, other marks
        are made up by `filling`."""
        at = 0
        for mark in _MARK.finditer(template):
            self.write(template[at:mark.start()])
            at = mark.end()
            name, _, encoding = mark[1].partition("|")
            if name == "token" or name.startswith("new "):
                self.token(draw(name), carrier, encoding or "raw")
            else:
                self.write(filling(name))
        self.write(template[at:])


class Planted:
    """Everything that was planted below a folder."""

    def __init__(self, root):
        self.root = Path(root)
        self.places, self.decoys, self.keys = [], [], []
        self.lines = {}     # path: offsets of its line starts

    def file(self, path, newline="\n", **packing):
        """Begins a file; with `packers` it is packed by one after the other, `member` is how it is called in there."""
        return File(self, path, newline, **packing)

    def offset(self, path, line, column):
        """The offset of a line and a column (both from 1, columns in bytes); `None` where there is no such line."""
        starts = self.lines.get(path)
        if starts is None or not 1 <= line <= len(starts):
            return None
        return starts[line - 1] + column - 1

    def line(self, path, offset):
        """The line (from 1) of an offset."""
        return bisect_right(self.lines[path], offset)
