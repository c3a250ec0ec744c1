#!/usr/bin/env python3
"""Writes the logs that benches/speed.py measures on.

The logs are made up but ordinary: access lines in combined format, JSON application logs, key=value logs, database
logs, Kubernetes lines, Spring-like lines and stack traces, in rising time order, mixed as a log collector would mix
them. Words that scanners stumble over (token, session, authorization, Bearer, names like `task-runner` or
`disk-cache`, pagination cursors in base64) stand in them about as often as in real ones; stamp.json says how often.

Tokens come at a stated rate of distinct ones per MB (`--tokens-per-mb`, 2 unless told). Most are seen once or a few
times, some thirty times, and one service token per file comes back all along. All are random, made at run time from
the seed; none was ever issued, and this file holds none.

The same arguments give the same bytes. Below DIR are written

    many/app-00.log …   --files files of --size-mb in total
    one/app.log         the same bytes in one file
    small/…             three files of a few kB
    stamp.json          arguments, counts and sizes; where it fits, nothing is written anew

Needs Python 3.11 and its standard library.
"""

import argparse
import base64
import heapq
import json
import random
import shutil
import string
import sys
import time
import zlib
from pathlib import Path

MB = 1 << 20
BATCH_LINES = 8_000  # lines made at a time, about 2 MB
START = 1_780_272_000  # 2026-06-01T00:00:00Z, where the first file starts
ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "-_"
HEX = "0123456789abcdef"

# ----------------------------------------------------------------------------------------------------------------------
# What ordinary lines are made of
# ----------------------------------------------------------------------------------------------------------------------


def spread(weighted):
    """A population in which every value stands as often as its weight says; picking from it is cheap."""
    return [value for value, weight in weighted.items() for _ in range(weight)]


SERVICES = spread(dict.fromkeys("""orders payments catalog search checkout inventory shipping billing gateway identity
notifications reports webhooks media-proxy rate-limiter audit-sink""".split(), 6)
                  | {"task-runner": 2, "disk-cache": 1, "risk-engine": 1, "session-store": 1, "token-exchange": 1})
LEVELS = spread({"info": 70, "debug": 18, "warn": 9, "error": 3})
METHODS = spread({"GET": 70, "POST": 20, "PUT": 4, "PATCH": 2, "DELETE": 2, "HEAD": 1, "OPTIONS": 1})
STATUSES = spread({"200": 720, "201": 45, "204": 60, "301": 15, "302": 30, "304": 60, "400": 14, "401": 16, "403": 8,
                   "404": 24, "409": 2, "422": 3, "429": 3, "499": 3, "500": 4, "502": 2, "503": 2, "504": 1})
AGENTS = spread({
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36": 9,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15": 5,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1": 6,
    "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0": 3,
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36": 5,
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": 2,
    "kube-probe/1.33": 3, "Go-http-client/2.0": 3, "okhttp/4.12.0": 2, "python-requests/2.32.3": 2, "curl/8.13.0": 1,
    "Prometheus/3.4.1": 2, "ELB-HealthChecker/2.0": 2, "axios/1.9.0": 2,
})
REFERERS = spread({"-": 50, "https://shop.example.com/": 15, "https://shop.example.com/cart": 6,
                   "https://shop.example.com/search?q=boots&sort=price": 5, "https://www.google.com/": 4,
                   "https://shop.example.com/account/orders": 4, "https://admin.example.com/tasks?view=desk-api": 1,
                   "https://shop.example.com/p/hiking-boots-41": 5, "https://login.example.com/session/new": 1})
