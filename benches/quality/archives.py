"""Logs with tokens in every archive format, one in the other, made with Python's standard library.

Zstandard frames are written by hand, in raw blocks, since the library can't: what is measured is what is found in them,
not how well they are packed.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile


def zstd(data):
    """One frame (RFC 8878, section 3.1.1) of raw blocks, without checksum, with a window of 128 KiB."""
    size = 128 << 10
    blocks = [data[at:at + size] for at in range(0, len(data), size)] or [b""]
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([7 << 3])
    for number, block in enumerate(blocks):
        frame += (len(block) << 3 | (number + 1 == len(blocks))).to_bytes(3, "little") + block
    return frame


def two_members(data):
    """Gzip as log rotation makes it: one member after the other, cut anywhere."""
    half = len(data) // 2
    return gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)


def in_tar(name, form=tarfile.PAX_FORMAT):
    """Packs as the second member of a tar archive."""
    def pack(data):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            for member, content in (("README", b"nothing\n"), (name, data)):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()
    return pack


class _Pipe(io.RawIOBase):
    """A file that can't seek: zip members then say their lengths behind themselves."""

    def __init__(self, out):
        super().__init__()
        self.out = out

    def writable(self):
        return True

    def write(self, piece):
        return self.out.write(piece)


def in_zip(name, method=zipfile.ZIP_DEFLATED, piped=False):
    """Packs as the second member of a zip archive."""
    def pack(data):
        out = io.BytesIO()
        with zipfile.ZipFile(_Pipe(out) if piped else out, "w", method) as archive:
            for member, content in (("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n"), (name, data)):
                archive.writestr(zipfile.ZipInfo(member), content, method)
        return out.getvalue()
    return pack


def gz(data):
    """Gzip, the same bytes every time."""
    return gzip.compress(data, mtime=0)


LONG = "/".join(["a-folder-with-a-long-name"] * 8) + "/app.log"

# Name of the carrier, file, member, and how the log gets in there, from the inside out.
PACKINGS = (
    ("gz", "app.log.gz", None, [gz]),
    ("gz of two members", "app.log.1.gz", None, [two_members]),
    ("bz2", "app.log.bz2", None, [bz2.compress]),
    ("xz", "app.log.xz", None, [lzma.compress]),
    ("zst", "app.log.zst", None, [zstd]),
    ("tar", "logs.tar", "var/app.log", [in_tar("var/app.log")]),
    ("tar, gnu", "gnu.tar", LONG, [in_tar(LONG, tarfile.GNU_FORMAT)]),
    ("tar, pax", "pax.tar", LONG, [in_tar(LONG)]),
    ("tar.gz", "logs.tgz", "app.log", [in_tar("./app.log"), gz]),
    ("tar.bz2", "logs.tar.bz2", "app.log", [in_tar("app.log"), bz2.compress]),
    ("tar.xz", "logs.tar.xz", "app.log", [in_tar("app.log"), lzma.compress]),
    ("tar.zst", "logs.tar.zst", "app.log", [in_tar("app.log"), zstd]),
    ("zip", "logs.zip", "app.log", [in_zip("app.log")]),
    ("zip, stored", "stored.zip", "app.log", [in_zip("app.log", zipfile.ZIP_STORED)]),
    ("zip, piped", "piped.zip", "app.log", [in_zip("app.log", piped=True)]),
    ("zip, stored and piped", "both.zip", "app.log", [in_zip("app.log", zipfile.ZIP_STORED, piped=True)]),
    ("zip, bzip2", "bzip2.zip", "app.log", [in_zip("app.log", zipfile.ZIP_BZIP2)]),
    ("jar in war", "shop.war", "WEB-INF/lib/x.jar!/app.properties",
     [in_zip("app.properties"), in_zip("WEB-INF/lib/x.jar")]),
    ("gz in zip", "rotated.zip", "app.log.1.gz", [gz, in_zip("app.log.1.gz")]),
    ("zip in tar.gz", "backup.tgz", "old.zip!/app.log", [in_zip("app.log"), in_tar("old.zip"), gz]),
    ("tar.xz in zip in tar", "deep.tar", "b.zip!/c.txz!/app.log",
     [in_tar("app.log"), lzma.compress, in_zip("c.txz"), in_tar("b.zip")]),
)


def plant_archives(planted, samples, filler):
    """Plants fresh samples in each packing, with ordinary lines before, between and behind them."""
    for name, path, member, packers in PACKINGS:
        with planted.file(f"archives/{path}", member=member, packers=packers) as file:
            for number, token in enumerate(samples()):
                file.write(filler(40_000 if number == 3 else 400))
                file.write("headers: authorization: Bearer ")
                file.token(token, f"in {name}")
                file.write("\n")
            file.write(filler(400))
