"""FLIR radiometric JPEG: the published formula, a file made here byte by byte, and real files where they are present."""

import io
import math
import struct
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inspector.core.errors import ConfigError
from inspector.imaging import files
from inspector.imaging.files import page_count, read_image, read_pages, read_radiometry
from inspector.imaging.headers import is_dji, is_flir
from inspector.imaging.image import Image as RasterImage
from inspector.imaging.image import Reading, Scene
from inspector.imaging.radiometric import Calibration, recording_blocks, temperatures, transmission

SCENE = Calibration(
    emissivity=0.95,
    distance=1.0,
    reflected=295.0,
    air=293.15,
    window=293.15,
    window_transmission=1.0,
    humidity=0.5,
    r1=21106.77,
    b=1501.0,
    f=1.0,
    a1=0.006569,
    a2=0.01262,
    b1=-0.002276,
    b2=-0.00667,
    x=1.9,
    o=-7340,
    r2=0.012545258,
)
OFFSETS = (0x20, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x3C, 0x58, 0x5C, 0x60, 0x70, 0x74, 0x78, 0x7C, 0x80, 0x308, 0x30C)


def _signal(c: Calibration, kelvin: float) -> float:
    return c.r1 / (c.r2 * (math.exp(c.b / kelvin) - c.f)) - c.o


def _received(c: Calibration, kelvin: float) -> float:
    """What the camera receives of an object: the published formula forwards, written out on its own."""
    celsius = c.air - 273.15
    water = c.humidity * math.exp(1.5587 + 6.939e-2 * celsius - 2.7816e-4 * celsius**2 + 6.8455e-7 * celsius**3)
    half = math.sqrt(c.distance / 2)
    tau = c.x * math.exp(-half * (c.a1 + c.b1 * math.sqrt(water))) + (1 - c.x) * math.exp(
        -half * (c.a2 + c.b2 * math.sqrt(water))
    )
    leaving = c.emissivity * _signal(c, kelvin) + (1 - c.emissivity) * _signal(c, c.reflected)
    before_window = tau * leaving + (1 - tau) * _signal(c, c.air)
    behind_window = c.window_transmission * before_window + (1 - c.window_transmission) * _signal(c, c.window)
    return tau * behind_window + (1 - tau) * _signal(c, c.air)


@pytest.mark.parametrize(
    "scene",
    [
        SCENE,
        replace(SCENE, emissivity=0.6, distance=12.0),
        replace(SCENE, window_transmission=0.8, window=310.0, humidity=0.9, air=303.0),
    ],
    ids=["near", "far and shiny", "through a window"],
)
def test_the_formula_forwards_and_back(scene: Calibration) -> None:
    truth = np.array([[253.0, 293.15, 300.0], [330.0, 360.0, 400.0]])
    signal = np.vectorize(lambda kelvin: _received(scene, kelvin))(truth)
    raw = np.rint(signal).astype(np.uint16)
    found = temperatures(raw, scene)
    assert found.dtype == np.float32
    # Half a count of rounding is at most 0.05 K here.
    np.testing.assert_allclose(found, truth, atol=0.05)


def test_clear_air_hardly_matters_near_by() -> None:
    assert transmission(replace(SCENE, distance=0.0)) == pytest.approx(1.0)
    assert 0.98 < transmission(SCENE) < 1.0
    assert transmission(replace(SCENE, distance=100.0)) < transmission(SCENE)


def test_a_calibration_that_cannot_be() -> None:
    raw = np.full((2, 2), 17000, np.uint16)
    for wrong in (replace(SCENE, emissivity=0.0), replace(SCENE, r1=-1.0), replace(SCENE, r2=0.0), replace(SCENE, o=-70000)):
        with pytest.raises(ValueError):
            temperatures(raw, wrong)


def fff(raw: NDArray[np.uint16], scene: Calibration, order: str, *, png: bool, lossless: bool = False) -> bytes:
    mark = b"\2\0" if order == "<" else b"\0\2"
    height, width = raw.shape
    if png:
        stream = io.BytesIO()
        Image.fromarray(raw.byteswap()).save(stream, "PNG")
        pixels = stream.getvalue()
    elif lossless:
        pixels = imagecodecs.jpegls_encode(raw)
    else:
        pixels = raw.astype("<u2").tobytes()
    image = mark + struct.pack(f"{order}HH", width, height) + bytes(26) + pixels
    camera = bytearray(0x400)
    camera[:2] = mark
    values = (getattr(scene, name) for name in Calibration.__dataclass_fields__)
    for at, value in zip(OFFSETS, values, strict=True):
        struct.pack_into(f"{order}{'i' if at == 0x308 else 'f'}", camera, at, value)
    records = [(1, image), (0x20, bytes(camera))]
    start = 64 + 32 * len(records)
    directory, body = b"", b""
    for kind, content in records:
        directory += struct.pack(f"{order}HHIIII", kind, 1, 100, 0, start + len(body), len(content)) + bytes(12)
        body += content
    head = b"FFF\0" + b"TEST".ljust(16, b"\0") + struct.pack(f"{order}III", 101, 64, len(records)) + bytes(32)
    return head + directory + body


