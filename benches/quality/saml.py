"""SAML assertions and the messages they travel in, and what is like them and none.

Names that a scanner anchors on are put together from pieces.
"""

import base64
import datetime
import zlib
from urllib.parse import quote

from quality.mint import DAY, HOUR, NOW, Token, Verdict, words

NAMES = "urn:oasis:names:tc:" "SAML"
ASSERTION2, ASSERTION1 = f"{NAMES}:2.0:assertion", f"{NAMES}:1.0:assertion"
PROTOCOL = f"{NAMES}:2.0:protocol"
FIELD = "SAML" "Response"
DSIG = "http://www.w3.org/2000/09/xmldsig#"


def at(seconds, fraction=False):
    """xs:dateTime in UTC."""
    text = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (".123Z" if fraction else "Z")


def b64(data):
    """Standard base64 with padding."""
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def deflated(text):
    """Raw deflate in base64, as the redirect binding has it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b64(packer.compress(text.encode()) + packer.flush())


class Saml:
    """A source of assertions; `mint` gives the chance."""

    def __init__(self, mint):
        self.mint = mint

    def random(self, count):
        """Random bytes in base64."""
        return b64(self.mint.rng.randbytes(count))

    def certificate(self):
        """Bytes that begin like a certificate."""
        return b64(b"\x30\x82\x03\x0a" + self.mint.rng.randbytes(700))

    def signature(self, reference):
        """A `ds:Signature` with a random value."""
        return (f'<ds:Signature xmlns:ds="{DSIG}"><ds:SignedInfo>'
                '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
                '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
                f'<ds:Reference URI="#{reference}"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
                f'<ds:DigestValue>{self.random(32)}</ds:DigestValue></ds:Reference></ds:SignedInfo>'
                f'<ds:SignatureValue>{self.random(256)}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>'
                f'<ds:X509Certificate>{self.certificate()}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>')

    def key_info(self, kind):
        """The `ds:KeyInfo` of a holder-of-key confirmation."""
        inner = {
            "certificate": lambda: f"<ds:X509Data><ds:X509Certificate>{self.certificate()}</ds:X509Certificate></ds:X509Data>",
            "rsa": lambda: (f"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{self.random(256)}</ds:Modulus>"
                            "<ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>"),
            "name": lambda: "<ds:KeyName>partner-key-7</ds:KeyName>",
            "encrypted": lambda: ('<xenc:EncryptedKey xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><ds:KeyInfo><ds:X509Data>'
                                  f"<ds:X509Certificate>{self.certificate()}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
                                  f"<xenc:CipherData><xenc:CipherValue>{self.random(256)}</xenc:CipherValue></xenc:CipherData>"
                                  "</xenc:EncryptedKey>"),
            "empty": lambda: "",
        }
        return f'<ds:KeyInfo xmlns:ds="{DSIG}">{inner[kind]()}</ds:KeyInfo>' if kind else ""

    def confirmation(self, method, key=None, until=None, recipient=True):
        """A `SubjectConfirmation` of SAML 2.0."""
        limits = (f' NotOnOrAfter="{at(until)}"' if until else "") + (
            ' Recipient="https://sp.example.com/saml/acs"' if recipient else "")
        data = self.key_info(key)
        return (f'<saml:SubjectConfirmation Method="{NAMES}:2.0:cm:{method}">'
                f'<saml:SubjectConfirmationData{limits}>{data}</saml:SubjectConfirmationData></saml:SubjectConfirmation>')

    def assertion(self, confirmations, issued, until, signed=True, audience=True, declared=True, fraction=False, roles=()):
        """An assertion of SAML 2.0."""
        name = "_" + self.mint.hex(32)
        conditions = f' NotBefore="{at(issued, fraction)}"' + (f' NotOnOrAfter="{at(until, fraction)}"' if until else "")
        restriction = ("<saml:AudienceRestriction><saml:Audience>https://sp.example.com</saml:Audience>"
                       "</saml:AudienceRestriction>") if audience else ""
        values = "".join(f"<saml:AttributeValue>{role}</saml:AttributeValue>" for role in roles or ("staff",))
        return (f'<saml:Assertion{f" xmlns:saml=%s{ASSERTION2}%s" % (chr(34), chr(34)) if declared else ""} ID="{name}" '
                f'Version="2.0" IssueInstant="{at(issued, fraction)}"><saml:Issuer>https://idp.example.com/metadata</saml:Issuer>'
                f'{self.signature(name) if signed else ""}<saml:Subject>'
                f'<saml:NameID Format="{NAMES}:1.1:nameid-format:emailAddress">user{self.mint.rng.randrange(999)}@example.com'
                f'</saml:NameID>{"".join(confirmations)}</saml:Subject><saml:Conditions{conditions}>{restriction}'
                f'</saml:Conditions><saml:AuthnStatement AuthnInstant="{at(issued)}" SessionIndex="{name}"><saml:AuthnContext>'
                f'<saml:AuthnContextClassRef>{NAMES}:2.0:ac:classes:Password</saml:AuthnContextClassRef>'
                "</saml:AuthnContext></saml:AuthnStatement>"
                f'<saml:AttributeStatement><saml:Attribute Name="groups">{values}</saml:Attribute></saml:AttributeStatement>'
                "</saml:Assertion>")

    def assertion1(self, method, key, issued, until):
        """An assertion of SAML 1.1, as in WS-Federation."""
        name = "_" + self.mint.hex(32)
        confirmation = (f"<saml:SubjectConfirmation><saml:ConfirmationMethod>{NAMES}:1.0:cm:{method}</saml:ConfirmationMethod>"
                        f"{self.key_info(key)}</saml:SubjectConfirmation>")
        subject = (f"<saml:Subject><saml:NameIdentifier>user{self.mint.rng.randrange(999)}@example.com</saml:NameIdentifier>"
                   f"{confirmation}</saml:Subject>")
        return (f'<saml:Assertion MajorVersion="1" MinorVersion="1" AssertionID="{name}" '
                f'Issuer="http://sts.example.com/adfs/services/trust" IssueInstant="{at(issued)}" xmlns:saml="{ASSERTION1}">'
                f'<saml:Conditions NotBefore="{at(issued)}" NotOnOrAfter="{at(until)}"><saml:AudienceRestrictionCondition>'
                "<saml:Audience>urn:example:app</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>"
                f"<saml:AttributeStatement>{subject}<saml:Attribute AttributeName=\"upn\" "
                'AttributeNamespace="http://schemas.xmlsoap.org/claims"><saml:AttributeValue>x@example.com'
                "</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"
                f'<saml:AuthenticationStatement AuthenticationInstant="{at(issued)}" AuthenticationMethod="{NAMES}:1.0:am:password">'
                f"{subject}</saml:AuthenticationStatement>{self.signature(name)}</saml:Assertion>")

    def response(self, body, signed=False, status="Success"):
        """A response around assertions."""
        name = "_" + self.mint.hex(32)
        return (f'<samlp:Response xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION2}" ID="{name}" Version="2.0" '
                f'IssueInstant="{at(NOW - 60)}" Destination="https://sp.example.com/saml/acs">'
                f'<saml:Issuer>https://idp.example.com/metadata</saml:Issuer>{self.signature(name) if signed else ""}'
                f'<samlp:Status><samlp:StatusCode Value="{NAMES}:2.0:status:{status}"/></samlp:Status>{body}</samlp:Response>')

    def encrypted(self):
        """An encrypted assertion."""
        return ('<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" '
                'Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod '
                'Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"/><xenc:CipherData><xenc:CipherValue>'
                f"{self.random(900)}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>")


# Label, confirmations (method and key), seconds from now of issue and end, what must be said.
KINDS = (
    ("saml bearer", [("bearer", None)], -60, 240, "none", ("saml-bearer",)),
    ("saml bearer long", [("bearer", None)], -60, 8 * HOUR, "none", ("saml-bearer", "saml-long-validity")),
    ("saml bearer expired", [("bearer", None)], -DAY, -DAY + 300, "none", ()),
    ("saml expires now", [("bearer", None)], -300, 0, "none", ()),
    ("saml last second", [("bearer", None)], -299, 1, "none", ("saml-bearer",)),
    ("saml not yet", [("bearer", None)], 600, 900, "none", ("saml-bearer",)),
    ("saml holder of key", [("holder-of-key", "certificate")], -60, 1800, "jwk", ()),
    ("saml holder of key value", [("holder-of-key", "rsa")], -60, 1800, "jwk", ()),
    ("saml holder of key long", [("holder-of-key", "rsa")], -60, 2 * HOUR, "jwk", ("saml-long-validity",)),
    ("saml holder of no key", [("holder-of-key", None)], -60, 240, "none", ("saml-hok-without-key",)),
    ("saml holder of empty key", [("holder-of-key", "empty")], -60, 240, "none", ("saml-hok-without-key",)),
    ("saml holder of named key", [("holder-of-key", "name")], -60, 240, "kid", ()),
    ("saml holder of encrypted key", [("holder-of-key", "encrypted")], -60, 240, "jwe", ()),
    ("saml sender-vouches", [("sender-vouches", None)], -60, 240, "none", ("saml-sender-vouches",)),
    ("saml two confirmations", [("holder-of-key", "certificate"), ("bearer", None)], -60, 240, "none", ("saml-bearer",)),
    ("saml no expiry", [("bearer", None)], -60, None, "none", ("saml-no-expiry",)),
)


def saml_tokens(mint):
    """Every kind of assertion in every form; the planted text is what a finding must point at."""
    saml = Saml(mint)
    names = ("saml-assertion",)
    for number, (label, confirmations, start, end, binding, faults) in enumerate(KINDS):
        issued, until = NOW + start, None if end is None else NOW + end
        state = ("never-expires" if until is None else "expired" if until <= NOW else "not-yet" if issued > NOW else "live")
        verdict = Verdict(words(binding), words(state), words(None if until is None else until - issued), until,
                          words(*faults))
        if number % 5 == 1:     # SAML 1.1 says the same
            method, key = confirmations[0]
            xml = saml.assertion1(method, key, issued, until)
        else:
            made = [saml.confirmation(m, k, until if number % 2 else None) for m, k in confirmations]
            xml = saml.assertion(made, issued, until, declared=number % 3 != 0, fraction=number % 4 == 2)
        message = xml if number % 5 == 1 else saml.response(xml)

        def token(text, *carriers, after=0):
            return Token(text, label, "saml-assertion", names, verdict, carriers, after=after, start_only=True)

        # A finding points at the assertion, wherever in the message that stands.
        yield token(message, "saml soap", after=message.index(xml))
        yield token(b64(message), "saml post", "saml form", "saml har", "saml json")
        if number % 5 != 1:
            yield token(deflated(message), "saml redirect")
        if 'xmlns:saml="' in xml[:300]:
            yield token(xml, "saml log", "saml json string", "saml page")
            yield token(base64.urlsafe_b64encode(xml.encode()).decode().rstrip("="), "saml grant")
    response = saml.response(saml.encrypted())
    unknown = Verdict(words("unknown"), words("unknown"), words(None))
    yield Token(b64(response), "saml encrypted", "saml-encrypted-assertion", ("saml-encrypted-assertion",), unknown,
                ("saml post",), start_only=True)
    yield Token(response, "saml encrypted", "saml-encrypted-assertion", ("saml-encrypted-assertion",), unknown,
                ("saml soap",), after=response.index("<saml:Encr"), start_only=True)
    signed = saml.response(saml.assertion([saml.confirmation("bearer", None, NOW + 200)], NOW - 60, NOW + 240, signed=False),
                           signed=True)
    yield Token(b64(signed), "saml response signed", "saml-assertion", names,
                Verdict(words("none"), words("live"), words(260), NOW + 200, words("saml-bearer")), ("saml form",),
                start_only=True)


def saml_decoys(mint):
    """Requests, metadata, templates, responses without an assertion: none is a credential."""
    saml = Saml(mint)
    request = (f'<samlp:AuthnRequest xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION2}" ID="_{mint.hex(32)}" Version="2.0" '
               f'IssueInstant="{at(NOW)}" AssertionConsumerServiceURL="https://sp.example.com/acs">'
               f"<saml:Issuer>https://sp.example.com</saml:Issuer>{saml.signature('x')}"
               f'<samlp:NameIDPolicy Format="{NAMES}:1.1:nameid-format:emailAddress"/></samlp:AuthnRequest>')
    logout = (f'<samlp:LogoutRequest xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION2}" ID="_{mint.hex(32)}" Version="2.0" '
              f'IssueInstant="{at(NOW)}"><saml:Issuer>https://sp.example.com</saml:Issuer>'
              f'<saml:NameID Format="{NAMES}:2.0:nameid-format:transient">{mint.hex(40)}</saml:NameID></samlp:LogoutRequest>')
    metadata = (f'<md:EntityDescriptor xmlns:md="{NAMES}:2.0:metadata" entityID="https://sp.example.com">'
                f'<md:SPSSODescriptor AuthnRequestsSigned="true" protocolSupportEnumeration="{PROTOCOL}"><md:KeyDescriptor>'
                f"{saml.key_info('certificate')}</md:KeyDescriptor><md:NameIDFormat>{NAMES}:1.1:nameid-format:emailAddress"
                f'</md:NameIDFormat><md:AssertionConsumerService Binding="{NAMES}:2.0:bindings:HTTP-POST" '
                'Location="https://sp.example.com/acs" index="0"/></md:SPSSODescriptor></md:EntityDescriptor>')
    failed = saml.response("", status="Responder")
    template = saml.assertion([saml.confirmation("bearer")], NOW, NOW + 300)
    template = template.replace(at(NOW), "{{ issue_instant }}").replace("https://idp.example.com/metadata", "{{ issuer }}")
    svg = b64('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">' + "<path d='M0 0L9 9'/>" * 40 + "</svg>")
    request_field = "SAML" "Request"
    for label, text in (
        ("saml request", request), ("saml request", f"{request_field}={quote(deflated(request))}&RelayState=x"),
        ("saml request", f'<input type="hidden" name="{request_field}" value="{b64(request)}"/>'),
        ("saml logout", logout), ("saml logout", f"{request_field}={quote(b64(logout))}"),
        ("saml metadata", metadata), ("saml metadata", f"metadata: {b64(metadata)}"),
        ("saml response without assertion", failed), ("saml response without assertion", f"{FIELD}={quote(b64(failed))}"),
        ("saml template", template), ("saml template", f'{FIELD}="{{{{ saml_response }}}}"'),
        ("saml cut off", saml.response(saml.assertion([saml.confirmation("bearer")], NOW, NOW + 300))[:1500]),
        ("saml words", f"NAMEID_FORMAT = '{NAMES}:1.1:nameid-format:emailAddress'"),
        ("saml words", f"CM_BEARER = '{NAMES}:2.0:cm:bearer'  # <saml:Assertion> of the subject"),
        ("svg in base64", f"background: url(data:image/svg+xml;base64,{svg})"),
    ):
        yield label, text
