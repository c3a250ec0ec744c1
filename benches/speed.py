#!/usr/bin/env python3
"""Speed and memory of keybound, beside ripgrep.

Three cases, on logs that benches/loggen.py writes:

    16 files     2 GB (--size-mb) in sixteen files
    one file     the same bytes in one file
    small files  a folder of three small files, from start to exit

keybound finds, decodes and judges every token and writes JSON lines to /dev/null; ripgrep counts the lines that match
an alternation of twenty token patterns. Both get the same folder with its files in the page cache, one run each in
turn, and the medians are compared. ripgrep gives each file to one thread, so in the case of one file only one core
works for it; the column of CPU seconds says what the work costs all cores together. The budgets:

    at most 1.0 times ripgrep's wall time, in both large cases
    at most 60 MB of peak memory, whatever the size of the file
    at most 20 ms for the small files, as the mean of thirty runs

Exits with 0 if all are kept, 1 if one is missed, 2 if nothing could be measured.

ripgrep is measured as `rg -c --no-messages -e PATTERNS DIR` and, without being judged against, with its default
flags (`rg -e PATTERNS DIR`, which prints the lines), and with --bearer also counting with a twenty-first pattern,
`authorization: bearer` in any letter case. Needs Python 3.11 and its standard library, on Linux or macOS.
"""

import argparse
import os
import platform
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LOGGEN = Path(__file__).resolve().with_name("loggen.py")
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024

RATIO_BUDGET = 1.0  # of ripgrep's wall time
MEMORY_BUDGET = 60_000_000  # bytes at the peak
START_BUDGET = 0.020  # seconds from start to exit, three small files
SMALL_RUNS = 30

# The shapes that the issuers document or that the well-known scanners look for, as one would hand them to ripgrep.
PATTERNS = {
    "JWT": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "GitHub": r"gh[pousr]_[A-Za-z0-9]{36,}",
    "GitHub, fine-grained": r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    "GitLab": r"glpat-[A-Za-z0-9_-]{20,}",
    "npm": r"npm_[A-Za-z0-9]{36}",
    "PyPI": r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}",
    "Slack": r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "Slack, app level": r"xapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]+",
    "Slack, webhook": r"hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{20,}",
    "Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "Google OAuth": r"ya29\.[A-Za-z0-9_-]{20,}",
    "AWS access key id": r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    "Stripe": r"[rs]k_(?:live|test)_[A-Za-z0-9]{20,}",
    "OpenAI": r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}",
    "Anthropic": r"sk-ant-(?:api|admin|oat)[0-9]{2}-[A-Za-z0-9_-]{80,}",
    "Vault": r"hv[bsr]\.[A-Za-z0-9_-]{24,}",
    "Hugging Face": r"hf_[A-Za-z]{34}",
    "Databricks": r"dapi[a-f0-9]{32}",
    "SendGrid": r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
}
BEARER = r"(?i:authorization:\s*bearer\s+[A-Za-z0-9._~+/=-]{20,})"


class Failed(Exception):
    """A measured program ended in a way that makes its time worthless."""


