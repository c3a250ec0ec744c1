"""Compares the scanner's records with what was planted.

A record belongs to a planted token if it begins where the token begins (path, line, column), or names that place among
its related places. A record with the token's fingerprint in the same file that begins elsewhere still finds it, and is
counted as misplaced.
"""

import bisect
import datetime
import fnmatch
import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from quality.mint import BOUND
from quality.planting import within

LABEL = b"token-hygiene:v1\0"
COUNTED = ("low", "medium", "high", "critical")
ASPECTS = ("binding", "state", "ttl", "expiry")


def fingerprint(text):
    """The fingerprint that a record has for this token."""
    return hashlib.sha256(LABEL + text.encode()).hexdigest()


@dataclass
class Tally:
    """A row of a table of recall and precision."""

    planted: int = 0
    found: int = 0
    named: int = 0
    alarms: int = 0

    @property
    def recall(self):
        """Found of planted."""
        return self.found / self.planted if self.planted else 1.0

    @property
    def precision(self):
        """Rightly found of all that was reported."""
        total = self.found + self.alarms
        return self.found / total if total else 1.0


@dataclass
class Judged:
    """A row of the table of judgements."""

    tokens: int = 0
    right: Counter = field(default_factory=Counter)
    wholly: int = 0
    faults: int = 0
    faults_named: int = 0


@dataclass
class Alarm:
    """A record that stands for no planted token."""

    path: str
    line: int
    severity: str
    family: str
    label: str      # the decoy's class, or what else is at that place


class Score:
    """Everything that was measured."""

    def __init__(self, planted, records, raw_output=b""):
        self.planted = planted
        self.alarms, self.noise, self.doubles = [], [], []
        self.families, self.carriers = defaultdict(Tally), defaultdict(Tally)
        self.decoys = defaultdict(lambda: [0, 0])
        self.classes = defaultdict(Judged)
        self.misses, self.misplaced, self.misjudged = [], [], []
        self.unbound_called_bound, self.live_called_expired = [], []
        self.coverage = [r for r in records if r.get("type") == "coverage"]
        self.printed = sum(p.token.text.encode() in raw_output for p in planted.places if len(p.token.text) >= 20)
        for place in planted.places:
            place.findings, place.misplaced, place.related = [], [], []
        for decoy in planted.decoys:
            decoy.alarms = []
        self._places = _by_path(planted.places)
        self._decoys = _by_path(planted.decoys)
        for record in records:
            if record.get("type") == "finding" and record.get("token"):
                self._assign(record)
        self._count()

    # --- which record belongs to what -----------------------------------------------------------------------------

    def _assign(self, record):
        location = record["location"]
        path, offset = _path(location), self._offset(location)
        place = _at(self._places, path, offset)
        if place is not None:
            place.findings.append(record)
        else:
            near = _overlapping(self._places, path, offset)
            if near is not None:
                near.misplaced.append(record)
            else:
                self._stray(record, path, offset)
        for other in record.get("related") or []:
            offset = self._offset(other)
            place = _at(self._places, _path(other), offset)
            if place is not None:
                place.related.append(record)

    def _offset(self, place):
        return self.planted.offset(_path(place), place["line"], place["column"])

    def _stray(self, record, path, offset):
        """A record that points at no planted token: it may still name one by its fingerprint."""
        wanted = record["token"].get("fingerprint")
        for place in self._places.get(path, ([], []))[1]:
            if fingerprint(place.token.text) == wanted:
                place.misplaced.append(record)
                return
        decoy = _overlapping(self._decoys, path, offset)
        alarm = Alarm(path, record["location"]["line"], record["severity"], record.get("family") or record["rule"],
                      decoy.label if decoy else "(between the labelled lines)")
        if alarm.severity in COUNTED:
            self.alarms.append(alarm)
            if decoy:
                decoy.alarms.append(record)
        else:
            self.noise.append(alarm)

    # --- counting -------------------------------------------------------------------------------------------------

    def _count(self):
        for place in self.planted.places:
            self._count_place(place)
        for decoy in self.planted.decoys:
            row = self.decoys[decoy.label]
            row[0] += 1
            row[1] += bool(decoy.alarms)
        patterns = {place.token.family: place.token.names for place in self.planted.places}
        for alarm in self.alarms:
            owner = next((name for name, globs in patterns.items()
                          if globs != ("*",) and matches(alarm.family, globs)), f"({alarm.family})")
            self.families[owner].alarms += 1

    def _count_place(self, place):
        token = place.token
        record = next(iter(place.findings or place.related), None)
        if record is None:
            wanted = fingerprint(token.text)
            record = next((r for r in place.misplaced if r["token"].get("fingerprint") == wanted), None)
            if record is not None:
                place.misplaced.remove(record)
                self.misplaced.append((place, record))
        family, carrier = self.families[token.family], self.carriers[place.carrier]
        for row in (family, carrier):
            row.planted += 1
            row.found += record is not None
        # One token at one place is one finding: whatever else points into it is a double.
        for extra in place.findings[1:] + place.misplaced:
            self.doubles.append((place, extra))
            if extra["severity"] in COUNTED:
                self.alarms.append(Alarm(place.path, self._line(place), extra["severity"], extra.get("family") or "?",
                                         f"double or fragment: {token.label}"))
                carrier.alarms += 1
        if record is None:
            self.misses.append(place)
            return
        named = matches(record.get("family") or "", token.names)
        family.named += named
        carrier.named += named
        if token.verdict:
            self._judge(place, record)

    def _line(self, place):
        return self.planted.line(place.path, place.start)

    def _judge(self, place, record):
        """Compares binding, state, lifetime and expiry with what they must be."""
        want, got = place.token.verdict, record["token"]
        row = self.classes[place.token.label]
        row.tokens += 1
        wrong = []
        for aspect, right in (
            ("binding", want.binding is None or got.get("binding") in want.binding),
            ("state", want.state is None or got.get("state") in want.state),
            ("ttl", want.ttl is None or got.get("ttl_seconds") in want.ttl),
            ("expiry", _expiry_right(want, got)),
        ):
            row.right[aspect] += right
            if not right:
                wrong.append(aspect)
        row.wholly += not wrong
        if want.faults:
            row.faults += 1
            row.faults_named += want.faults <= set(record.get("faults") or ())
        if wrong:
            self.misjudged.append((place, wrong, {name: got.get(name) for name in (
                "binding", "state", "ttl_seconds", "expires_at")}))
        if want.binding is not None and not want.binding & BOUND and got.get("binding") in BOUND:
            self.unbound_called_bound.append(place)
        if want.state is not None and "expired" not in want.state and got.get("state") == "expired":
            self.live_called_expired.append(place)

    # --- the sums -------------------------------------------------------------------------------------------------

    @property
    def total(self):
        """Recall and precision over everything."""
        places = self.planted.places
        return Tally(len(places), len(places) - len(self.misses), sum(t.named for t in self.families.values()),
                     len(self.alarms))

    @property
    def judged_right(self):
        """The share of found tokens with a verdict whose every aspect was judged right."""
        tokens = sum(row.tokens for row in self.classes.values())
        return sum(row.wholly for row in self.classes.values()) / tokens if tokens else 1.0


