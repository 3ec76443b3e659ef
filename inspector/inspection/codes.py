"""The code on a part, a DataMatrix or QR code in a region that the recipe names, and what it says by GS1.

Sources: GS1 General Specifications, application identifiers; GS1 Digital Link Standard, URI syntax; zxing-cpp reads the code,
biip its content.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from inspector.core.message import Message, message
from inspector.core.types import CodeReading, Frame
from inspector.recipes.recipe import CodeModel

if TYPE_CHECKING:
    from biip import ParseConfig
    from biip.gs1_element_strings import GS1ElementString

# Application identifiers by what they say, the more usual one first.
_SAYS: Final = {"serial_number": ("21",), "lot": ("10",), "job_id": ("400",), "material": ("01", "240", "241")}


def load_readers() -> None:
    """Import what reads codes, so that no part waits for it: it takes longer than most deadlines."""
    import biip  # noqa: F401
    import zxingcpp  # noqa: F401


def read_code(frame: Frame, model: CodeModel) -> CodeReading:
    """Read the code of a frame. Never raises: what cannot be read is said in the reading."""
    began = time.perf_counter()
    values, problem = _read(frame, model)
    return CodeReading(frame.camera, **values, problem=problem, ms=(time.perf_counter() - began) * 1000)


def _read(frame: Frame, model: CodeModel) -> tuple[dict[str, str], Message | None]:
    import zxingcpp

    region = model.region.region()
    if not region.fits(frame.width, frame.height):
        return {}, message("The region of the code is not inside the frame of {camera}.", camera=frame.camera)
    pixels = frame.pixels[region.y : region.bottom, region.x : region.right]
    formats = zxingcpp.barcode_formats_from_str(",".join(model.symbologies))
    found = zxingcpp.read_barcodes(_grey(pixels), formats=formats, text_mode=zxingcpp.TextMode.Plain)
    if not found:
        return {}, message("The code that {camera} sees cannot be read.", camera=frame.camera)
    if len(found) > 1:
        return {}, message("{camera} sees {count} codes.", camera=frame.camera, count=len(found))
    (code,) = found
    values = {"text": code.text, "symbology": code.format.name}
    if code.content_type == zxingcpp.ContentType.GS1:
        said, detail = _message(code.bytes.decode("ascii", "replace"))
    elif code.text.startswith(("http://", "https://")):
        said, detail = _link(code.text)
    else:
        said, detail = {"serial_number": code.text.strip()}, None
    if detail is not None:
        return values, message("The code that {camera} sees is not valid: {detail}", camera=frame.camera, detail=detail)
    return {**values, **said}, None


def _message(text: str) -> tuple[dict[str, str], str | None]:
    """Return what a GS1 message says, and what is wrong with it. biip wants the separator as it stands in the code."""
    import biip

    try:
        read = biip.parse(text, config=_config())
    except biip.ParseError as error:
        return {}, str(error)
    if read.gs1_message is None:
        return {}, read.gs1_message_error or "no GS1 message"
    return _said(read.gs1_message.element_strings)


def _link(text: str) -> tuple[dict[str, str], str | None]:
    """Return what a GS1 Digital Link says, and what is wrong with it. Any other address is a serial number.

    So is one that says nothing of a part, as of a place.
    """
    import biip

    try:
        link = biip.parse(text, config=_config()).gs1_digital_link_uri
    except biip.ParseError:
        link = None
    said, detail = ({}, None) if link is None else _said(link.element_strings)
    return (said, detail) if detail is not None or any(said.values()) else ({"serial_number": text.strip()}, None)


def _config() -> "ParseConfig":
    """Let no date refuse a message: none is used here, and biip 5.2 knows no range of dates (7007)."""
    from biip import ParseConfig

    return ParseConfig(gs1_element_strings_verify_date=False)


def _said(read: "Sequence[GS1ElementString]") -> tuple[dict[str, str], str | None]:
    elements = {element.ai.ai: element for element in read}
    wrong = next((element.gtin_error for element in read if element.gtin_error), None)
    if wrong is not None:
        return {}, wrong
    return {name: next((elements[ai].value for ai in ais if ai in elements), "") for name, ais in _SAYS.items()}, None


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Return pixels as uint8 [H, W], stretched to the full range if they are deeper."""
    grey = pixels if pixels.ndim == 2 else pixels[..., 1]  # green: most of the light, and no arithmetic
    if grey.dtype == np.uint8:
        return np.ascontiguousarray(grey)
    known = np.nan_to_num(grey.astype(np.float32))
    low, high = float(known.min()), float(known.max())
    return ((known - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