class Run(NamedTuple):
    """One run of a program, from start to exit."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    rss: int  # bytes at the peak


class Program(NamedTuple):
    """A program to measure, and with which exit codes it did its work."""

    name: str
    command: tuple  # the folder is appended
    good: tuple

    def run(self, folder, output=os.devnull):
        """Runs it once on the folder and measures it; standard output goes to the file `output`."""
        command = [*map(str, self.command), str(folder)]
        with tempfile.NamedTemporaryFile(prefix="keybound-bench-") as errors:
            actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                       (os.POSIX_SPAWN_OPEN, 1, str(output), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                       (os.POSIX_SPAWN_OPEN, 2, errors.name, os.O_WRONLY, 0)]
            began = time.perf_counter()
            pid = os.posix_spawn(command[0], command, ENVIRONMENT, file_actions=actions)
            _, status, usage = os.wait4(pid, 0)
            wall = time.perf_counter() - began
            code = os.waitstatus_to_exitcode(status)
            if code not in self.good:
                ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
                said = Path(errors.name).read_text(errors="replace").strip()
                raise Failed(f"{self.name} {ended}: {shlex.join(command)[:200]}\n{said[:2000]}")
        return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * MAXRSS_UNIT)


# ripgrep reads more options from the file that this names.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "RIPGREP_CONFIG_PATH"}


# ----------------------------------------------------------------------------------------------------------------------
# The programs
# ----------------------------------------------------------------------------------------------------------------------


def find_rg(wanted):
    """The path of ripgrep: as told, from PATH, where it often is, or installed now below target/."""
    if wanted:
        path = shutil.which(wanted)
        if not path:
            raise Failed(f"no ripgrep at {wanted}")
        return path
    own = ROOT / "target" / "bench-tools"
    for place in ("rg", "/opt/rg/bin/rg", own / "bin" / "rg"):
        if path := shutil.which(place):
            return path
    print(f"no ripgrep in PATH: installing it below {own} (cargo install ripgrep)", flush=True)
    try:
        subprocess.run(["cargo", "install", "ripgrep", "--locked", "--root", str(own)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"ripgrep could not be installed: {error}") from error
    return str(own / "bin" / "rg")


def rg_programs(rg, bearer):
    """The ways in which ripgrep is run; the first one is what keybound is judged against."""
    patterns = "|".join(PATTERNS.values())
    programs = [Program("rg -c", (rg, "-c", "--no-messages", "-e", patterns), (0, 1)),
                Program("rg, default flags", (rg, "-e", patterns), (0, 1))]
    if bearer:
        programs.append(Program("rg -c, and bearer", (rg, "-c", "--no-messages", "-e", f"{patterns}|{BEARER}"), (0, 1)))
    return programs


def keybound_program(path, small):
    """How keybound is run, after a look at whether it finds anything at all."""
    if not path.is_file():
        raise Failed(f"no keybound at {path}: run `cargo build --release` first, or measure ripgrep with --rg-only")
    common = (path, "scan", "--no-config", "--exit-zero", "--format")
    piped = Program("keybound", (*common, "jsonl"), (0,))
    if count_lines(piped, small) == 0:
        raise Failed("keybound finds nothing in three files with four tokens: its times would mean nothing")
    to_file = Program("keybound", (*common, f"jsonl={os.devnull}"), (0,))
    try:
        to_file.run(small)
        return to_file, piped
    except Failed:
        return piped, piped


def count_lines(program, folder):
    """Lines that the program prints for the folder."""
    with tempfile.NamedTemporaryFile(prefix="keybound-bench-") as output:
        program.run(folder, output.name)
        with open(output.name, "rb") as lines:
            return sum(1 for _ in lines)


def count_matches(program, folder):
    """The sum of the counts that `rg -c` prints, one a file."""
    with tempfile.NamedTemporaryFile(prefix="keybound-bench-") as output:
        program.run(folder, output.name)
        with open(output.name, encoding="utf-8") as lines:
            return sum(int(line.rpartition(":")[2]) for line in lines)


def first_line(*command):
    """The first line that a command prints, or why there is none."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=20, env=ENVIRONMENT)
        return (done.stdout.strip() or "(says nothing)").splitlines()[0]
    except (OSError, subprocess.SubprocessError) as error:
        return f"({error})"


# ----------------------------------------------------------------------------------------------------------------------
# Measuring
# ----------------------------------------------------------------------------------------------------------------------


def read_through(folder):
    """Reads every file once, so that all runs find it in the page cache; returns the bytes read."""
    total, buffer = 0, bytearray(1 << 20)
    for path in sorted(folder.iterdir()):
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                total += count
    return total


def in_turn(programs, folder, rounds):
    """Runs the programs in turn; who goes first changes from round to round."""
    runs = {program.name: [] for program in programs}
    for number in range(rounds):
        for program in programs if number % 2 == 0 else reversed(programs):
            runs[program.name].append(program.run(folder))
    return runs