def _expiry_right(want, got):
    """Whether it is called expired exactly if it is, with the right time."""
    if want.state is not None and ("expired" in want.state) != (got.get("state") == "expired"):
        return False
    if want.expires is None:
        return True
    try:
        when = datetime.datetime.fromisoformat(got["expires_at"].replace("Z", "+00:00"))
    except (AttributeError, KeyError, ValueError):
        return False
    return int(when.timestamp()) == want.expires


def matches(family, globs):
    """Whether a family's slug fits one of the patterns."""
    return any(fnmatch.fnmatchcase(family, glob) for glob in globs)


def _path(place):
    """Where a record says that something stands."""
    return within(place["path"], place.get("member"))


def _by_path(spans):
    """Spans by path: their starts and themselves, in order."""
    paths = defaultdict(list)
    for span in spans:
        paths[span.path].append(span)
    return {path: ([s.start for s in items], items)
            for path, items in ((p, sorted(i, key=lambda s: s.start)) for p, i in paths.items())}


def _at(places, path, offset):
    """The planted token that begins at that offset, as loosely as it allows."""
    if offset is None or path not in places:
        return None
    starts, items = places[path]
    at = bisect.bisect_right(starts, offset)
    for place in items[max(at - 1, 0):at + 1]:
        if place.start - place.token.before <= offset <= place.start + place.token.after:
            return place
    return None


def _overlapping(spans, path, offset):
    """The span that holds that offset."""
    if offset is None or path not in spans:
        return None
    starts, items = spans[path]
    at = bisect.bisect_right(starts, offset) - 1
    return items[at] if at >= 0 and offset < items[at].end else None
