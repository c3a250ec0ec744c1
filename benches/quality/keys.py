"""Makes private keys of its own, in the containers and dresses they are found in, and knows of each what must be said:
whether it is encrypted, and the thumbprint (RFC 7638) that tokens name it by.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field

from quality.mint import b64u, compact

P256 = (2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
         0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5))
ED_PRIME = 2**255 - 19
ED_D = -121665 * pow(121666, -1, ED_PRIME) % ED_PRIME
BEGIN, END = "-----BEG" + "IN ", "-----END "


@dataclass(eq=False)
class Key:
    """A private key in a container, and where and as what it was planted."""

    label: str
    text: object                # text, or bytes of a binary container
    encrypted: bool
    jkt: str | None             # `None`: it can't be known
    families: tuple
    path: str = ""
    start: int = 0
    end: int = 0
    records: list = field(default_factory=list)


# --- arithmetic ------------------------------------------------------------------------------------------------------

def _p256(scalar):
    """The public point of a scalar."""
    prime, _, base = P256

    def add(one, other):
        if one is None or other is None:
            return one or other
        (x1, y1), (x2, y2) = one, other
        if x1 == x2 and (y1 + y2) % prime == 0:
            return None
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, prime) if one == other else (y2 - y1) * pow(x2 - x1, -1, prime)
        x3 = (slope * slope - x1 - x2) % prime
        return x3, (slope * (x1 - x3) - y1) % prime

    point = None
    for bit in bin(scalar)[2:]:
        point = add(point, point)
        point = add(point, base) if bit == "1" else point
    return point


def _ed25519(seed):
    """The public key of a seed (RFC 8032, section 5.1.5)."""
    digest = bytearray(hashlib.sha512(seed).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    scalar, p = int.from_bytes(digest, "little"), ED_PRIME

    def add(one, other):
        (x1, y1), (x2, y2) = one, other
        product = ED_D * x1 * x2 * y1 * y2 % p
        return ((x1 * y2 + x2 * y1) * pow(1 + product, -1, p) % p, (y1 * y2 + x1 * x2) * pow(1 - product, -1, p) % p)

    y = 4 * pow(5, -1, p) % p
    square = (y * y - 1) * pow(ED_D * y * y + 1, -1, p) % p
    x = pow(square, (p + 3) // 8, p)
    if (x * x - square) % p:
        x = x * pow(2, (p - 1) // 4, p) % p
    base = (x if x % 2 == 0 else p - x, y)
    point = (0, 1)
    for bit in bin(scalar)[2:]:
        point = add(point, point)
        point = add(point, base) if bit == "1" else point
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _prime(rng, bits):
    """A probable prime (Miller-Rabin)."""
    small = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]
    while True:
        number = rng.getrandbits(bits) | 3 << bits - 2 | 1
        if (number - 1) % 65537 == 0 or not all(number % prime for prime in small):
            continue
        twos = ((number - 1) & -(number - 1)).bit_length() - 1
        for _ in range(8):
            power = pow(rng.randrange(2, number - 1), number - 1 >> twos, number)
            if power in (1, number - 1):
                continue
            if not any((power := power * power % number) == number - 1 for _ in range(twos - 1)):
                break
        else:
            return number


# --- DER -------------------------------------------------------------------------------------------------------------

def _tlv(tag, *parts):
    body = b"".join(parts)
    length = len(body)
    size = bytes([length]) if length < 128 else bytes([0x80 | (length.bit_length() + 7) // 8]) + length.to_bytes(
        (length.bit_length() + 7) // 8, "big")
    return bytes([tag]) + size + body


def _integer(number):
    return _tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _oid(text):
    first, second, *rest = (int(part) for part in text.split("."))
    out = bytes([first * 40 + second])
    for number in rest:
        digits = [number & 127]
        while number := number >> 7:
            digits.append(number & 127 | 128)
        out += bytes(reversed(digits))
    return _tlv(6, out)


NULL = b"\5\0"


def _pkcs8(algorithm, key):
    return _tlv(0x30, _integer(0), _tlv(0x30, *algorithm), _tlv(4, key))


# --- keys ------------------------------------------------------------------------------------------------------------

def _thumbprint(jwk):
    names = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}[jwk["kty"]]
    return b64u(hashlib.sha256(compact({name: jwk[name] for name in names}).encode()).digest())


def _ec(rng):
    """SEC 1 with the public half and without, and the JWK."""
    scalar = rng.randrange(1, P256[1])
    raw = scalar.to_bytes(32, "big")
    x, y = (coordinate.to_bytes(32, "big") for coordinate in _p256(scalar))
    curve = _oid("1.2.840.10045.3.1.7")
    public = _tlv(0xA1, _tlv(3, b"\0\4" + x + y))
    sec1 = _tlv(0x30, _integer(1), _tlv(4, raw), _tlv(0xA0, curve), public)
    pkcs8 = _pkcs8((_oid("1.2.840.10045.2.1"), curve), _tlv(0x30, _integer(1), _tlv(4, raw)))
    jwk = {"kty": "EC", "crv": "P-256", "x": b64u(x), "y": b64u(y), "d": b64u(raw)}
    return sec1, pkcs8, jwk


def _okp(rng):
    """PKCS#8 (RFC 8410), the JWK, and the halves."""
    seed = rng.randbytes(32)
    public = _ed25519(seed)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64u(public), "d": b64u(seed)}
    return _pkcs8((_oid("1.3.101.112"),), _tlv(4, seed)), jwk, seed, public