def table(heads, rows):
    """Prints rows below their heads, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    for row in (heads, *rows):
        print("  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))


def large_case(title, programs, folder, rounds, verdicts):
    """One of the two large cases: measures, prints, and adds to the verdicts if keybound is among the programs."""
    size = read_through(folder)
    runs = in_turn(programs, folder, rounds)
    wall = {name: statistics.median(run.wall for run in of) for name, of in runs.items()}
    best = {name: min(run.wall for run in of) for name, of in runs.items()}
    rows = []
    for name, of in runs.items():
        ratio = f"{wall['keybound'] / wall[name]:.2f}" if "keybound" in wall and name != "keybound" else ""
        rows.append((name, f"{wall[name]:.3f}", f"{best[name]:.3f}", f"{size / wall[name] / 1e9:.2f}",
                     f"{statistics.median(run.cpu for run in of):.2f}", f"{max(run.rss for run in of) / 1e6:.1f}", ratio))
    print(f"\n{title}: {size / 1e9:.2f} GB, {rounds} runs each")
    table(("", "wall s", "min s", "GB/s", "cpu s", "peak MB", "keybound/this"), rows)
    if "keybound" in wall:
        ratio, peak = wall["keybound"] / wall["rg -c"], max(run.rss for run in runs["keybound"])
        least = best["keybound"] / best["rg -c"]
        verdicts.append((ratio <= RATIO_BUDGET, f"{title}: {ratio:.2f} times ripgrep's wall time by the medians, "
                                                f"{least:.2f} by the fastest runs; budget {RATIO_BUDGET:.1f}"))
        verdicts.append((peak <= MEMORY_BUDGET, f"{title}: {peak / 1e6:.1f} MB at the peak; budget {MEMORY_BUDGET / 1e6:.0f}"))


def small_case(programs, folder, verdicts):
    """Three small files, from start to exit."""
    title = "small files"
    read_through(folder)
    in_turn(programs, folder, 3)
    runs = in_turn(programs, folder, SMALL_RUNS)
    print(f"\n{title}: three files, {SMALL_RUNS} runs each, from start to exit")
    rows = []
    for name, of in runs.items():
        walls = [run.wall * 1e3 for run in of]
        rows.append((name, f"{statistics.fmean(walls):.2f}", f"{statistics.median(walls):.2f}", f"{min(walls):.2f}",
                     f"{max(walls):.2f}", f"{max(run.rss for run in of) / 1e6:.1f}"))
    table(("", "mean ms", "median", "min", "max", "peak MB"), rows)
    if "keybound" in runs:
        mean, peak = statistics.fmean(run.wall for run in runs["keybound"]), max(run.rss for run in runs["keybound"])
        verdicts.append((mean <= START_BUDGET, f"{title}: {mean * 1e3:.1f} ms from start to exit; budget {START_BUDGET * 1e3:.0f}"))
        verdicts.append((peak <= MEMORY_BUDGET, f"{title}: {peak / 1e6:.1f} MB at the peak; budget {MEMORY_BUDGET / 1e6:.0f}"))


# ----------------------------------------------------------------------------------------------------------------------
# Facts about the machine
# ----------------------------------------------------------------------------------------------------------------------


def grep_file(path, key):
    """What stands after the first `key … :` in a file of /proc, or None."""
    try:
        with open(path, encoding="utf-8") as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)
    except OSError:
        return None


def kib(path, key):
    """The same as a number of bytes, for values in kB."""
    value = grep_file(path, key)
    return int(value.split()[0]) * 1024 if value else None


def machine(rg, keybound, load):
    """Prints what the figures depend on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = kib("/proc/meminfo", "MemTotal")
    print(f"machine    {grep_file('/proc/cpuinfo', 'model name') or platform.processor() or platform.machine()}, "
          f"{cores} cores, {f'{memory / 1e9:.0f} GB, ' if memory else ''}{platform.system()} {platform.release()}")
    print(f"ripgrep    {first_line(rg, '--version')} ({rg})")
    if keybound:
        print(f"keybound   {first_line(keybound, '--version')} ({keybound})")
    print(f"load       {load:.2f}" + ("; something else is running, the times will show it" if load > 0.3 * cores else ""))


