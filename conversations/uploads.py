"""A file that somebody uploads, checked.

What the browser says of it is not believed: pictures are what can be read as one, and everything else is a
file of which nothing but size and name is known.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import IO, Any, Final

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from PIL import Image, UnidentifiedImageError

from conversations.errors import ConversationError

LONGEST_NAME: Final = 120  # bytes, with the ending: ZEGO takes 150
MOST_PIXELS: Final = 50_000_000
# Pictures that browsers show and that hold no scripts: by the name that Pillow has for them, their ending.
PICTURES: Final = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "WEBP": ".webp"}
ENDINGS_OF_PICTURES: Final = {*PICTURES.values(), ".jpeg"}


class Unacceptable(ConversationError):
    """The file is not one that operators may send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What has been checked, to be kept."""

    content: IO[bytes]
    name: str
    size: int  # bytes
    media_type: str = ""  # of a picture; "": any other file
    width: int | None = None  # pixels
    height: int | None = None


def check(uploaded: UploadedFile[Any]) -> Upload:
    """Raises Unacceptable with the reason."""
    size = uploaded.size or 0
    if not size:
        raise Unacceptable(_("The file is empty."))
    if size > settings.ATTACHMENT_MAX_MB * 1024 * 1024:
        raise Unacceptable(_("The file is over %d MB.") % settings.ATTACHMENT_MAX_MB)
    stem, ending = parts_of(uploaded.name or "")
    if ending.removeprefix(".") not in settings.ATTACHMENT_TYPES:
        allowed = ", ".join(settings.ATTACHMENT_TYPES)
        raise Unacceptable(_("Files of this type are not sent. Allowed: %s") % allowed)
    upload = Upload(content=uploaded, name=named(stem, ending), size=size)
    return as_picture(upload, stem) if ending in ENDINGS_OF_PICTURES else upload


def as_picture(upload: Upload, stem: str) -> Upload:
    """With its measures, and the ending that it should have."""
    content = upload.content
    try:
        with Image.open(content, formats=list(PICTURES)) as picture:
            found, (width, height) = picture.format or "", picture.size
            if width * height > MOST_PIXELS:
                raise Unacceptable(_("The picture is too large: %d megapixels.") % (width * height / 1e6))
            picture.verify()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise Unacceptable(_("The file is named like a picture and is none.")) from error
    content.seek(0)
    return replace(
        upload,
        name=named(stem, PICTURES[found]),
        media_type=Image.MIME[found],
        width=width,
        height=height,
    )


def parts_of(name: str) -> tuple[str, str]:
    """A name without its way and without what cannot be seen (such as marks that turn the order of letters
    round), and its ending in lower case."""
    last = name.replace("\\", "/").rpartition("/")[2]
    visible = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C")
    stem, _dot, ending = visible.strip(" .").rpartition(".")
    return stem.strip(" ."), f".{ending.strip().lower()}"


def named(stem: str, ending: str) -> str:
    room = LONGEST_NAME - len(ending.encode())
    short = (stem or "file").encode()[:room].decode(errors="ignore")
    return f"{short}{ending}"