def _rsa(rng, bits=1024):
    """PKCS#1, PKCS#8 and the JWK."""
    p, q = _prime(rng, bits // 2), _prime(rng, bits // 2)
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = (p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    pkcs1 = _tlv(0x30, _integer(0), *map(_integer, numbers))
    text = lambda number: b64u(number.to_bytes((number.bit_length() + 7) // 8, "big"))     # noqa: E731
    jwk = dict(zip(("n", "e", "d", "p", "q", "dp", "dq", "qi"), map(text, numbers)), kty="RSA")
    return pkcs1, _pkcs8((_oid("1.2.840.113549.1.1.1"), NULL), pkcs1), jwk


def _locked(rng):
    """EncryptedPrivateKeyInfo with PBES2: PBKDF2 with SHA-256, AES-256 in CBC mode."""
    derivation = _tlv(0x30, _oid("1.2.840.113549.1.5.12"), _tlv(
        0x30, _tlv(4, rng.randbytes(16)), _integer(600_000), _tlv(0x30, _oid("1.2.840.113549.2.9"), NULL)))
    cipher = _tlv(0x30, _oid("2.16.840.1.101.3.4.1.42"), _tlv(4, rng.randbytes(16)))
    scheme = _tlv(0x30, _oid("1.2.840.113549.1.5.13"), _tlv(0x30, derivation, cipher))
    return _tlv(0x30, scheme, _tlv(4, rng.randbytes(144)))


def _openssh(rng, seed, public):
    """An unencrypted `openssh-key-v1` file."""
    string = lambda data: len(data).to_bytes(4, "big") + data       # noqa: E731
    check = rng.randbytes(4)
    private = check * 2 + string(b"ssh-ed25519") + string(public) + string(seed + public) + string(b"robin@desk")
    private += bytes(range(1, 9))[:-len(private) % 8]
    whole = b"openssh-key-v1\0" + string(b"none") * 2 + string(b"") + (1).to_bytes(4, "big")
    return whole + string(string(b"ssh-ed25519") + string(public)) + string(private)


def _pem(label, der, width=64):
    body = base64.b64encode(der).decode()
    lines = "\n".join(body[at:at + width] for at in range(0, len(body), width))
    return f"{BEGIN}{label}-----\n{lines}\n{END}{label}-----"


def keys(mint):
    """Keys in every container."""
    rng = mint.rng
    pem = ("pem-private",)
    for _ in range(4):
        sec1, pkcs8, jwk = _ec(rng)
        print_of = _thumbprint(jwk)
        yield Key("sec1 pem", _pem("EC PRIVATE" + " KEY", sec1), False, print_of, pem)
        _, pkcs8, jwk = _ec(rng)
        yield Key("pkcs8 ec pem", _pem("PRIVATE" + " KEY", pkcs8), False, _thumbprint(jwk), pem)
        _, _, jwk = _ec(rng)
        yield Key("ec jwk", compact({**jwk, "kid": mint.hex(8), "use": "sig"}), False, _thumbprint(jwk), ("jwk-private",))
        der, jwk, seed, public = _okp(rng)
        yield Key("pkcs8 ed25519 pem", _pem("PRIVATE" + " KEY", der), False, _thumbprint(jwk), pem)
        _, jwk, seed, public = _okp(rng)
        yield Key("okp jwk", json.dumps(jwk), False, _thumbprint(jwk), ("jwk-private",))
        _, jwk, seed, public = _okp(rng)
        yield Key("openssh", _pem("OPENSSH PRIVATE" + " KEY", _openssh(rng, seed, public), 70), False, _thumbprint(jwk),
                  ("openssh",))
        yield Key("encrypted pem", _pem("ENCRYPTED PRIVATE" + " KEY", _locked(rng)), True, None,
                  ("pem-private-encrypted",))
    for bits in (1024, 1536):
        pkcs1, _, jwk = _rsa(rng, bits)
        yield Key("pkcs1 pem", _pem("RSA PRIVATE" + " KEY", pkcs1), False, _thumbprint(jwk), pem)
        _, pkcs8, jwk = _rsa(rng, bits)
        yield Key("pkcs8 rsa pem", _pem("PRIVATE" + " KEY", pkcs8), False, _thumbprint(jwk), pem)
        _, _, jwk = _rsa(rng, bits)
        yield Key("rsa jwk", compact({**jwk, "alg": "RS256"}), False, _thumbprint(jwk), ("jwk-private",))


def plant_keys(mint, planted):
    """Plants keys in the dresses they wear, and what is no private key beside them."""
    dresses = [
        ("plain.pem", "# issued for robin\n@\n", str),
        ("crlf.pem", "@\r\n", lambda text: text.replace("\n", "\r\n")),
        ("values.yaml", "tls:\n  key: |\n    @\n  port: 8443\n", lambda text: text.replace("\n", "\n    ")),
        ("config.json", '{"name":"robin","private_key":"@","port":8443}\n', lambda text: json.dumps(text)[1:-1]),
        ("service.env", 'PRIVATE_KEY="@"\n', lambda text: text.replace("\n", "\\n")),
        ("app.log", '{"level":"debug","msg":"loaded {\\"key\\":\\"@\\"}"}\n',
         lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1]),
        ("secret.yaml", "apiVersion: v1\nkind: " + "Secret\ndata:\n  tls.key: @\n",
         lambda text: base64.b64encode(text.encode()).decode()),
        ("client.py", 'KEY = """@\n"""\n', str),
    ]
    for number, key in enumerate(keys(mint)):
        name, template, dress = dresses[number % len(dresses)]
        if key.text.startswith("{"):
            name, template, dress = (("keys.json", "@\n", str), ("jwks.json", '{"keys":[@]}\n', str),
                                     ("client.env", "DPOP_KEY='@'\n", str))[number % 3]
        with planted.file(f"keys/{number:02}/{name}") as file:
            before, after = template.split("@")
            file.write(before.encode())
            key.path, key.start = file.path, len(file.content)
            file.write(dress(key.text).encode())
            key.end = len(file.content)
            file.write(after.encode())
        planted.keys.append(key)
    _plant_no_keys(mint, planted)


def _plant_no_keys(mint, planted):
    """Public keys, certificates' outsides, markers without a key, requests: none is a private key."""
    rng = mint.rng
    _, _, ec = _ec(rng)
    _, okp, _, public = _okp(rng)
    spki = _tlv(0x30, _tlv(0x30, _oid("1.3.101.112")), _tlv(3, b"\0" + public))
    for label, text in (
        ("public pem", _pem("PUBLIC KEY", spki)),
        ("public jwk", compact({name: ec[name] for name in ("kty", "crv", "x", "y")})),
        ("public jwks", compact({"keys": [{name: okp[name] for name in ("kty", "crv", "x")}]})),
        ("marker alone", f"if line == '{BEGIN}PRIVATE" + " KEY-----': read()"),
        ("placeholder", f"{BEGIN}PRIVATE" + " KEY-----\n<your key here>\n" + f"{END}PRIVATE KEY-----"),
        ("certificate request", _pem("CERTIFICATE REQUEST", rng.randbytes(300))),
        ("public ssh", "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + public).decode() + " robin@desk"),
    ):
        with planted.file(f"keys/none/{label.replace(' ', '-')}.txt") as file:
            file.decoy(f"no key: {label}", text)