PATHS = spread({
    "/api/v2/orders/{n}": 14, "/api/v2/orders?page={d}&limit=50&sort=-created_at": 8, "/api/v2/products/{n}": 14,
    "/api/v2/products/{n}/reviews?limit=20": 6, "/api/v1/search?q={w}&lang=de": 6, "/static/js/app.{h}.js": 7,
    "/static/css/main.{h}.css": 4, "/img/p/{n}_800x600.webp": 12, "/healthz": 6, "/metrics": 3, "/cart": 3,
    "/checkout/step/{d}": 3, "/api/v1/users/{n}/preferences": 3, "/api/v1/session/refresh": 2, "/api/v1/session": 2,
    "/oauth2/token": 2, "/oauth2/authorize?response_type=code&client_id=shop-web&scope=openid%20profile&state={h}": 1,
    "/login?next=%2Faccount": 2, "/favicon.ico": 2, "/robots.txt": 1, "/api/v1/tasks/task-{n}/status": 1,
    "/api/v1/csrf-token": 1, "/p/{w}-{w}-{n}?utm_source=newsletter&utm_campaign={w}": 5, "/ws/connect?room={n}": 1,
    "/api/v2/events?cursor={c}": 1, "/fonts/inter-{d}.woff2": 40, "/img/banner/{w}.avif": 80,
})
WORDS = """boots jacket tent stove lamp rope mug bottle map compass glove sock helmet pack mat tarp axe knife torch
whistle filter poles spork hammock parka fleece""".split()
MESSAGES = spread({
    "request completed": 60, "order accepted": 20, "order {n} moved from RESERVED to PAID": 12, "cache hit": 30,
    "cache miss, loading from database": 12, "published event order.created to topic orders.v2": 15,
    "consumed message from partition {d} offset {n}": 18, "price recalculated for product {n}": 10,
    "payment {n} captured": 8, "stock reserved for {d} items": 8, "email queued for customer {n}": 6,
    "retrying upstream call, attempt {d} of 5": 4, "slow query took {n} us": 4, "circuit breaker half open": 2,
    "health check passed": 10, "config reloaded from /etc/app/config.yaml": 1, "user {n} signed in": 5,
    "user {n} signed out": 3, "session {h} created": 3, "session {h} expired after 1800 s": 2, "session renewed": 2,
    "access token validated": 4, "refresh token rotated for client shop-web": 1, "token expired, asking for a new one": 1,
    "invalid token: signature does not match": 1, "csrf token mismatch": 1, "authorization policy evaluated: allow": 2,
    "authorization denied: missing scope orders:write": 1, "request has no bearer token, falling back to session": 1,
    "password reset requested for user {n}": 1, "task-{n} scheduled": 1, "evicted {n} entries": 2,
    "Lieferung nach München geplant": 1, "customer renamed to Zoë Müller": 1, "prompt used {n} tokens, completion {d}": 1,
})
CALLERS = """store/cache.go:142 store/redis.go:88 http/server.go:311 http/middleware.go:57 queue/consumer.go:203
queue/producer.go:61 auth/session.go:94 auth/verifier.go:133 db/pool.go:77 db/tx.go:218 price/engine.go:405
sched/task.go:29 cmd/main.go:64""".split()
LOGGERS = """c.e.orders.OrderService c.e.orders.OrderController c.e.payments.CaptureJob c.e.catalog.PriceIndex
c.e.auth.SessionRegistry c.e.auth.TokenValidator c.e.common.web.RequestLog o.s.k.l.KafkaMessageListenerContainer
o.h.e.j.s.SqlExceptionHelper c.z.h.pool.HikariPool o.a.c.c.C.[Tomcat].[localhost] c.e.search.IndexWriter""".split()
STATEMENTS = spread({
    "SELECT o.id, o.status, o.total_cents, o.created_at FROM orders o WHERE o.customer_id = {n} ORDER BY o.created_at DESC LIMIT 50": 14,
    "SELECT p.id, p.sku, p.name, p.price_cents FROM products p JOIN stock s ON s.product_id = p.id WHERE p.id = {n} AND s.amount > 0": 14,
    "UPDATE stock SET amount = amount - {d}, updated_at = now() WHERE product_id = {n} AND warehouse = 'fra-1'": 8,
    "INSERT INTO order_items (order_id, product_id, amount, price_cents) VALUES ({n}, {n}, {d}, {n})": 8,
    "SELECT count(*) FROM reviews WHERE product_id = {n} AND hidden = false": 5,
    "SELECT s.user_id, s.expires_at FROM sessions s WHERE s.session_id = '{h}' AND s.revoked_at IS NULL": 3,
    "DELETE FROM refresh_tokens WHERE expires_at < now() - interval '30 days'": 1,
    "BEGIN": 5, "COMMIT": 5, "UPDATE customers SET last_seen = now() WHERE id = {n}": 4,
})
KUBE = spread({
    'controller.go:{n}] "Successfully synced" controller="deployment" key="prod/{s}"': 12,
    'event.go:377] "Event occurred" object="prod/{p}" kind="Pod" apiVersion="v1" type="Normal" reason="Pulled" message="Container image already present on machine"': 8,
    'kubelet_volumes.go:163] "Cleaned up orphaned pod volumes dir" podUID="{u}" path="/var/lib/kubelet/pods/{u}/volumes"': 5,
    'reconciler_common.go:251] "operationExecutor.MountVolume started for volume \\"kube-api-access-{r}\\" (UniqueName: \\"kubernetes.io/projected/{u}-kube-api-access-{r}\\") pod \\"{p}\\" (UID: \\"{u}\\") " pod="prod/{p}"': 5,
    'pod_workers.go:1301] "Error syncing pod, skipping" err="failed to \\"StartContainer\\" for \\"{s}\\" with CrashLoopBackOff: \\"back-off 5m0s restarting failed container={s} pod={p}_prod({u})\\"" pod="prod/{p}" podUID="{u}"': 3,
    'eviction_manager.go:369] "Eviction manager: no observation found for eviction signal" signal="allocatableMemory.available"': 3,
    'token_manager.go:121] "Couldn\'t update token" cacheKey="default/{s}" err="serviceaccounts \\"{s}\\" not found"': 1,
    'authentication.go:73] "Unable to authenticate the request" err="[invalid bearer token, service account token has expired]"': 1,
    'httplog.go:134] "HTTP" verb="LIST" URI="/apis/apps/v1/namespaces/prod/deployments?limit=500" latency="3.{n}ms" userAgent="kube-controller-manager/v1.33.1" audit-ID="{u}" srcIP="10.0.3.{d}:443{d}" resp=200': 8,
})
FRAMES = """com.example.orders.OrderController.create(OrderController.java:{d}) com.example.orders.OrderService.place(OrderService.java:{d})
com.example.common.web.RequestLogFilter.doFilter(RequestLogFilter.java:{d})
com.example.auth.TokenValidator.validate(TokenValidator.java:{d})
org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)
org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1089)
org.springframework.security.web.FilterChainProxy$VirtualFilterChain.doFilter(FilterChainProxy.java:374)
org.springframework.security.web.session.SessionManagementFilter.doFilter(SessionManagementFilter.java:85)
org.springframework.security.oauth2.server.resource.web.authentication.BearerTokenAuthenticationFilter.doFilterInternal(BearerTokenAuthenticationFilter.java:145)
org.springframework.security.web.access.intercept.AuthorizationFilter.doFilter(AuthorizationFilter.java:100)
org.apache.catalina.core.ApplicationFilterChain.internalDoFilter(ApplicationFilterChain.java:164)
org.apache.coyote.http11.Http11Processor.service(Http11Processor.java:397)
org.apache.tomcat.util.net.NioEndpoint$SocketProcessor.doRun(NioEndpoint.java:1741)
org.hibernate.engine.jdbc.spi.SqlExceptionHelper.convert(SqlExceptionHelper.java:{d})
org.hibernate.internal.SessionImpl.fireLoad(SessionImpl.java:1097)
org.postgresql.jdbc.PgPreparedStatement.executeWithFlags(PgPreparedStatement.java:{d})
com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:{d})
java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1144)
java.base/java.lang.Thread.run(Thread.java:1583)""".split()
FAULTS = """java.lang.IllegalStateException: order {n} is already paid
java.util.concurrent.TimeoutException: no answer from payments within 2000 ms
org.postgresql.util.PSQLException: ERROR: deadlock detected
java.lang.NullPointerException: Cannot invoke "com.example.orders.Order.total()" because "order" is null
org.springframework.security.oauth2.jwt.JwtValidationException: An error occurred while attempting to decode the Jwt: Jwt expired
java.net.SocketTimeoutException: Read timed out""".split("\n")


