"""Compares the records of private keys with the keys that were planted: found, named, thumbprint, encrypted or not."""

from dataclasses import dataclass

from quality.planting import within


@dataclass
class KeyTally:
    """A row of the table of keys."""

    planted: int = 0
    found: int = 0
    named: int = 0
    jkt: int = 0
    encrypted: int = 0


class KeyScore:
    """Everything that was measured of keys."""

    def __init__(self, planted, records):
        self.rows, self.misses, self.alarms, self.misjudged = {}, [], [], []
        for record in records:
            if record.get("type") == "finding" and record.get("key"):
                self._assign(planted, record)
        for key in planted.keys:
            self._count(key)

    def _assign(self, planted, record):
        location = record["location"]
        path = within(location["path"], location.get("member"))
        offset = planted.offset(path, location["line"], location["column"])
        owner = next((key for key in planted.keys
                      if key.path == path and offset is not None and key.start <= offset < key.end), None)
        if owner is None or owner.records:
            self.alarms.append((path, location["line"], record["rule"]))
        if owner is not None:
            owner.records.append(record)

    def _count(self, key):
        row = self.rows.setdefault(key.label, KeyTally())
        row.planted += 1
        if not key.records:
            self.misses.append(key)
            return
        record = key.records[0]
        row.found += 1
        row.named += record.get("family") in key.families
        jkt = record["key"].get("jkt") == key.jkt
        encrypted = record["key"].get("encrypted") == key.encrypted
        row.jkt += jkt
        row.encrypted += encrypted
        if not (jkt and encrypted):
            self.misjudged.append(key)

    @property
    def planted(self):
        """How many keys there are."""
        return sum(row.planted for row in self.rows.values())

    @property
    def recall(self):
        """Found of planted."""
        return 1 - len(self.misses) / self.planted if self.planted else 1.0

    @property
    def precision(self):
        """Rightly found of all that was reported."""
        found = self.planted - len(self.misses)
        return found / (found + len(self.alarms)) if found or self.alarms else 1.0
