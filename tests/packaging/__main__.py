"""What people install, tried as they would: the hook with the real pre-commit, the action's scripts under a runner's
environment, the workflows with zizmor, SARIF with Microsoft's validator, the wheel, `keybound init`.

    python3 tests/packaging --bin target/release/keybound [--only hook,action,...]
"""

import argparse
import base64
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "target" / "packaging"
MULTITOOL = "5.7.0"
# A hook is felt beyond this.
HOOK_MS = 50


class Wrong(Exception):
    """Something is not as it should be."""


def check(condition, what):
    if not condition:
        raise Wrong(what)


def run(*command, cwd=None, env=None, ok=True, **more):
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, text=True, capture_output=True, **more)
    if ok and done.returncode != 0:
        raise Wrong(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(seed):
    """A JSON Web Token of nobody, unbound and long-lived."""
    dice = random.Random(seed)
    now = int(time.time())
    head = {"alg": "RS256", "typ": "at+jwt", "kid": f"key-{seed}"}
    claims = {"iss": "https://login.example.com", "sub": f"user-{seed}", "aud": "https://api.example.com",
              "iat": now - 60, "exp": now + 86_400, "jti": f"{dice.getrandbits(64):x}"}
    return ".".join([b64(json.dumps(head).encode()), b64(json.dumps(claims).encode()), b64(dice.randbytes(256))])


def python_tools():
    """The tools from PyPI, in a folder of their own."""
    folder = TOOLS / "venv"
    wanted = (pathlib.Path(__file__).parent / "requirements.txt").read_text()
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        run(folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *wanted.split())
        stamp.write_text(wanted)
    return folder / "bin"


def repository(folder):
    run("git", "init", "-q", "-b", "main", folder)
    for key, value in [("user.name", "A Developer"), ("user.email", "developer@example.com"),
                       ("commit.gpgsign", "false")]:
        run("git", "config", key, value, cwd=folder)
    return folder


def test_hook(binary, scratch):
    """pre-commit runs the hook as it is published."""
    tools = python_tools()
    hooks = repository(scratch / "hooks")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
    run("git", "add", "-A", cwd=hooks)
    run("git", "commit", "-qm", "hooks", cwd=hooks)
    rev = run("git", "rev-parse", "HEAD", cwd=hooks).stdout.strip()
    bin_folder = scratch / "bin"
    bin_folder.mkdir()
    shutil.copy(binary, bin_folder / "keybound")
    env = {**os.environ, "PATH": f"{bin_folder}:{tools}:{os.environ['PATH']}", "PRE_COMMIT_HOME": str(scratch / "cache")}
    work = repository(scratch / "work")
    (work / ".pre-commit-config.yaml").write_text(
        f"repos:\n  - repo: {hooks}\n    rev: {rev}\n    hooks:\n      - id: keybound-system\n")
    run(tools / "pre-commit", "install", cwd=work, env=env)

    def commit(message):
        return run("git", "commit", "-qm", message, cwd=work, env=env, ok=False)

    (work / "app.py").write_text("print('hello')\n")
    run("git", "add", "-A", cwd=work)
    done = commit("clean")
    check(done.returncode == 0, f"a clean commit was blocked: {done.stdout}{done.stderr}")

    secret = token(1)
    (work / "app.py").write_text(f"TOKEN = '{secret}'\n")
    # In the work tree only: what is committed is clean.
    (work / "other.py").write_text("x = 1\n")
    run("git", "add", "other.py", cwd=work)
    done = commit("partial")
    check(done.returncode == 0, f"a file that is not committed blocked: {done.stdout}{done.stderr}")

    run("git", "add", "app.py", cwd=work)
    (work / "app.py").write_text("TOKEN = 'gone again'\n")
    done = commit("leak")
    text = done.stdout + done.stderr
    check(done.returncode != 0, "a leaked token was committed")
    for part in ["jwt-unbound", "app.py:1:", "fix", "Anyone holding"]:
        check(part in text, f"the message does not say {part!r}: {text}")
    check(secret[:40] not in text and secret[-40:] not in text, "the message shows the token")
    check("TOKEN" not in run("git", "show", "HEAD:app.py", cwd=work).stdout, "the token is in the history")

    run("git", "checkout", "-q", "HEAD", "--", "app.py", cwd=work)
    for number in range(5):
        (work / f"file{number}.py").write_text("y = 2\n" * 200)
    run("git", "add", "-A", cwd=work)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        run(bin_folder / "keybound", "scan", "--staged", cwd=work)
        times.append((time.perf_counter() - start) * 1000)
    best = min(times)
    check(best <= HOOK_MS, f"a clean commit costs {best:.0f} ms, budget {HOOK_MS}")
    return f"blocks a leak, passes the rest; {best:.0f} ms at best, {statistics.median(times):.0f} ms in the middle"


def runner(scratch, name, **inputs):
    """A runner's environment with a workspace."""
    folder = scratch / name
    (folder / "temp").mkdir(parents=True)
    work = repository(folder / "work")
    files = {key: folder / key for key in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV"]}
    for file in files.values():
        file.touch()
    given = {"PATH": ".", "HISTORY": "", "FAIL_ON": "low", "CONFIG": "", "BASELINE": "", "TRUST_REPOSITORY": "true",
             **inputs}
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "RUNNER_TEMP": str(folder / "temp"), "RUNNER_OS": "Linux",
           "RUNNER_ARCH": "X64", **{key: str(file) for key, file in files.items()},
           **{f"KEYBOUND_{key}": value for key, value in given.items()}}
    return work, env


def outputs(env):
    lines = pathlib.Path(env["GITHUB_OUTPUT"]).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def verdict(env, script=ROOT / "action" / "verdict.sh"):
    given = outputs(env)
    more = {"KEYBOUND_VERDICT": given.get("verdict", ""), "KEYBOUND_FINDINGS": given.get("findings", "")}
    return run(script, env={**env, **more}, ok=False).returncode


def test_action(binary, scratch):
    """The scripts of the action, as a runner runs them."""
    scan = ROOT / "action" / "scan.sh"
    secret = token(2)

    work, env = runner(scratch, "clean", BINARY=str(binary))
    (work / "a.txt").write_text("nothing\n")
    run(scan, cwd=work, env=env)
    check(outputs(env)["verdict"] == "clean" and verdict(env) == 0, f"clean: {outputs(env)}")

    work, env = runner(scratch, "leak", BINARY=str(binary))
    (work / "a.txt").write_text(f"x\n{secret}\n")
    done = run(scan, cwd=work, env=env)
    summary = pathlib.Path(env["GITHUB_STEP_SUMMARY"]).read_text()
    check(outputs(env)["verdict"] == "findings" and outputs(env)["findings"] == "1", f"leak: {outputs(env)}")
    check(verdict(env) == 1, "the verdict does not fail the job")
    check("::error file=a.txt,line=2," in done.stdout, f"no annotation: {done.stdout}")
    check("jwt-unbound" in summary, f"no summary: {summary}")
    sarif = json.loads(pathlib.Path(outputs(env)["sarif-file"]).read_text())
    check(len(sarif["runs"][0]["results"]) == 1, "the SARIF file has not the one result")
    for what, text in [("output", done.stdout + done.stderr), ("summary", summary), ("SARIF", json.dumps(sarif))]:
        check(secret[:40] not in text, f"the {what} shows the token")

    work, env = runner(scratch, "critical only", BINARY=str(binary), FAIL_ON="critical")
    (work / "a.txt").write_text(f"{secret}\n")
    run(scan, cwd=work, env=env)
    check(outputs(env)["verdict"] == "clean" and outputs(env)["findings"] == "0", f"critical: {outputs(env)}")

    # The repository under test can't talk itself out of it.
    for trusted, expected in [("true", "clean"), ("false", "findings")]:
        work, env = runner(scratch, f"trusted {trusted}", BINARY=str(binary), TRUST_REPOSITORY=trusted)
        (work / "a.txt").write_text(f"{secret}  # keybound: ignore it is ours\n")
        run(scan, cwd=work, env=env)
        check(outputs(env)["verdict"] == expected, f"trust-repository {trusted}: {outputs(env)}")

    work, env = runner(scratch, "history", BINARY=str(binary), HISTORY="main~1..main")
    for message, text in [("one", "clean\n"), ("two", f"{secret}\n"), ("three", "clean again\n")]:
        (work / "a.txt").write_text(text)
        run("git", "add", "-A", cwd=work)
        run("git", "commit", "-qm", message, cwd=work)
    run(scan, cwd=work, env=env)
    check(outputs(env)["verdict"] == "clean", f"the last commit is clean: {outputs(env)}")
    pathlib.Path(env["GITHUB_OUTPUT"]).write_text("")
    run(scan, cwd=work, env={**env, "KEYBOUND_HISTORY": "main~2..main"})
    check(outputs(env)["verdict"] == "findings", f"the commit before leaks: {outputs(env)}")

    # Inputs are data.
    for number, (name, value) in enumerate([("PATH", "$(touch pwned)"), ("PATH", "--no-config"), ("HISTORY", "-x"),
                                            ("HISTORY", "a..$(touch pwned)"), ("FAIL_ON", "low; touch pwned")]):
        work, env = runner(scratch, f"inputs {number}", BINARY=str(binary), **{name: value})
        run(scan, cwd=work, env=env)
        check(outputs(env)["verdict"] == "error" and verdict(env) == 2, f"{name}={value}: {outputs(env)}")
        check(not (work / "pwned").exists(), f"{name}={value} was run")

    # A release is taken only if it is the one whose checksum is committed.
    action = scratch / "action"
    shutil.copytree(ROOT / "action", action)
    asset = scratch / "keybound-9.9.9-x86_64-unknown-linux-musl.tar.gz"
    with tarfile.open(asset, "w:gz") as tar:
        tar.add(binary, arcname="keybound")
    digest = run("sha256sum", asset).stdout.split()[0]
    fake = scratch / "fake"
    fake.mkdir()
    (fake / "curl").write_text(
        "#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\n"
        f"[ \"$3\" = https://github.com/keybound/keybound/releases/download/v9.9.9/{asset.name} ] || exit 22\n"
        f"cp '{asset}' \"$2\"\n")
    (fake / "curl").chmod(0o755)
    for committed, expected in [(digest, "findings"), ("0" * 64, "error")]:
        (action / "checksums.txt").write_text(f"{committed}  {asset.name}\n")
        work, env = runner(scratch, f"download {expected}")
        (work / "a.txt").write_text(f"{secret}\n")
        run(action / "scan.sh", cwd=work, env={**env, "PATH": f"{fake}:{env['PATH']}"})
        check(outputs(env)["verdict"] == expected, f"checksum {committed[:8]}: {outputs(env)}")
    return "clean, leak, thresholds, history, hostile inputs, right and wrong checksum"


def test_zizmor(_binary, _scratch):
    """The action and the workflows, audited."""
    tools = python_tools()
    done = run(tools / "zizmor", "--offline", "--no-progress", "--format", "json", ROOT / "action.yml",
               *sorted((ROOT / ".github" / "workflows").glob("*.yml")), ok=False)
    findings = json.loads(done.stdout or "null")
    check(findings == [], f"zizmor: {done.stdout}{done.stderr}")
    return "no finding"


def test_sarif(binary, scratch):
    """SARIF as Microsoft's validator sees it, with GitHub's rules."""
    folder = TOOLS / "node"
    tool = folder / "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"
    if not tool.exists():
        folder.mkdir(parents=True, exist_ok=True)
        run("npm", "install", "--silent", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", folder,
            f"@microsoft/sarif-multitool@{MULTITOOL}", f"@microsoft/sarif-multitool-linux@{MULTITOOL}")
    tool.chmod(0o755)
    estate = scratch / "estate"
    shutil.copytree(ROOT / "testdata", estate / "testdata")
    for number in range(20):
        (estate / f"a{number}.log").write_text(f"GET /?access_token={token(number)} 200\n" * 3)
    report, verdict_file = scratch / "keybound.sarif", scratch / "verdict.sarif"
    run(binary, "scan", "--no-config", "--exit-zero", "--format", f"sarif={report}", ".", cwd=estate)
    results = json.loads(report.read_text())["runs"][0]["results"]
    check(len(results) > 5, f"only {len(results)} results to validate")
    env = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    run(tool, "validate", report, "--rule-kind", "Sarif;Gh", "--output", verdict_file, "--log", "ForceOverwrite",
        env=env, ok=False)
    said = json.loads(verdict_file.read_text())["runs"][0].get("results", [])
    errors = [one for one in said if one.get("level", "warning") == "error"]
    check(not errors, "the validator complains: " + json.dumps(errors[:5], indent=1))
    return f"{len(results)} results, no error"


def test_wheel(_binary, scratch):
    """The wheel that pre-commit and pip install."""
    tools = python_tools()
    run(tools / "maturin", "build", "--release", "--locked", "--out", scratch / "dist", cwd=ROOT)
    wheel = next((scratch / "dist").glob("*.whl"))
    folder = scratch / "venv"
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "pip", "install", "--quiet", "--no-index", wheel)
    done = run(folder / "bin" / "keybound", "--version")
    check(done.stdout.startswith("keybound "), done.stdout)
    return wheel.name


def test_init(binary, scratch):
    """A repository that has nothing gets everything; what exists is left alone."""
    work = repository(scratch / "fresh")
    run(binary, "init", work)
    written = [".pre-commit-config.yaml", ".github/workflows/keybound.yml", "keybound.toml"]
    for name in written:
        check((work / name).stat().st_size > 50, f"{name} was not written")
    run(binary, "scan", work, ok=True)
    (work / "keybound.toml").write_text("# mine\n")
    before = {name: (work / name).read_bytes() for name in written}
    run(binary, "init", work)
    check(before == {name: (work / name).read_bytes() for name in written}, "init changed what existed")
    check(run(binary, "init", scratch, ok=False).returncode == 2, "init outside of a repository")
    return "written once, kept afterwards"


def main():
    tests = {name[5:]: test for name, test in globals().items() if name.startswith("test_")}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--only", default=",".join(tests))
    args = parser.parse_args()
    failed = False
    for name in args.only.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                print(f"ok     {name}: {tests[name](args.bin.resolve(), pathlib.Path(scratch))}", flush=True)
            except Wrong as wrong:
                failed = True
                print(f"FAILED {name}: {wrong}", flush=True)
    sys.exit(failed)


main()