def memory_floor():
    """The least peak memory that can be seen: a child starts with what this script has."""
    return Program("true", (shutil.which("true"),), (0,)).run("").rss


# ----------------------------------------------------------------------------------------------------------------------


def arguments():
    parser = argparse.ArgumentParser(description="Speed and memory of keybound, beside ripgrep.",
                                     epilog="Exits with 0 if all budgets are kept, 1 if one is missed, 2 on other faults.")
    parser.add_argument("--bin", type=Path, default=ROOT / "target/release/keybound", help="default target/release/keybound")
    parser.add_argument("--rg", help="path of ripgrep; found or installed unless told")
    parser.add_argument("--rg-only", action="store_true", help="measure ripgrep alone")
    parser.add_argument("--bearer", action="store_true", help="compare also with an any-case bearer pattern")
    parser.add_argument("--size-mb", type=int, help="size of the logs (default 2048)")
    parser.add_argument("--runs", type=int, help="runs of each program in the large cases (default 5)")
    parser.add_argument("--quick", action="store_true", help="256 MB and 3 runs")
    parser.add_argument("--tokens-per-mb", type=float, default=2.0, help="distinct tokens in a MB of log (default 2)")
    parser.add_argument("--dir", type=Path, default=Path("/tmp/keybound-bench"), help="default /tmp/keybound-bench")
    args = parser.parse_args()
    args.size_mb = args.size_mb or (256 if args.quick else 2048)
    args.runs = args.runs or (3 if args.quick else 5)
    return args


def measure(args):
    """Everything from writing the logs to the verdicts; returns the exit code."""
    load = os.getloadavg()[0]  # before the logs are written, which counts too
    rg = find_rg(args.rg)
    target = args.dir / f"{args.size_mb}mb"
    # In a process of its own: what this one once held would count as the peak memory of every child.
    if subprocess.run([sys.executable, str(LOGGEN), "--dir", str(target), "--size-mb", str(args.size_mb),
                       "--tokens-per-mb", str(args.tokens_per_mb)]).returncode != 0:
        raise Failed("the logs could not be written")

    programs, found = rg_programs(rg, args.bearer), None
    machine(rg, None if args.rg_only else args.bin, load)
    print(f"logs       {target}, {args.tokens_per_mb:g} distinct tokens per MB")
    if not args.rg_only:
        keybound, piped = keybound_program(args.bin.resolve(), target / "small")
        programs.insert(0, keybound)
        found = {case: count_lines(piped, target / case) for case in ("many", "one")}
    free = kib("/proc/meminfo", "MemAvailable")
    if free and free < args.size_mb * 1.1 * 2**20:
        print("warning    the logs do not fit into the page cache: the disk will be measured too")
    lines = {case: count_matches(next(p for p in programs if p.name == "rg -c"), target / case) for case in ("many", "one")}
    print(f"found      rg -c: {lines['many']:,} lines in 16 files, {lines['one']:,} in one"
          + (f"; keybound: {found['many']:,} findings, {found['one']:,}" if found else ""))
    print(f"memory     peaks below {memory_floor() / 1e6:.1f} MB cannot be told apart")
    for program in programs:
        print(f"runs       {program.name}: {shlex.join(map(str, program.command)).replace('|'.join(PATTERNS.values()), 'PATTERNS')} DIR")

    verdicts = []
    large_case("16 files", programs, target / "many", args.runs, verdicts)
    large_case("one file", programs, target / "one", args.runs, verdicts)
    small_case(programs, target / "small", verdicts)
    print()
    for kept, text in verdicts:
        print(f"{'kept  ' if kept else 'MISSED'}  {text}")
    return 0 if all(kept for kept, _ in verdicts) else 1


def main():
    args = arguments()
    try:
        return measure(args)
    except Failed as error:
        print(f"speed.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