def _jpeg(block: bytes) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "JPEG")
    pieces = [block[at : at + 60000] for at in range(0, len(block), 60000)]
    segments = b""
    for number, piece in enumerate(pieces):
        body = b"FLIR\0\1" + bytes([number, len(pieces) - 1]) + piece
        segments += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return stream.getvalue()[:2] + segments + stream.getvalue()[2:]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("png", [False, True], ids=["words", "png"])
def test_a_file_made_by_hand(tmp_path: Path, order: str, png: bool) -> None:
    truth = np.linspace(280, 400, 240 * 320).reshape(240, 320)
    raw = np.rint(np.vectorize(lambda kelvin: _received(SCENE, kelvin))(truth)).astype(np.uint16)
    path = tmp_path / "熱.jpg"
    path.write_bytes(_jpeg(fff(raw, SCENE, order, png=png)))
    assert is_flir(path.read_bytes())
    image = read_image(path)
    assert image.unit == "kelvin"
    np.testing.assert_allclose(image.pixels, truth, atol=0.05)


def raw_values(offset: float, shape: tuple[int, int] = (12, 16)) -> NDArray[np.uint16]:
    truth = np.linspace(290, 350, shape[0] * shape[1]).reshape(shape) + offset
    return np.rint(np.vectorize(lambda kelvin: _received(SCENE, kelvin))(truth)).astype(np.uint16)


def test_a_block_without_length_is_no_image(tmp_path: Path) -> None:
    """Its directory begins at 0 and is empty: the next block would begin where this one does, for ever."""
    empty = b"FFF\0" + bytes(16) + struct.pack(">III", 101, 0, 0) + bytes(200)
    assert recording_blocks(empty) == ([], len(empty))
    path = tmp_path / "a.seq"
    path.write_bytes(fff(raw_values(0), SCENE, "<", png=False) + empty)
    assert page_count(path) == 1


@pytest.mark.parametrize("lossless", [False, True], ids=["seq", "csq"])
@pytest.mark.parametrize("fill", [0, 64])
def test_every_image_of_a_recording_is_a_page(tmp_path: Path, lossless: bool, fill: int) -> None:
    path = tmp_path / ("a.csq" if lossless else "a.seq")
    marked = raw_values(20)
    marked[0, :2] = np.frombuffer(b"FFF\0", "<u2")  # pixels that look like the start of the next image
    frames = [raw_values(0), raw_values(10), raw_values(20)]
    blocks = [fff(raw, SCENE, "<", png=False, lossless=lossless) + bytes(fill) for raw in frames]
    path.write_bytes(b"".join(blocks))
    assert page_count(path) == 3
    images = [page for page in read_pages(path) if isinstance(page, RasterImage)]
    for number, image in enumerate(images):
        assert image.unit == "kelvin"
        np.testing.assert_allclose(image.pixels[0, 0], 290 + 10 * number, atol=0.05)
        np.testing.assert_allclose(image.pixels[-1, -1], 350 + 10 * number, atol=0.05)
    path.write_bytes(b"".join(blocks) + blocks[0][:200])
    assert page_count(path) == 3
    assert "no whole image" in str(read_image(path).notes[0])
    path.write_bytes(fff(marked, SCENE, "<", png=False) + blocks[0])
    assert page_count(path) == 2
    path.write_bytes(blocks[0][:200])
    with pytest.raises(ConfigError, match="no whole thermal image"):
        read_image(path)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"emissivity": math.nan}, "the emissivity is said to be nan"),
        ({"distance": -3.0}, "the distance is said to be -3"),
        ({"distance": 1e30}, "the distance is said to be 1e+30"),
        ({"air": 0.0}, "the air temperature is said to be 0"),
        ({"reflected": 0.0}, "the reflected temperature is said to be 0"),
        ({"window_transmission": 0.0}, "the transmission of the window is said to be 0"),
        ({"humidity": 900.0}, "the humidity is said to be 900"),
        ({"a1": math.nan}, "the constant a1 is said to be nan"),
        ({"f": math.inf}, "the constant f is said to be inf"),
    ],
)
def test_a_stored_number_that_no_scene_has_is_named(tmp_path: Path, stored: dict[str, float], said: str) -> None:
    path = tmp_path / "a.fff"
    path.write_bytes(fff(raw_values(0), replace(SCENE, **stored), "<", png=False))
    with pytest.raises(ConfigError, match="set emissivity, distance and surroundings") as caught:
        read_image(path)
    assert said in str(caught.value)
    (name,) = stored
    if name in ("air", "reflected", "distance"):  # a person knows it
        known = Scene(**{name: getattr(SCENE, name)})
        np.testing.assert_allclose(read_image(path, Reading(scene=known)).pixels[0, 0], 290, atol=0.05)


