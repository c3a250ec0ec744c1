"""One run, inside namespaces of its own: `inside.py FOLDER`. The folder holds run.json and gets seen.json."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

from backend import PORTS, Backends

LOGS = "/tmp/oracle-logs"
CLIENTS = ["verified", "anonymous", "forger", "foreign"]
WITH_CERTIFICATE = {"verified": "verified", "forger": "verified", "foreign": "foreign"}


def quiet(*command):
    subprocess.run(command, check=True, capture_output=True)


def module(name):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "products", f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def prepare(run, product, scratch):
    """Loopback, and the files where the gateway looks for them; nothing of it outlives the namespace."""
    quiet("ip", "link", "set", "lo", "up")
    quiet("mount", "--make-rprivate", "/")
    layers = f"{scratch}/layers"
    os.makedirs(layers)
    quiet("mount", "-t", "tmpfs", "tmpfs", layers)
    for name in ["upper", "work"]:
        os.makedirs(f"{layers}/{name}")
    quiet("mount", "-t", "overlay", "overlay", "-o",
          f"lowerdir=/etc,upperdir={layers}/upper,workdir={layers}/work", "/etc")
    shutil.rmtree("/etc/gateway", ignore_errors=True)
    shutil.copytree(run["certificates"], "/etc/gateway/tls")
    stock = {}
    for name in getattr(product, "STOCK", []):
        path = os.path.join(product.MOUNT, name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                stock[path] = file.read()
    shutil.rmtree(product.MOUNT, ignore_errors=True)
    os.makedirs(product.MOUNT)
    for path, text in stock.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text)
    shutil.copytree(run["folder"], product.MOUNT, dirs_exist_ok=True)
    for folder, folders, files in os.walk(product.MOUNT):
        for name in folders:
            os.chmod(os.path.join(folder, name), 0o755)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)
    os.makedirs(LOGS, exist_ok=True)
    for folder in [LOGS, *getattr(product, "LOGS", [])]:
        quiet("mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", folder)


def listening():
    """The ports that somebody listens on, other than the backends."""
    ports = set()
    for table in ["/proc/net/tcp", "/proc/net/tcp6"]:
        with open(table) as file:
            for line in file.readlines()[1:]:
                words = line.split()
                if words[3] == "0A":
                    ports.add(int(words[1].rsplit(":", 1)[1], 16))
    return sorted(ports.difference(PORTS))


def speaks_tls(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), 3) as plain:
            with context.wrap_socket(plain, server_hostname="api.example.com"):
                return True
    except ssl.SSLError as error:
        # It answered in TLS, if only to say that it won't.
        return "ALERT" in str(error).upper()
    except OSError:
        return False


def headers(run, number, client, host):
    sent = [["Host", host], ["Authorization", f"DPoP kb-token-{number}"], ["DPoP", f"kb-proof-{number}"],
            ["X-Kb-Other", f"kb-other-{number}"]]
    if client != "verified":
        for name in run["headers"]:
            sent.append([name, f"kb-forged-{number}-{name}"])
            if "-" in name:
                sent.append([name.replace("-", "_"), f"kb-twin-{number}-{name}"])
    return sent + [["Connection", "close"]]


def ask(run, probe, client, number):
    """The status of the answer, if there is one, and what was sent."""
    separator = "&" if "?" in probe["path"] else "?"
    sent = headers(run, number, client, probe["host"])
    lines = [f"GET {probe['path']}{separator}access_token=kb-query-{number} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in sent]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    answer = b""
    try:
        connection = socket.create_connection(("127.0.0.1", probe["port"]), 3)
        connection.settimeout(4)
        if probe["tls"]:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if client in WITH_CERTIFICATE:
                context.post_handshake_auth = True  # some gateways ask late, for some paths only
                name = f"{run['certificates']}/{WITH_CERTIFICATE[client]}"
                context.load_cert_chain(f"{name}.crt", f"{name}.key")
            connection = context.wrap_socket(connection, server_hostname=probe["host"])
        with connection:
            connection.sendall(request)
            # Gateways may linger before they close.
            while not complete(answer) and (chunk := connection.recv(65536)):
                answer += chunk
    except OSError:
        pass
    words = answer.split(b" ", 2)
    status = int(words[1]) if answer.startswith(b"HTTP/") and len(words) > 1 and words[1].isdigit() else None
    return status, sent


def complete(answer):
    """Whether an answer has come to its end, as far as its head tells."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    fields = dict(line.lower().partition(b":")[::2] for line in head.split(b"\r\n")[1:])
    if b"content-length" in fields:
        return len(body) >= int(fields[b"content-length"])
    return b"chunked" in fields.get(b"transfer-encoding", b"") and body.endswith(b"0\r\n\r\n")


