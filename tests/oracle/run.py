"""Works through a plan: `run.py PLAN OBSERVATIONS JOBS`. See README.md."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 60  # for one run; the slowest takes a few


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt", cwd=folder)


def certificate(folder, name, issuer, subject, names=""):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject,
            "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=folder)
    extensions = os.path.join(folder, f"{name}.ext")
    with open(extensions, "w") as file:
        file.write(f"basicConstraints=CA:FALSE\n{names}")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", f"{name}.crt", cwd=folder)


def facts(folder, name):
    """What can be said of a certificate in a header."""
    with open(os.path.join(folder, f"{name}.crt")) as file:
        body = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", file.read(), re.S).group(1)
    der = base64.b64decode(body)
    serial = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", f"{name}.crt"], cwd=folder, check=True,
                            capture_output=True, text=True).stdout.strip().split("=")[1]
    return {"der": base64.b64encode(der).decode(), "sha256": hashlib.sha256(der).hexdigest(),
            "sha1": hashlib.sha1(der).hexdigest(), "serial": serial.lower(), "names": [f"kb-{name}"]}


def make_certificates(folder):
    authority(folder, "clients-ca")
    authority(folder, "other-ca")
    authority(folder, "server-ca")
    certificate(folder, "server", "server-ca", "/CN=api.example.com",
                "subjectAltName=DNS:*.example.com,DNS:example.com,DNS:localhost,IP:127.0.0.1\n")
    certificate(folder, "verified", "clients-ca", "/O=Example/CN=kb-verified")
    certificate(folder, "foreign", "other-ca", "/O=Example/CN=kb-foreign")
    with open(os.path.join(folder, "server.pem"), "wb") as file:
        for part in ["server.crt", "server.key"]:
            with open(os.path.join(folder, part), "rb") as source:
                file.write(source.read())
    for name in os.listdir(folder):
        os.chmod(os.path.join(folder, name), 0o644)
    os.chmod(folder, 0o755)
    return {name: facts(folder, name) for name in ["verified", "foreign"]}


def work(run, certificates):
    """One run in namespaces of its own."""
    with tempfile.TemporaryDirectory(prefix="kb-run-") as folder:
        os.chmod(folder, 0o755)
        run = dict(run, certificates=certificates, scratch=folder)
        with open(os.path.join(folder, "run.json"), "w") as file:
            json.dump(run, file)
        command = ["unshare", "--net", "--mount", sys.executable, "-B", os.path.join(HERE, "inside.py"), folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            with open(os.path.join(folder, "seen.json")) as file:
                return json.load(file)
        except subprocess.TimeoutExpired:
            return {"id": run["id"], "started": False, "failed": f"took longer than {SECONDS} s"}
        except (OSError, ValueError):
            return {"id": run["id"], "started": False, "failed": done.stderr[-2000:] or "no observations"}


def main():
    plan, observations, jobs = sys.argv[1:4]
    with open(plan) as file:
        runs = json.load(file)["runs"]
    with tempfile.TemporaryDirectory(prefix="kb-tls-") as folder:
        described = make_certificates(folder)
        with ThreadPoolExecutor(int(jobs)) as pool:
            seen = list(pool.map(lambda run: work(run, folder), runs))
    with open(observations, "w") as file:
        json.dump({"certificates": described, "runs": seen}, file)


main()
