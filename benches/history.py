"""The history of a big repository: keybound against git alone.

    python3 benches/history.py --bin target/release/keybound REPOSITORY

Both read every object; git throws them away. Medians of three runs in turn, and their ratio (budget: 1.5).
"""

import argparse
import resource
import statistics
import subprocess
import time


def timed(command, cwd):
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start, done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("repository")
    args = parser.parse_args()
    git = ["git", "cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer"]
    own = [args.bin, "scan", "--no-config", "--history", "--exit-zero", "--format", "jsonl", args.repository]
    times = {"git": [], "keybound": []}
    for _ in range(args.runs):
        for name, command, cwd in [("git", git, args.repository), ("keybound", own, None)]:
            took, code = timed(command, cwd)
            if code != 0:
                raise SystemExit(f"{name} ended with {code}")
            times[name].append(took)
    middle = {name: statistics.median(all_times) for name, all_times in times.items()}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"git {middle['git']:.2f} s, keybound {middle['keybound']:.2f} s: {middle['keybound'] / middle['git']:.2f} x, "
          f"peak of all processes {peak:.0f} MB")


main()