class Pools:
    """The values one file draws from: addresses, requests, pods and so on, a few thousand of each."""

    def __init__(self, rng):
        self.rng = rng
        self.addresses = [".".join(str(rng.randrange(1, 255)) for _ in range(4)) for _ in range(4000)]
        self.users = ["-"] * 800 + [f"user{rng.randrange(10_000)}" for _ in range(200)]
        self.pods = [f"{rng.choice(SERVICES)}-{self.hex(10)}-{self.letters(5)}" for _ in range(600)]
        self.nodes = [f"ip-10-0-{rng.randrange(16)}-{rng.randrange(255)}" for _ in range(40)]
        self.requests = [f"{rng.choice(METHODS)} {self.fill(rng.choice(PATHS))} HTTP/{rng.choice(('1.1', '2.0'))}"
                         for _ in range(12_000)]
        self.paths = [self.fill(rng.choice(PATHS)) for _ in range(4000)]
        self.messages = [self.fill(rng.choice(MESSAGES)) for _ in range(12_000)]
        self.statements = [self.fill(rng.choice(STATEMENTS)) for _ in range(8000)]
        self.kube = [self.fill(rng.choice(KUBE)) for _ in range(8000)]
        self.traces = [self.trace() for _ in range(1500)]

    def hex(self, digits):
        return "%0*x" % (digits, self.rng.getrandbits(4 * digits))

    def letters(self, count):
        return "".join(self.rng.choices("bcdfghjklmnpqrstvwxz2456789", k=count))

    def uuid(self):
        return "-".join(self.hex(n) for n in (8, 4, 4, 4, 12))

    def fill(self, template):
        """Puts values for the marks: {n} number, {d} small number, {h} hex, {w} word, {s} service, {p} pod, {u} UUID,
        {r} random suffix, {c} pagination cursor."""
        if "{" not in template:
            return template
        rng = self.rng
        makers = {"n": lambda: str(rng.randrange(100, 99_999)), "d": lambda: str(rng.randrange(1, 99)),
                  "h": lambda: self.hex(20), "w": lambda: rng.choice(WORDS), "s": lambda: rng.choice(SERVICES),
                  "p": lambda: rng.choice(self.pods), "u": self.uuid, "r": lambda: self.letters(5),
                  "c": self.cursor}
        for mark, make in makers.items():
            while "{" + mark + "}" in template:
                template = template.replace("{" + mark + "}", make(), 1)
        return template

    def cursor(self):
        """A pagination cursor: JSON in base64, which begins like a JWT and is none."""
        return b64url(b'{"id":%d,"ts":%d,"dir":"next"}' % (self.rng.randrange(10**6), START + self.rng.randrange(10**6)))

    def trace(self):
        """The tail of an exception: its message and its frames."""
        rng = self.rng
        frames = "".join(f"\tat {self.fill(frame)}\n" for frame in rng.choices(FRAMES, k=rng.randrange(10, 34)))
        return f"{self.fill(rng.choice(FAULTS))}\n{frames}\t... {rng.randrange(20, 70)} more\n"


