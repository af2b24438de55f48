from __future__ import annotations

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from pytest_django import Settings

from conversations import uploads
from conversations.uploads import Unacceptable, Upload

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
HTML = b"<!doctype html><script>alert(1)</script>"


def picture(form: str = "PNG", width: int = 3, height: int = 2) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(content, form)
    return content.getvalue()


def check(name: str, content: bytes, said_to_be: str = "image/png") -> Upload:
    return uploads.check(SimpleUploadedFile(name, content, said_to_be))


@pytest.mark.parametrize("form, media_type, ending", [
    ("PNG", "image/png", ".png"),
    ("JPEG", "image/jpeg", ".jpg"),
    ("GIF", "image/gif", ".gif"),
    ("WEBP", "image/webp", ".webp"),
])  # fmt: skip
def test_pictures_are_measured_and_named_for_what_they_are(form: str, media_type: str, ending: str) -> None:
    upload = check("holiday.jpeg", picture(form), said_to_be="text/html")

    assert (upload.media_type, upload.name) == (media_type, f"holiday{ending}")
    assert (upload.width, upload.height) == (3, 2)
    assert upload.content.read() == picture(form)


def test_of_other_files_nothing_is_believed() -> None:
    upload = check("Bill.PDF", HTML, said_to_be="text/html")

    assert (upload.media_type, upload.name, upload.size) == ("", "Bill.pdf", len(HTML))


@pytest.mark.parametrize("name, content", [
    ("page.html", HTML),
    ("picture.svg", SVG),
    ("picture.png.html", picture()),
    ("program.pdf.exe", b"MZ"),
    ("script.js", b"alert(1)"),
    (".htaccess", b"x"),
    ("noending", picture()),
    ("", picture()),
    ("turned\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe", picture()),
])  # fmt: skip
def test_types_that_are_not_allowed(name: str, content: bytes) -> None:
    upload = SimpleUploadedFile("any", content, "image/png")
    upload._name = name  # type: ignore[attr-defined]  # as a storage of Django's own would mend it

    with pytest.raises(Unacceptable, match="Allowed: jpg"):
        uploads.check(upload)


@pytest.mark.parametrize("content", [
    HTML,
    SVG,
    b"\x89PNG\r\n\x1a\n" + HTML,
    picture()[:40],
    b"GIF89a<script>alert(1)</script>",
    b"%PDF-1.7",
])  # fmt: skip
def test_what_is_named_like_a_picture_is_one(content: bytes) -> None:
    with pytest.raises(Unacceptable, match="is none"):
        check("picture.png", content)


def test_a_picture_that_would_fill_the_memory_is_not_even_begun() -> None:
    header = bytearray(picture("GIF"))
    header[6:10] = b"\xff\xff\xff\xff"  # 65,535 × 65,535

    with pytest.raises(Unacceptable):
        check("small.gif", bytes(header))


def test_size(settings: Settings) -> None:
    settings.ATTACHMENT_MAX_MB = 1
    assert check("a.txt", b"x" * 1024 * 1024).size == 1024 * 1024

    with pytest.raises(Unacceptable, match="over 1 MB"):
        check("a.txt", b"x" * (1024 * 1024 + 1))
    with pytest.raises(Unacceptable, match="empty"):
        check("a.txt", b"")


@pytest.mark.parametrize("name, kept", [
    ("../../etc/passwd.txt", "passwd.txt"),
    ("..\\..\\boot.txt", "boot.txt"),
    ("/etc/cron.d/job.txt", "job.txt"),
    ("a\r\nSet-Cookie: x.txt", "aSet-Cookie: x.txt"),
    ("nul\0byte.txt", "nulbyte.txt"),
    ("合同 2026.TXT", "合同 2026.txt"),
    ("....txt", "file.txt"),
    ("发" * 200 + ".txt", "发" * 38 + ".txt"),
])  # fmt: skip
def test_names_lead_nowhere(name: str, kept: str) -> None:
    upload = SimpleUploadedFile("any", b"x")
    upload._name = name  # type: ignore[attr-defined]

    assert uploads.check(upload).name == kept