def log_text(product, output):
    texts = [output]
    for root in [LOGS, *getattr(product, "LOGS", [])]:
        for folder, _, files in os.walk(root):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    texts.append(file.read())
    return b"\n".join(texts).decode("latin-1")


def fragments(certificate):
    """Long stretches of the certificate that look the same in every way of writing it."""
    with open(certificate) as file:
        body = "".join(line.strip() for line in file if "-----" not in line)
    return sorted((part for part in body.replace("/", "+").split("+")), key=len)[-2:]


def logged(exchange, text, cut):
    found = []
    number = exchange["number"]
    for what, mark in [("authorization", f"kb-token-{number}"), ("dpop", f"kb-proof-{number}"),
                       ("query", f"kb-query-{number}")]:
        at = text.find(mark)
        while at >= 0 and text[at + len(mark):at + len(mark) + 1].isdigit():
            at = text.find(mark, at + 1)
        if at >= 0:
            found.append(what)
    if exchange["client"] in WITH_CERTIFICATE and any(part[:40] in text for part in cut[exchange["client"]]):
        found.append("certificate")
    return found


def observe(run, product, scratch):
    seen = {"id": run["id"], "started": False, "error": "", "listening": [], "exchanges": []}
    prepare(run, product, scratch)
    main = next((os.path.join(product.MOUNT, name) for name in product.MAINS
                 if os.path.exists(os.path.join(product.MOUNT, name))), product.MOUNT)
    if hasattr(product, "prepare"):
        product.prepare(main)
    environment = dict(os.environ, **getattr(product, "ENV", {}))
    backends = Backends(run["certificates"])
    check = product.check(main)
    if check:
        done = subprocess.run(check, capture_output=True, text=True, env=environment, timeout=20)
        if done.returncode != 0:
            seen["error"] = (done.stderr + done.stdout)[-1000:]
            return seen
    with open(f"{scratch}/output", "wb") as output:
        gateway = subprocess.Popen(product.start(main), stdout=output, stderr=output, env=environment)
    until = time.monotonic() + getattr(product, "SECONDS", 10)
    wanted = {probe["port"] for probe in run["probes"]}
    while time.monotonic() < until and gateway.poll() is None:
        ports = set(listening())
        # What listens on nothing that is asked for gets a little time to do so.
        if ports and (wanted <= ports or time.monotonic() > until - 8):
            break
        time.sleep(0.02)
    if gateway.poll() is not None:
        with open(f"{scratch}/output", "rb") as output:
            seen["error"] = output.read().decode("latin-1")[-1000:]
        return seen
    seen["started"] = True
    hidden = set(getattr(product, "ADMIN_PORTS", []))
    seen["listening"] = [port for port in listening() if port not in hidden]
    probes = list(run["probes"])
    # Nobody may be let in where the model knows of no listener.
    for port in seen["listening"] if getattr(product, "DOORS", True) else []:
        if not any(probe["port"] == port for probe in probes):
            probes.append({"port": port, "tls": speaks_tls(port), "host": "api.example.com", "path": "/probe-7"})
    time.sleep(getattr(product, "SETTLES", 0))
    backends.drain()
    number = 0
    for probe in probes:
        for client in CLIENTS:
            number += 1
            status, sent = ask(run, probe, client, number)
            seen["exchanges"].append({"number": number, "probe": probe, "client": client, "status": status,
                                      "sent": sent, "seen": backends.drain()})
    time.sleep(0.15)  # the last request is logged after it is answered
    if gateway.poll() is not None:
        # It took its configuration back when it came to use it: no key that fits, for one.
        with open(f"{scratch}/output", "rb") as output:
            return {**seen, "started": False, "error": output.read().decode("latin-1")[-1000:], "exchanges": []}
    gateway.send_signal(getattr(product, "STOP", signal.SIGTERM))
    try:
        gateway.wait(8)
    except subprocess.TimeoutExpired:
        gateway.kill()
    with open(f"{scratch}/output", "rb") as output:
        text = log_text(product, output.read())
    cut = {client: fragments(f"{run['certificates']}/{name}.crt") for client, name in WITH_CERTIFICATE.items()}
    for exchange in seen["exchanges"]:
        exchange["logged"] = logged(exchange, text, cut)
    return seen


def main():
    scratch = sys.argv[1]
    with open(f"{scratch}/run.json") as file:
        run = json.load(file)
    seen = observe(run, module(run["product"]), scratch)
    with open(f"{scratch}/seen.json", "w") as file:
        json.dump(seen, file)
    # Threads that still wait on sockets are no reason to stay; everything else ends with the namespace.
    os._exit(0)


main()