class Batch:
    """Columns for some lines of one kind: each method gives one value for every line."""

    def __init__(self, pools, times):
        self.pools, self.times, self.n = pools, times, len(times)
        self.rng = pools.rng

    def pick(self, population):
        return self.rng.choices(population, k=self.n)

    def number(self, low, high):
        return self.rng.choices(range(low, high), k=self.n)

    def hex(self, digits):
        text = self.rng.randbytes(self.n * digits // 2).hex()
        return [text[i:i + digits] for i in range(0, self.n * digits, digits)]

    def millis(self):
        return [t % 1000 for t in self.times]

    def stamp(self, style):
        return [stamp(style, t) for t in self.times]


STYLES = {"clf": "%d/%b/%Y:%H:%M:%S +0000", "iso": "%Y-%m-%dT%H:%M:%S", "sql": "%Y-%m-%d %H:%M:%S",
          "klog": "%m%d %H:%M:%S", "syslog": "%b %e %H:%M:%S"}
_stamps = {style: (None, "") for style in STYLES}


def stamp(style, millis):
    """The time in the given style, without the fraction of a second; the last one of each style is kept."""
    second = millis // 1000
    known, text = _stamps[style]
    if known != second:
        text = time.strftime(STYLES[style], time.gmtime(second))
        _stamps[style] = (second, text)
    return text


def access_lines(b):
    """Web server access log, combined format."""
    line = '%s - %s [%s] "%s" %s %d "%s" "%s"\n'
    p = b.pools
    return map(line.__mod__, zip(b.pick(p.addresses), b.pick(p.users), b.stamp("clf"), b.pick(p.requests),
                                 b.pick(STATUSES), b.number(80, 60_000), b.pick(REFERERS), b.pick(AGENTS)))


def json_lines(b):
    """Application log, one JSON object a line."""
    line = ('{"ts":"%s.%03dZ","level":"%s","service":"%s","msg":"%s","trace_id":"%s","span_id":"%s",'
            '"http":{"method":"%s","path":"%s","status":%s,"duration_ms":%d},"pod":"%s"}\n')
    p = b.pools
    return map(line.__mod__, zip(b.stamp("iso"), b.millis(), b.pick(LEVELS), b.pick(SERVICES),
                                 b.pick(p.messages), b.hex(32), b.hex(16), b.pick(METHODS), b.pick(p.paths),
                                 b.pick(STATUSES), b.number(1, 900), b.pick(p.pods)))


def key_value_lines(b):
    """logfmt."""
    line = 'time=%s.%03dZ level=%s caller=%s msg="%s" request_id=%s remote=%s:%d bytes=%d dur=%dus\n'
    p = b.pools
    return map(line.__mod__, zip(b.stamp("iso"), b.millis(), b.pick(LEVELS), b.pick(CALLERS),
                                 b.pick(p.messages), b.hex(24), b.pick(p.addresses), b.number(1024, 65_535),
                                 b.number(0, 90_000), b.number(20, 90_000)))


def sql_lines(b):
    """Database log with statements."""
    line = "%s.%03d UTC [%d] app@shop LOG:  duration: %d.%03d ms  execute <unnamed>: %s\n"
    return map(line.__mod__, zip(b.stamp("sql"), b.millis(), b.number(300, 32_000), b.number(0, 90),
                                 b.number(0, 1000), b.pick(b.pools.statements)))


def kube_lines(b):
    """What kubelet and the control plane write, as it arrives over syslog."""
    line = "%s %s kubelet[%d]: I%s.%06d       1 %s\n"
    p = b.pools
    return map(line.__mod__, zip(b.stamp("syslog"), b.pick(p.nodes), b.number(700, 4000), b.stamp("klog"),
                                 [m * 1000 for m in b.millis()], b.pick(p.kube)))


def spring_lines(b):
    """Java application log."""
    line = "%s.%03d  INFO 1 --- [nio-8080-exec-%d] %-40s : %s\n"
    return map(line.__mod__, zip(b.stamp("sql"), b.millis(), b.number(1, 200), b.pick(LOGGERS),
                                 b.pick(b.pools.messages)))


def trace_lines(b):
    """Java application log with an exception."""
    line = "%s.%03d ERROR 1 --- [nio-8080-exec-%d] %-40s : Servlet.service() threw exception\n\n%s"
    return map(line.__mod__, zip(b.stamp("sql"), b.millis(), b.number(1, 200), b.pick(LOGGERS),
                                 b.pick(b.pools.traces)))


KINDS = {access_lines: 76, json_lines: 54, key_value_lines: 30, kube_lines: 16, sql_lines: 12, spring_lines: 11, trace_lines: 1}

# ----------------------------------------------------------------------------------------------------------------------
# Tokens
# ----------------------------------------------------------------------------------------------------------------------


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def chars(rng, count, alphabet=ALNUM):
    return "".join(rng.choices(alphabet, k=count))


def with_checksum(prefix, rng):
    """Prefix, thirty characters and their CRC-32 in base 62, as GitHub and npm build theirs."""
    body, digits = chars(rng, 30), ""
    crc = zlib.crc32(body.encode())
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        digits = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[digit] + digits
    return prefix + body + digits


def jwt(rng, now):
    """A signed-looking JWT: access tokens and ID tokens of several issuers' making, the signature random."""
    alg, signature = rng.choice((("RS256", 256), ("RS256", 256), ("ES256", 64), ("HS256", 32)))
    header = {"alg": alg, "typ": rng.choice(("JWT", "JWT", "at+jwt"))}
    if alg != "HS256":
        header["kid"] = chars(rng, 16, HEX)
    issued = now - rng.randrange(600)
    claims = {"iss": rng.choice(("https://login.example.com/", "https://idp.example.org/realms/shop")),
              "sub": f"user-{rng.randrange(10**6)}", "aud": rng.choice(("https://api.example.com", "shop-web")),
              "iat": issued, "exp": issued + rng.choice((300, 3600, 3600, 86_400))}
    if rng.random() < 0.7:
        claims["scope"] = rng.choice(("openid profile orders.read", "orders.read orders.write", "openid email"))
    if rng.random() < 0.5:
        claims["jti"] = chars(rng, 22, URLSAFE)
    if rng.random() < 0.2:
        claims["email"] = f"user{rng.randrange(10**4)}@example.com"
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    return ".".join([*map(b64url, parts), b64url(rng.randbytes(signature))])


def private_key(rng, _):
    """A PEM block with a random body, its line ends escaped as in a log."""
    dashes, what = "-" * 5, rng.choice(("RSA ", "EC ", "")) + "PRIVATE" + " KEY"
    body = "\\n".join(chars(rng, 64, ALNUM + "+/") for _ in range(rng.randrange(4, 24)))
    return f"{dashes}BEGIN {what}{dashes}\\n{body}\\n{dashes}END {what}{dashes}"


# Where tokens stand in logs. {t} is the token, {iso}, {clf} the time, {a} an address, {name} a variable's name.
HEADERS = (
    "{iso}.007Z DEBUG [http-client] > Authorization: Bearer {t}\n",
    '{{"ts":"{iso}.110Z","level":"debug","service":"gateway","msg":"outgoing request","headers":{{"host":"api.example.com",'
    '"authorization":"Bearer {t}","accept":"application/json"}}}}\n',
    'time={iso}.020Z level=warn caller=http/client.go:91 msg="retrying upstream" auth="Bearer {t}" attempt=2\n',
    "+ curl -sS -H 'Authorization: Bearer {t}' https://api.example.com/v2/orders\n",
)
QUERIES = (
    '{a} - - [{clf}] "GET /ws/connect?room=7&access_token={t} HTTP/1.1" 101 0 "-" "okhttp/4.12.0"\n',
    '{a} - - [{clf}] "GET /signin?state=af0ifjsldkj&id_token={t} HTTP/2.0" 302 512 "https://login.example.com/" "curl/8.13.0"\n',
    '{a} - - [{clf}] "GET /download/invoice.pdf?token={t} HTTP/2.0" 200 48211 "-" "python-requests/2.32.3"\n',
)
BODIES = (
    '{{"ts":"{iso}.310Z","level":"debug","service":"identity","msg":"token response","body":'
    '"{{\\"access_token\\":\\"{t}\\",\\"token_type\\":\\"Bearer\\",\\"expires_in\\":3600}}"}}\n',
    "{iso}.404Z DEBUG [http-client] > Cookie: theme=dark; session={t}; lang=de\n",
)
SETTINGS = (
    "{name}={t}\n",
    'time={iso}.511Z level=debug caller=cmd/main.go:64 msg="environment" key={name} value={t}\n',
    '{{"ts":"{iso}.610Z","level":"error","service":"task-runner","msg":"step failed","env":{{"CI":"true","{name}":"{t}"}}}}\n',
    "+ export {name}={t}\n",
)
GIT = ("{iso}.700Z fatal: unable to access 'https://oauth2:{t}@git.example.com/shop/web.git/': The requested URL returned error: 403\n",)

# kind: (weight, how it is made from generator and time, name of the variable it stands in, places)
TOKENS = {
    "jwt": (44, jwt, "ACCESS_TOKEN", HEADERS * 2 + QUERIES + BODIES),
    "opaque bearer": (12, lambda r, _: chars(r, r.choice((32, 40, 43, 64)), URLSAFE), "API_TOKEN", HEADERS),
    "github": (8, lambda r, _: with_checksum(r.choice(("ghp", "gho", "ghs")) + "_", r), "GITHUB_TOKEN", SETTINGS + HEADERS + GIT),
    "github fine-grained": (2, lambda r, _: f"github_pat_{chars(r, 22)}_{chars(r, 59)}", "GH_TOKEN", SETTINGS + GIT),
    "gitlab": (5, lambda r, _: "glpat-" + chars(r, 20, URLSAFE), "GITLAB_TOKEN", SETTINGS + GIT),
    "npm": (2, lambda r, _: with_checksum("npm_", r), "NPM_TOKEN", SETTINGS),
    "pypi": (1, lambda r, _: "pypi-" + b64url(b"\x02\x01\x08pypi.org" + r.randbytes(120)), "TWINE_PASSWORD", SETTINGS),
    "slack": (4, lambda r, _: f"xoxb-{r.randrange(10**11, 10**12)}-{r.randrange(10**12, 10**13)}-{chars(r, 24)}", "SLACK_BOT_TOKEN", SETTINGS + HEADERS),
    "slack app": (1, lambda r, _: f"xapp-1-A0{chars(r, 9, string.ascii_uppercase)}-{r.randrange(10**12, 10**13)}-{chars(r, 64, HEX)}", "SLACK_APP_TOKEN", SETTINGS),
    "google api": (3, lambda r, _: "AIza" + chars(r, 35, URLSAFE), "GOOGLE_API_KEY", SETTINGS + QUERIES[2:]),
    "google oauth": (2, lambda r, _: "ya29.a0" + chars(r, 180, URLSAFE), "GOOGLE_OAUTH_TOKEN", HEADERS),
    "aws": (4, lambda r, _: r.choice(("AKIA", "ASIA")) + chars(r, 16, string.ascii_uppercase + "234567"), "AWS_ACCESS_KEY_ID", SETTINGS),
    "stripe": (2, lambda r, _: "sk_live_" + chars(r, 24), "STRIPE_KEY", SETTINGS + HEADERS[:1]),
    "openai": (2, lambda r, _: "sk-proj-" + chars(r, 120, URLSAFE), "OPENAI_API_KEY", SETTINGS + HEADERS[:1]),
    "anthropic": (2, lambda r, _: f"sk-ant-api03-{chars(r, 93, URLSAFE)}AA", "ANTHROPIC_API_KEY", SETTINGS),
    "vault": (2, lambda r, _: "hvs.CAESI" + chars(r, 90, URLSAFE), "VAULT_TOKEN", SETTINGS),
    "hugging face": (1, lambda r, _: "hf_" + chars(r, 34, string.ascii_letters), "HF_TOKEN", SETTINGS),
    "databricks": (1, lambda r, _: "dapi" + chars(r, 32, HEX), "DATABRICKS_TOKEN", SETTINGS + HEADERS[:1]),
    "sendgrid": (1, lambda r, _: f"SG.{chars(r, 22, URLSAFE)}.{chars(r, 43, URLSAFE)}", "SENDGRID_API_KEY", SETTINGS),
    "private key": (1, private_key, "TLS_KEY", SETTINGS[2:3]),
}
TOKEN_KINDS = spread({kind: weight for kind, (weight, *_) in TOKENS.items()})
USES = spread({1: 60, 2: 15, 4: 12, 8: 8, 30: 5})  # how often one token is seen: three or four times on average
REUSE_GAP = 60_000  # bytes between two sightings of a token, on average


class TokenSchedule:
    """Which tokens stand where in one file: a queue of sightings, ordered by offset."""

    def __init__(self, rng, per_mb, size):
        self.rng, self.size = rng, size
        self.every = MB / per_mb if per_mb > 0 else None
        self.queue, self.next_new, self.serial = [], 0.0, 0
        self.distinct, self.sightings = {}, 0
        if self.every:
            self.next_new = rng.expovariate(1 / self.every)
            # The service token that comes back all along.
            self.add(rng.randrange(MB), "jwt", size // MB // 2, 2 * MB)

    def add(self, offset, kind, uses, gap):
        """Queues a new token of the kind, seen `uses` times from the offset on."""
        rng = self.rng
        _, make, name, places = TOKENS[kind]
        token = make(rng, START + rng.randrange(86_400))
        place = rng.choice(places)
        for _ in range(max(uses, 1)):
            self.serial += 1
            heapq.heappush(self.queue, (int(offset), self.serial, kind, token, place, name))
            offset += rng.expovariate(1 / gap)
        self.distinct[kind] = self.distinct.get(kind, 0) + 1

    def until(self, end, millis):
        """The token lines that stand before the offset `end`, each with its offset."""
        rng = self.rng
        while self.every and self.next_new < end:
            self.add(self.next_new, rng.choice(TOKEN_KINDS), rng.choice(USES), REUSE_GAP)
            self.next_new += rng.expovariate(1 / self.every)
        while self.queue and self.queue[0][0] < end:
            offset, _, _, token, place, name = heapq.heappop(self.queue)
            self.sightings += 1
            yield offset, place.format(t=token, name=name, a=f"198.51.100.{rng.randrange(1, 255)}",
                                       iso=stamp("iso", millis), clf=stamp("clf", millis))


# ----------------------------------------------------------------------------------------------------------------------
# Files
# ----------------------------------------------------------------------------------------------------------------------


def batches(rng, size, tokens, start):
    """The bytes of one log, a few MB at a time, ending with the first line past `size`."""
    pools, written, millis = Pools(rng), 0, start * 1000
    kinds = spread(KINDS)
    while written < size:
        order = rng.choices(kinds, k=BATCH_LINES)
        times = {kind: [] for kind in KINDS}
        for kind, step in zip(order, rng.choices(range(0, 24), k=BATCH_LINES)):
            millis += step
            times[kind].append(millis)
        columns = {kind: iter(kind(Batch(pools, at))) for kind, at in times.items()}
        lines = [next(columns[kind]) for kind in order]
        length = sum(map(len, lines))
        if written + length > size:  # the last batch: only as many lines as are still needed
            count = total = 0
            while written + total < size:
                total += len(lines[count])
                count += 1
            lines, length = lines[:count], total
        due = list(tokens.until(min(written + length, size), millis))
        for offset, line in reversed(due):
            lines.insert(int(max(offset - written, 0) / length * len(lines)), line)
        data = "".join(lines).encode()
        written += len(data)
        yield data


WATCHED = (b"token", b"session", b"uthorization", b"Bearer", b"earer ", b"sk-", b"eyJ", b"assword")


def write_logs(target, size, files, per_mb, seed):
    """Writes `many` and `one`, and returns what the stamp says about them."""
    many, one = target / "many", target / "one"
    for folder in (many, one):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    facts = {"distinct_tokens": 0, "token_lines": 0, "lines": 0, "crc32": 0, "by_kind": {}}
    words = dict.fromkeys(WATCHED, 0)
    with open(one / "app.log", "wb") as whole:
        for index in range(files):
            rng = random.Random(f"{seed}/{index}")
            tokens = TokenSchedule(rng, per_mb, size // files)
            with open(many / f"app-{index:02}.log", "wb") as part:
                for data in batches(rng, size // files, tokens, START + index * 86_400):
                    part.write(data)
                    whole.write(data)
                    facts["lines"] += data.count(b"\n")
                    facts["crc32"] = zlib.crc32(data, facts["crc32"])
                    for word in words:
                        words[word] += data.count(word)
            facts["token_lines"] += tokens.sightings
            for kind, count in tokens.distinct.items():
                facts["distinct_tokens"] += count
                facts["by_kind"][kind] = facts["by_kind"].get(kind, 0) + count
    total = (one / "app.log").stat().st_size
    facts["bytes"] = total
    facts["mentions_per_mb"] = {word.decode(): round(count / (total / MB), 1) for word, count in words.items()}
    return facts


def write_small(target, seed):
    """Writes the three small files: a log, a settings file, a script."""
    folder = target / "small"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = random.Random(f"{seed}/small")
    token = {kind: TOKENS[kind][1](rng, START) for kind in ("jwt", "github", "gitlab", "slack")}
    log = b"".join(batches(rng, 4096, TokenSchedule(rng, 0, 4096), START)).decode()
    log += f"2026-06-01T00:00:09.007Z DEBUG [http-client] > Authorization: Bearer {token['jwt']}\n"
    settings = "server:\n  port: 8080\n  read_timeout: 5s\ndatabase:\n  host: db.internal\n  pool: 20\nsession:\n" \
               f"  ttl: 1800s\n  cookie: sid\nslack:\n  channel: deploys\n  bot_token: {token['slack']}\n"
    script = "#!/bin/sh\nset -eu\ncd \"$(dirname \"$0\")/..\"\nexport GITHUB_TOKEN=" + token["github"] + \
             "\nmake build\nmake test\ncurl -sSf -H \"PRIVATE-TOKEN: " + token["gitlab"] + \
             "\" https://git.example.com/api/v4/projects/7/releases\n"
    for name, text in (("app.log", log), ("settings.yaml", settings), ("release.sh", script)):
        (folder / name).write_text(text, encoding="utf-8")


def sizes(target):
    """Every generated file with its size, as the stamp records them."""
    return {str(path.relative_to(target)): path.stat().st_size
            for folder in ("many", "one", "small") for path in sorted((target / folder).glob("*"))}


def prepare(target, size_mb, files, per_mb, seed):
    """Makes sure the files are there, and returns the stamp."""
    generator = zlib.crc32(Path(__file__).read_bytes())  # another generator, other logs
    arguments = {"generator": generator, "size_mb": size_mb, "files": files, "tokens_per_mb": per_mb, "seed": seed}
    path = target / "stamp.json"
    try:
        known = json.loads(path.read_text())
        if known["arguments"] == arguments and known["sizes"] == sizes(target):
            print(f"logs: {target} is as asked for, nothing to write", file=sys.stderr)
            return known
    except (OSError, ValueError, KeyError):
        pass
    path.unlink(missing_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    old = sum(p.stat().st_size for folder in ("many", "one") for p in (target / folder).glob("*"))
    needed, free = 2 * size_mb * MB, shutil.disk_usage(target).free + old
    if free < needed * 1.05:
        sys.exit(f"logs: {needed / MB:.0f} MB are needed below {target}, {free / MB:.0f} MB are free")
    print(f"logs: writing 2 x {size_mb} MB below {target} …", file=sys.stderr)
    began = time.monotonic()
    facts = write_logs(target, size_mb * MB, files, per_mb, seed)
    write_small(target, seed)
    known = {"arguments": arguments, "facts": facts, "sizes": sizes(target)}
    path.write_text(json.dumps(known, indent=1) + "\n")
    print(f"logs: written in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return known


def main():
    parser = argparse.ArgumentParser(description="Writes the logs that benches/speed.py measures on.")
    parser.add_argument("--dir", type=Path, default=Path("/tmp/keybound-bench/2048mb"))
    parser.add_argument("--size-mb", type=int, default=2048)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--tokens-per-mb", type=float, default=2.0, help="distinct tokens per MB (default 2)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    prepare(args.dir, args.size_mb, args.files, args.tokens_per_mb, args.seed)


if __name__ == "__main__":
    main()