def test_humidity_may_be_stored_in_percent(tmp_path: Path) -> None:
    far = replace(SCENE, distance=30.0)
    for humidity in (0.5, 50.0):
        (tmp_path / f"{humidity}.fff").write_bytes(fff(raw_values(0), replace(far, humidity=humidity), "<", png=False))
    one, other = (read_image(tmp_path / f"{humidity}.fff").pixels for humidity in (0.5, 50.0))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("gap", [b"\xaa" * 16, bytes(20_000), b"\xaaFFF\0" * 3000])
def test_what_lies_between_the_images_of_a_recording_is_passed_over(tmp_path: Path, gap: bytes) -> None:
    path = tmp_path / "a.seq"
    blocks = [fff(raw_values(10 * n), SCENE, "<" if n % 2 else ">", png=False, lossless=n == 1) for n in range(3)]
    path.write_bytes(gap.join(blocks))
    images = [page for page in read_pages(path) if isinstance(page, RasterImage)]
    assert [round(float(image.pixels[0, 0])) for image in images] == [290, 300, 310]
    assert (images[0].notes != ()) == (len(gap) > 4096 and gap[0] != 0)


@pytest.mark.parametrize("kind", ["8 bits", "colours", "cut", "lossy"])
def test_a_raw_image_of_another_kind_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    raw, stream = raw_values(0), io.BytesIO()
    pictures = {"8 bits": (raw >> 8).astype(np.uint8), "colours": np.zeros((12, 16, 3), np.uint8), "cut": raw}
    if kind == "lossy":
        Image.fromarray((raw >> 8).astype(np.uint8)).save(stream, "JPEG")
    else:
        Image.fromarray(pictures[kind]).save(stream, "PNG")
    payload = stream.getvalue()[:80] if kind == "cut" else stream.getvalue()
    whole = fff(raw, SCENE, "<", png=False)
    words = raw.astype("<u2").tobytes()
    path = tmp_path / "a.fff"
    path.write_bytes(
        whole.replace(
            words, payload.ljust(len(words), b"\0")[: len(words)] if kind == "cut" else payload.ljust(len(words), b"\0")
        )
    )
    with pytest.raises(ConfigError, match="thermal data") as caught:
        read_image(path)
    assert "buffer" not in str(caught.value)
    if kind in ("8 bits", "colours"):
        assert "no grey picture of 16 bits" in str(caught.value)


