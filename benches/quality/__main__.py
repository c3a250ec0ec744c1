"""Generates the labelled set, runs the scanner over it, prints the tables and the verdict.

Exit code: 0 good enough, 1 not good enough, 2 the scanner could not be run.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benches"))

from quality.carriers import plant_tokens  # noqa: E402
from quality.decoys import plant_decoys  # noqa: E402
from quality.encodings import plant_encodings  # noqa: E402
from quality.files import plant_files  # noqa: E402
from quality.keys import plant_keys  # noqa: E402
from quality.keyscore import KeyScore  # noqa: E402
from quality.mint import NOW_TEXT, Mint  # noqa: E402
from quality.planting import Planted  # noqa: E402
from quality.scoring import ASPECTS, Score, matches  # noqa: E402

LEAST_RECALL = 0.98
LEAST_PRECISION = 0.98
LEAST_JUDGED_RIGHT = 0.99


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="quality", description="Measures what keybound finds and how it judges.")
    parser.add_argument("--bin", type=Path, default=ROOT / "target/release/keybound", help="the scanner")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another set (default 1)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the set there and keep it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--verbose", action="store_true", help="list everything, also noise at info and coverage")
    parser.add_argument("--generate-only", action="store_true", help="write the set, scan nothing")
    return parser.parse_args()


def generate(seed, folder):
    """Writes the set; the same seed writes the same bytes."""
    planted = Planted(folder)
    plant_tokens(Mint(f"tokens {seed}"), planted)
    plant_files(Mint(f"files {seed}"), planted)
    plant_encodings(Mint(f"encodings {seed}"), planted)
    plant_keys(Mint(f"keys {seed}"), planted)
    plant_decoys(Mint(f"decoys {seed}"), planted)
    return planted


def scan(binary, folder):
    """Runs the scanner; its records and its raw output."""
    command = [str(binary), "scan", "--no-config", "--format", "jsonl", "--now", NOW_TEXT, str(folder)]
    try:
        run = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        sys.exit(fail(f"can't run {binary}: {error.strerror}"))
    if run.returncode not in (0, 1):
        sys.exit(fail(f"{binary} ended with {run.returncode}: {run.stderr.decode(errors='replace')[:2000]}"))
    try:
        records = [json.loads(line) for line in run.stdout.splitlines() if line.strip()]
    except ValueError as error:
        sys.exit(fail(f"a record is no JSON: {error}"))
    if not any(record.get("type") == "summary" for record in records):
        sys.exit(fail(f"{binary} gave no summary: that was no scan"))
    return records, run.stdout + run.stderr


def fail(message):
    """Says why nothing could be measured."""
    print(message, file=sys.stderr)
    return 2


def table(title, head, rows):
    """Prints a table with aligned columns."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}")
    for row in [head, *rows]:
        print("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))))


def percent(share):
    """A share as a percentage, never rounded up to a whole."""
    return f"{int(share * 1000) / 10:.1f}%"


def listing(title, lines, verbose):
    """Prints the first lines of a list, or all."""
    if not lines:
        return
    shown = lines if verbose else lines[:40]
    print(f"\n{title} ({len(lines)})")
    for line in shown:
        print(f"  {line}")
    if len(shown) < len(lines):
        print(f"  ... and {len(lines) - len(shown)} more (--verbose)")


def report_keys(keys, planted, verbose):
    """Prints the table and lists of private keys."""
    table("Keys", ["", "planted", "found", "named rightly", "thumbprint", "encrypted"],
          [(name, *vars(row).values()) for name, row in sorted(keys.rows.items())])
    listing("Missed keys", [f"{k.path}:{planted.line(k.path, k.start)}  {k.label}" for k in keys.misses], verbose)
    listing("Misjudged keys", [f"{k.path}  {k.label}: {k.records[0]['key']}" for k in keys.misjudged], verbose)
    listing("False alarms of keys", [f"{path}:{line}  {rule}" for path, line, rule in keys.alarms], verbose)


def report(score, verbose):
    """Prints tables and lists. No token is ever printed, only labels and places."""
    for title, tallies in (("Families", score.families), ("Carriers", score.carriers)):
        table(title, ["", "planted", "found", "recall", "false alarms", "precision", "named rightly"],
              [(name, t.planted, t.found, percent(t.recall), t.alarms, percent(t.precision), t.named)
               for name, t in sorted(tallies.items())])
    table("Decoys", ["", "planted", "reported"], [(name, *row) for name, row in sorted(score.decoys.items())])
    table("Judgements", ["", "tokens", *ASPECTS, "all right", "fault named"],
          [(name, row.tokens, *(row.right[a] for a in ASPECTS), row.wholly,
            f"{row.faults_named}/{row.faults}" if row.faults else "-")
           for name, row in sorted(score.classes.items())])

    def where(place):
        return f"{place.path}:{score.planted.line(place.path, place.start)}  {place.token.label}"

    def stray(alarm):
        return f"{alarm.path}:{alarm.line}  {alarm.label}  reported as {alarm.family}, {alarm.severity}"

    listing("Misses", [f"{where(p)}  in {p.carrier}" for p in score.misses], verbose)
    listing("False alarms", [stray(alarm) for alarm in score.alarms], verbose)
    listing("Misplaced", [f"{where(p)}  found at {r['location']['line']}:{r['location']['column']}"
                          for p, r in score.misplaced], verbose)
    listing("Misjudged", [f"{where(p)}  {', '.join(wrong)}: {got}" for p, wrong, got in score.misjudged], verbose)
    if verbose:
        listing("Reported at info, no token", [stray(alarm) for alarm in score.noise], True)
        listing("Named otherwise", sorted({
            f"{p.token.label} ({p.token.family}): {r.get('family')}" for p in score.planted.places
            for r in p.findings[:1] if not matches(r.get("family") or "", p.token.names)}), True)
        listing("Coverage", [f"{c.get('path')}  {c.get('status')}: {c.get('reason')}" for c in score.coverage], True)


def uncovered(planted):
    """Families of the rule files that no planted token stands for."""
    globs = {glob for place in planted.places for glob in place.token.names if glob != "*"}
    slugs = {slug for path in (ROOT / "rules/tokens").glob("*.yaml")
             for slug in re.findall(r"^  - slug: (\S+)", path.read_text(), re.MULTILINE)}
    return sorted(slug for slug in slugs if not matches(slug, globs) and slug != "jws")


def numbers(score, keys, seconds):
    """The sums, for people and for `--json`."""
    total = score.total
    return {
        "tokens": total.planted,
        "decoys": len(score.planted.decoys),
        "recall": round(total.recall, 5),
        "precision": round(total.precision, 5),
        "judged_right": round(score.judged_right, 5),
        "unbound_called_bound": len(score.unbound_called_bound),
        "live_called_expired": len(score.live_called_expired),
        "tokens_printed": score.printed,
        "misses": len(score.misses),
        "false_alarms": len(score.alarms),
        "doubles": len(score.doubles),
        "misplaced": len(score.misplaced),
        "named_rightly": total.named,
        "noise_at_info": len(score.noise),
        "keys": keys.planted,
        "keys_recall": round(keys.recall, 5),
        "keys_precision": round(keys.precision, 5),
        "keys_misjudged": len(keys.misjudged),
        "scan_seconds": round(seconds, 2),
    }


def verdict(sums):
    """What is not good enough."""
    return [text for bad, text in (
        (sums["recall"] < LEAST_RECALL, f"recall below {LEAST_RECALL}"),
        (sums["precision"] < LEAST_PRECISION, f"precision below {LEAST_PRECISION}"),
        (sums["judged_right"] < LEAST_JUDGED_RIGHT, f"judged right below {LEAST_JUDGED_RIGHT}"),
        (sums["keys_recall"] < LEAST_RECALL, f"recall of keys below {LEAST_RECALL}"),
        (sums["keys_precision"] < LEAST_PRECISION, f"precision of keys below {LEAST_PRECISION}"),
        (sums["keys_misjudged"], "a key's thumbprint or protection was not told rightly"),
        (sums["unbound_called_bound"], "an unbound token was called bound"),
        (sums["live_called_expired"], "a live token was called expired"),
        (sums["tokens_printed"], "a token was printed"),
    ) if bad]


def main():
    """Everything in turn."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="quality-") as scratch:
        folder = options.keep or Path(scratch)
        if options.keep and folder.is_dir() and any(folder.iterdir()):
            return fail(f"{folder} is not empty")
        planted = generate(options.seed, folder)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"seed {options.seed}: {len(planted.places)} places of tokens, {len(planted.keys)} keys, "
              f"{len(planted.decoys)} decoys, "
              f"{len(planted.lines)} files, {size / 1e6:.1f} MB")
        for slug in uncovered(planted):
            print(f"not covered: {slug}")
        if options.generate_only:
            return 0
        start = time.monotonic()
        records, raw_output = scan(options.bin, folder)
        score = Score(planted, records, raw_output)
        keys = KeyScore(planted, records)
        sums = numbers(score, keys, time.monotonic() - start)
    report(score, options.verbose)
    report_keys(keys, planted, options.verbose)
    table("Sums", ["", ""], sums.items())
    lacking = verdict(sums)
    if options.json:
        options.json.write_text(json.dumps({
            **sums, "seed": options.seed, "good_enough": not lacking,
            "families": {name: vars(t) for name, t in sorted(score.families.items())},
            "carriers": {name: vars(t) for name, t in sorted(score.carriers.items())},
            "key_classes": {name: vars(row) for name, row in sorted(keys.rows.items())},
            "classes": {name: {"tokens": row.tokens, **row.right, "all right": row.wholly}
                        for name, row in sorted(score.classes.items())},
            "decoy_classes": {name: {"planted": p, "reported": r} for name, (p, r) in sorted(score.decoys.items())},
        }, indent=2) + "\n")
    print("\n" + ("good enough" if not lacking else "not good enough: " + "; ".join(lacking)))
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