def test_a_table_of_temperatures_is_an_image_where_its_unit_is_told(tmp_path: Path) -> None:
    celsius = 20 + np.arange(12).reshape(3, 4) * 2.5
    for name, separator, point, head in (
        ("comma", ",", ".", ""),
        ("semicolon", ";", ",", "Gerät: X\nEinheit: °C\n\n"),
        ("tab", "\t", ",", ""),
        ("space", " ", ".", ""),
    ):
        path = tmp_path / f"{name}.csv"
        lines = (separator.join(f"{value:.2f}".replace(".", point) for value in row) for row in celsius)
        path.write_text(head + "\n".join(lines) + "\n", "utf-16" if name == "tab" else "utf-8")
        image = read_image(path, Reading(unit="celsius"))
        assert (image.unit, image.pixels.shape) == ("kelvin", (3, 4))
        np.testing.assert_allclose(image.pixels, celsius + 273.15, atol=0.006)
        with pytest.raises(ConfigError, match="nothing says which"):
            read_image(path)
    (tmp_path / "told.csv").write_text("unit=C\n20,30\n40,50\n")
    np.testing.assert_allclose(read_image(tmp_path / "told.csv").pixels, [[293.15, 303.15], [313.15, 323.15]])
    for text, said in (
        ("a,b\nc,d\n", "no table of numbers"),
        ("1,2\n3\n", "other texts"),
        ("1,2\n3,x\n", "other texts"),
        ("1,2\n3,4,5\n", "2 to 3 numbers"),
        ("300,301\n302,1e400\n", "no temperatures"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(ConfigError, match=said):
            read_image(tmp_path / "bad.csv", Reading(unit="kelvin"))


def test_what_was_measured_is_read_of_one_image_not_of_the_whole_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "a.seq", list[int]()
    blocks = [fff(raw_values(10 * number), SCENE, "<", png=False) for number in range(5)]
    path.write_bytes(b"".join(blocks))
    whole = files._bytes

    def counted(file: Path, start: int = 0, end: int | None = None) -> bytes:
        data = whole(file, start, end)
        read.append(len(data))
        return data

    monkeypatch.setattr(files, "_bytes", counted)
    for number in (0, 3, 4):
        measured = read_radiometry(path, number)
        assert measured is not None
        np.testing.assert_array_equal(measured.raw, raw_values(10 * number))
    assert read == [sum(map(len, blocks)), len(blocks[0]), len(blocks[3]), len(blocks[4])]
    assert read_radiometry(path, 5) is None
    path.write_bytes(blocks[2])  # another recording under this name
    measured = read_radiometry(path)
    assert measured is not None
    np.testing.assert_array_equal(measured.raw, raw_values(20))
    with pytest.raises(ConfigError, match="There is no file"):
        read_radiometry(tmp_path / "none.seq")


def test_a_person_knows_the_surface_better_than_the_camera(tmp_path: Path) -> None:
    shiny = replace(SCENE, emissivity=0.5)
    truth = np.array([[310.0, 340.0], [360.0, 400.0]])
    raw = np.rint(np.vectorize(lambda kelvin: _received(shiny, kelvin))(truth)).astype(np.uint16)
    path = tmp_path / "a.fff"
    path.write_bytes(fff(raw, SCENE, "<", png=False))  # the camera was told 0.95
    assert read_image(path).pixels.max() < 370
    np.testing.assert_allclose(read_image(path, Reading(scene=Scene(emissivity=0.5))).pixels, truth, atol=0.1)
    measured = read_radiometry(path)
    assert measured is not None
    hot = Scene(emissivity=0.05, reflected=400.0)  # more is reflected than arrives: the formula has no answer
    kelvin, notes = measured.kelvin(Scene(emissivity=0.3, reflected=330.0))
    assert np.isfinite(kelvin).sum() == kelvin.size - sum("without" in str(note) for note in notes)
    with pytest.raises(ConfigError, match="cannot be computed"):
        measured.kelvin(hot)
    for wrong in ({"emissivity": 0.0}, {"emissivity": 1.2}, {"emissivity": math.nan}, {"humidity": 3.0}, {"distance": -1.0}):
        with pytest.raises(ConfigError, match="not possible"):
            Scene(**wrong)
    grey = tmp_path / "grey.png"
    Image.new("L", (4, 4)).save(grey)
    with pytest.raises(ConfigError, match="raw values"):
        read_image(grey, Reading(scene=Scene(emissivity=0.9)))
    assert read_radiometry(grey) is None


def test_damaged_thermal_data_give_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good = fff(np.full((6, 8), 17000, np.uint16), SCENE, "<", png=False)
    wrong = replace(SCENE, emissivity=-1.0)
    damaged = {
        "cut.jpg": good[:150],
        "no header.jpg": b"XXXX" + good[4:],
        "version.jpg": good[:0x14] + bytes(4) + good[0x18:],
        "directory.jpg": good[:0x18] + b"\xff\xff\xff\x7f" + good[0x1C:],
        "calibration.jpg": fff(np.full((6, 8), 17000, np.uint16), wrong, "<", png=False),
        "size.jpg": good.replace(struct.pack("<HH", 8, 6), struct.pack("<HH", 800, 6)),
    }
    for name, block in damaged.items():
        path = tmp_path / name
        path.write_bytes(_jpeg(block))
        with pytest.raises(ConfigError, match="thermal data") as caught:
            read_image(path)
        assert str(path) in str(caught.value)
    huge = good.replace(struct.pack("<HH", 8, 6), struct.pack("<HH", 60000, 60000))
    (tmp_path / "huge.jpg").write_bytes(_jpeg(huge))
    with pytest.raises(ConfigError, match="60000 x 60000"):
        read_image(tmp_path / "huge.jpg")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "celsius"),
    [
        ("Flir_E40.jpg", (17.9, 21.1, 24.7)),
        ("T640.jpg", (25.5, 36.9, 97.9)),
        ("ax8.jpg", (24.4, 25.0, 25.5)),
        ("DJI_XT-2.jpg", (21.5, 31.5, 82.9)),
    ],
)
def test_real_files(real_data: Path, name: str, celsius: tuple[float, float, float]) -> None:
    image = read_image(real_data / "thermal" / name)
    assert image.unit == "kelvin"
    found = (image.pixels.min(), image.pixels.mean(dtype=np.float64), image.pixels.max())
    assert np.array(found) - 273.15 == pytest.approx(celsius, abs=0.051)  # they are given to a tenth


def test_a_dji_file_is_refused_politely(real_data: Path) -> None:
    path = real_data / "thermal" / "H20T_2.jpg"
    assert is_dji(path.read_bytes())
    with pytest.raises(ConfigError, match="DJI") as caught:
        read_image(path)
    assert caught.value.remedy is not None


def test_an_ordinary_photograph_is_neither(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    assert not is_flir(data)
    assert not is_dji(data)
