"""`inspector thermal`: temperatures in thermal images, without the window."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, Unpack, cast

import click
import cv2
import numpy as np

from inspector.cameras.sequence import open_sequence
from inspector.cameras.video import VIDEO_SUFFIXES
from inspector.cli.main import stop_with
from inspector.cli.support.lines import say, say_json
from inspector.cli.support.tools import Emissivity, Numbers, Pair, polygon
from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError
from inspector.core.spreadsheet import table_text
from inspector.core.types import Floats
from inspector.imaging.colormaps import PALETTES, Palette, TemperatureUnit, indices, sign, temperature
from inspector.imaging.colormaps import difference as in_unit_difference
from inspector.imaging.colormaps import kelvin as to_kelvin
from inspector.imaging.files import Image, image_files, page_count, page_name, read_page, read_pages, read_radiometry
from inspector.imaging.image import Reading, Scene
from inspector.imaging.image import TemperatureUnit as FileUnit
from inspector.imaging.measuring import PlacedTool, adjusted
from inspector.imaging.thermography import (
    Ellipse,
    Line,
    LocalSpot,
    Polygon,
    Rectangle,
    Spot,
    SpotTracker,
    Tool,
    ToolValues,
    isotherm,
    local_spots,
    measure_tool,
    profile,
    tool_text,
)
from inspector.imaging.visible import Picture

_PLACES = ("coldest_x", "coldest_y", "hottest_x", "hottest_y")
_COLUMNS = ("file", "tool", "unit", "minimum", "maximum", "mean", "std", *_PLACES, "pixels")
_MARK = (0, 255, 255)
_MOST = 10  # hot spots listed in words


class _More(TypedDict):
    """The options that only `_job` looks at."""

    emissivity: float | None
    patches: tuple[tuple[Rectangle, float], ...]
    reflected: float | None
    distance: float | None
    humidity: float | None
    air: float | None
    values: FileUnit | None
    scale: float | None
    offset: float | None
    delta: float | None
    radius: int
    min_area: int


@dataclass(frozen=True, slots=True)
class _Job:
    """What is asked of every image."""

    tools: tuple[Tool, ...]
    how: Reading
    patches: tuple[tuple[Rectangle, float], ...]
    unit: TemperatureUnit
    above: float | None
    below: float | None
    delta: float | None
    radius: int
    min_area: int


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--spot", "spots", multiple=True, type=Numbers("X,Y", 2, Spot), help="One pixel; every tool may be repeated.")
@click.option("--line", "lines", multiple=True, type=Numbers("X1,Y1,X2,Y2", 4, Line), help="A line; --json has its profile.")
@click.option("--box", "boxes", multiple=True, type=Numbers("X,Y,W,H", 4, Rectangle), help="A rectangle.")
@click.option("--ellipse", "ellipses", multiple=True, type=Numbers("X,Y,W,H", 4, Ellipse), help="The ellipse in a rectangle.")
@click.option("--polygon", "polygons", multiple=True, type=Numbers("X,Y,X,Y,X,Y...", 0, polygon), help="Its corners.")
@click.option("--above", type=float, help="Isotherm: the share of the image above this temperature, or difference.")
@click.option("--below", type=float, help="Isotherm: below this temperature; with --above, between the two.")
@click.option("--hot-spots", "delta", type=click.FloatRange(0, min_open=True), help="Spots so many K hotter than around them.")
@click.option("--radius", type=click.IntRange(1, 500), default=8, show_default=True, help="Of the largest hot spot, in pixels.")
@click.option("--min-area", type=click.IntRange(1), default=4, show_default=True, help="Of the smallest hot spot, in pixels.")
@click.option("--emissivity", type=float, help="Of what is seen, 0.01 to 1, instead of the one stored by the camera.")
@click.option("--emissivity-at", "patches", multiple=True, type=Emissivity(), help="Another emissivity in a rectangle.")
@click.option("--reflected", type=float, help="Reflected temperature in the unit of --unit.")
@click.option("--distance", type=float, help="In metres.")
@click.option("--humidity", type=click.FloatRange(0, 100), help="Of the air, in percent.")
@click.option("--air", type=float, help="Temperature of the air in the unit of --unit.")
@click.option(
    "--values",
    type=click.Choice(["kelvin", "celsius", "fahrenheit"]),
    help="What grey values are, after --scale and --offset; never guessed. See inspector scales.",
)
@click.option("--scale", type=float, help="Temperature = value * scale + offset; 0.01 for centikelvin.")
@click.option("--offset", type=float, help="See --scale.")
@click.option("--unit", type=click.Choice(["C", "K", "F"]), default="C", show_default=True, help="Of all temperatures here.")
@click.option("--difference", type=click.Path(path_type=Path), help="Measure the difference to this image, in kelvin.")
@click.option("--csv", "as_csv", is_flag=True, help="A table, one line a tool and image.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each image.")
@click.option("--out", type=click.Path(path_type=Path), help="PNG with the colours, tools and values of a single image.")
@click.option(
    "--palette", type=click.Choice(list(PALETTES)), default="iron", show_default=True, help="Colours of the pictures."
)
@click.option("--span", type=Pair(), help="Lowest and highest temperature of the palette; those of the image if left out.")
def thermal(
    paths: tuple[Path, ...],
    spots: tuple[Tool, ...],
    lines: tuple[Tool, ...],
    boxes: tuple[Tool, ...],
    ellipses: tuple[Tool, ...],
    polygons: tuple[Tool, ...],
    unit: str,
    above: float | None,
    below: float | None,
    difference: Path | None,
    as_csv: bool,
    as_json: bool,
    out: Path | None,
    palette: str,
    span: tuple[float, float] | None,
    **more: Unpack[_More],
) -> int:
    """Measure temperatures in thermal images: FLIR's JPEG, FFF, SEQ and CSQ, and TIFF, PNG or video with temperatures.

    Without a tool the whole image is measured. Every image of a recording is measured; hot spots of one image after the other
    are joined to events. Exit code 2 if a file could not be read.
    """
    if as_csv and as_json:
        raise click.UsageError("Give either --csv or --json.")
    in_unit = cast("TemperatureUnit", unit)
    # A difference is in kelvin, whatever the unit of temperatures is.
    limits = (above, below) if difference is not None else (_in_kelvin(above, in_unit), _in_kelvin(below, in_unit))
    job = _job((*spots, *lines, *boxes, *ellipses, *polygons), in_unit, limits, more)
    reference = None if difference is None else _temperatures(read_page(difference, 0, job.how), difference, 0, job)
    files = [file for path in paths for file in (image_files(path) if path.is_dir() else [path])]
    show = _Lines(job, as_csv=as_csv, as_json=as_json, difference=reference is not None)
    if out is not None and (len(files) != 1 or page_count(files[0]) != 1 or out.suffix.lower() != ".png"):
        stop_with("--out shows one image in a file that ends in .png.", 2)
    failed = False
    for name, kelvin in _images(files, job, show):
        if kelvin is None:
            failed = True
            continue
        values = kelvin if reference is None else _minus(kelvin, reference, name)
        show.image(name, values)
        if out is not None:
            write_atomically(out, _picture(values, job, cast("Palette", palette), span, difference=reference is not None))
    return 2 if failed else 0


def _job(tools: tuple[Tool, ...], unit: TemperatureUnit, limits: tuple[float | None, float | None], more: _More) -> _Job:
    humidity = more["humidity"]
    scene = Scene(
        emissivity=more["emissivity"],
        reflected=_in_kelvin(more["reflected"], unit),
        distance=more["distance"],
        air=_in_kelvin(more["air"], unit),
        humidity=None if humidity is None else humidity / 100,
    )
    for _, emissivity in more["patches"]:
        replace(scene, emissivity=emissivity)  # checked before anything is read
    return _Job(
        tools,
        Reading(unit=more["values"] or "", scale=more["scale"], offset=more["offset"], scene=scene),
        more["patches"],
        unit,
        *limits,
        more["delta"],
        more["radius"],
        more["min_area"],
    )


def _images(files: Sequence[Path], job: _Job, show: "_Lines") -> Iterator[tuple[str, Floats | None]]:
    """Yield the name of every image and its temperatures; None for one that cannot be read."""
    for file in files:
        for index, page in enumerate(_pages(file, job.how)):
            name = page_name(str(file), index)
            try:
                yield name, _temperatures(page, file, index, job, show)
            except ConfigError as error:
                say(f"inspector: {error}", err=True)
                yield name, None


def _pages(file: Path, how: Reading) -> Iterator[Image | ConfigError]:
    """Yield the images of a file or video, which is opened once for all of them, or why they cannot be read."""
    try:
        if file.suffix.lower() in VIDEO_SUFFIXES:
            with closing(open_sequence(file, how=how)) as video:
                for _, frame in video.each():
                    yield frame if isinstance(frame, ConfigError) else Image(frame.pixels, frame.unit, frame.notes)
        else:
            yield from read_pages(file, how)
    except ConfigError as error:
        yield error


def _temperatures(image: Image | ConfigError, file: Path, index: int, job: _Job, show: "_Lines | None" = None) -> Floats:
    """Return an image in kelvin, with the emissivities that hold in parts of it. Raises ConfigError."""
    if isinstance(image, ConfigError):
        raise image
    if show is not None:
        for note in image.notes:
            show.note(page_name(str(file), index), str(note))
    if image.unit != "kelvin":
        raise ConfigError(
            "{file} holds no temperatures, only colours or grey levels.",
            remedy="Give the file as the thermal camera saved it, or say what its numbers are with --values and --scale.",
            file=file,
        )
    kelvin = np.array(image.pixels, np.float32)
    if job.patches:
        measured = read_radiometry(file, index)
        if measured is None:
            raise ConfigError("{file} does not hold a camera's raw values, so its emissivity cannot be changed.", file=file)
        kelvin, _ = adjusted(measured, job.how.scene, [PlacedTool(*patch) for patch in job.patches])
    return kelvin


def _minus(kelvin: Floats, reference: Floats, name: str) -> Floats:
    if kelvin.shape != reference.shape:
        raise ConfigError("{file} has another size than the reference image.", file=name)
    return kelvin - reference


class _Lines:
    """Prints what was measured, as words, a table or JSON."""

    def __init__(self, job: _Job, *, as_csv: bool, as_json: bool, difference: bool) -> None:
        self._job = job
        self._csv = as_csv
        self._json = as_json
        self._difference = difference
        self._unit: TemperatureUnit = "K" if difference else job.unit
        self._notes: list[str] = []
        self._tracker = SpotTracker(reach=2.0 * job.radius)
        if as_csv:
            say(table_text([_COLUMNS]).rstrip("\n"))

    def note(self, name: str, text: str) -> None:
        """Take a note about how an image was read."""
        self._notes.append(text)
        say(f"inspector: {name}: {text}", err=True)

    def image(self, name: str, kelvin: Floats) -> None:
        """Print the values of one image."""
        job = self._job
        height, width = kelvin.shape
        tools = job.tools or (Rectangle(0, 0, width, height),)
        rows = [(tool, measure_tool(kelvin, tool)) for tool in tools]
        spots = () if job.delta is None else local_spots(kelvin, delta=job.delta, radius=job.radius, min_area=job.min_area)
        share = None
        if job.above is not None or job.below is not None:
            share = float(isotherm(kelvin, above=job.above, below=job.below).mean())
        if self._csv:
            self._table(name, rows)
        elif self._json:
            self._object(name, kelvin, rows, spots, share)
        else:
            self._words(name, rows, spots, share)
        self._notes.clear()

    def _table(self, name: str, rows: Sequence[tuple[Tool, ToolValues]]) -> None:
        for tool, values in rows:
            numbers = [self._number(value) for value in (values.minimum, values.maximum, values.mean)]
            cold, hot = values.coldest or ("", ""), values.hottest or ("", "")
            row = [name, tool_text(tool), self._unit, *numbers, self._spread(values.std), *cold, *hot, values.pixels]
            say(table_text([["" if value is None else value for value in row]]).rstrip("\n"))

    def _object(
        self,
        name: str,
        kelvin: Floats,
        rows: Sequence[tuple[Tool, ToolValues]],
        spots: Sequence[LocalSpot],
        share: float | None,
    ) -> None:
        tools = []
        for tool, values in rows:
            said: dict[str, object] = {
                "tool": tool_text(tool),
                "minimum": self._number(values.minimum),
                "maximum": self._number(values.maximum),
                "mean": self._number(values.mean),
                "std": self._spread(values.std),
                "coldest": values.coldest,
                "hottest": values.hottest,
                "pixels": values.pixels,
            }
            if isinstance(tool, Line):
                said["profile"] = [self._number(float(value)) for value in profile(kelvin, tool)]
            tools.append(said)
        events = {id(event.last): event for event in self._tracker.step(spots)}
        found = [
            {
                "x": local.spot.x,
                "y": local.spot.y,
                "temperature": self._number(local.spot.kelvin),
                "delta": round(local.delta, 3),
                "area_px": local.spot.area_px,
                "event": events[id(local)].number,
                "trend_per_frame": round(events[id(local)].trend, 4),
            }
            for local in spots
        ]
        height, width = kelvin.shape
        line: dict[str, object] = {"file": name, "width": width, "height": height, "unit": self._unit, "tools": tools}
        if self._job.delta is not None:
            line["hot_spots"] = found
        if share is not None:
            line["isotherm"] = round(share, 6)
        say_json({**line, "difference": self._difference, "notes": list(self._notes)})

    def _words(
        self, name: str, rows: Sequence[tuple[Tool, ToolValues]], spots: Sequence[LocalSpot], share: float | None
    ) -> None:
        say(name)
        for tool, values in rows:
            if values.hottest is None or values.coldest is None:
                say(f"  {tool_text(tool)}: no pixel has a temperature")
                continue
            low, high, mean = (self._text(value) for value in (values.minimum, values.maximum, values.mean))
            if isinstance(tool, Spot):
                say(f"  {tool_text(tool)}: {high} {self._sign()}")
                continue
            x, y = values.hottest
            spread = f"{self._spread(values.std) or 0.0:.2f}"
            say(f"  {tool_text(tool)}: {low} to {high} {self._sign()}, mean {mean}, std {spread}, hottest at {x},{y}")
        for local in spots[:_MOST]:
            spot = local.spot
            warm = f"{self._text(spot.kelvin)} {self._sign()}"
            say(f"  hot spot at {spot.x},{spot.y}: {warm}, {local.delta:.1f} K above its surroundings, {spot.area_px:.0f} px")
        if len(spots) > _MOST:
            say(f"  and {len(spots) - _MOST} more hot spots")
        if self._job.delta is not None and not spots:
            say("  no hot spot")
        if share is not None:
            say(f"  isotherm: {share:.2%} of the image")

    def _sign(self) -> str:
        return sign(self._unit)

    def _number(self, value: float) -> float | None:
        """Return a temperature, or a difference of temperatures, in the unit asked for; None without one."""
        if not np.isfinite(value):
            return None
        return round(value if self._difference else temperature(value, self._job.unit), 3)

    def _text(self, value: float) -> str:
        number = self._number(value)
        return "-" if number is None else f"{number:.1f}"

    def _spread(self, value: float) -> float | None:
        if not np.isfinite(value):
            return None
        return round(in_unit_difference(value, self._unit), 3)


def _picture(kelvin: Floats, job: _Job, palette: Palette, span: tuple[float, float] | None, *, difference: bool) -> bytes:
    """Return a PNG: the colours, the outlines of the tools and hot spots, and the temperatures beside them."""
    alive = kelvin[np.isfinite(kelvin)]
    if not alive.size:
        raise ConfigError("There is no temperature to show.")
    low, high = (float(alive.min()), float(alive.max()))
    if span is not None:
        low, high = span if difference else (to_kelvin(span[0], job.unit), to_kelvin(span[1], job.unit))
    shown = np.ascontiguousarray(PALETTES[palette][indices(kelvin, low, max(high, low + 1e-3))][:, :, ::-1])
    for tool in job.tools:
        value = measure_tool(kelvin, tool).maximum
        text = "-" if not np.isfinite(value) else f"{value if difference else temperature(value, job.unit):.1f}"
        _outline(shown, tool, text)
    if job.delta is not None:
        for local in local_spots(kelvin, delta=job.delta, radius=job.radius, min_area=job.min_area):
            _outline(shown, Spot(local.spot.x, local.spot.y), f"+{local.delta:.1f}")
    ok, data = cv2.imencode(".png", shown)
    if not ok:
        stop_with("The picture cannot be encoded.")
    return bytes(data.tobytes())


def _outline(shown: Picture, tool: Tool, text: str) -> None:
    match tool:
        case Spot(x, y):
            cv2.drawMarker(shown, (x, y), _MARK, cv2.MARKER_CROSS, 9, 1)
            at = (x, y)
        case Line(x1, y1, x2, y2):
            cv2.line(shown, (x1, y1), (x2, y2), _MARK, 1)
            at = (x1, y1)
        case Rectangle(x, y, width, height):
            cv2.rectangle(shown, (x, y), (x + width - 1, y + height - 1), _MARK, 1)
            at = (x, y)
        case Ellipse(x, y, width, height):
            middle = (x + width // 2, y + height // 2)
            cv2.ellipse(shown, middle, (width // 2, height // 2), 0, 0, 360, _MARK, 1)
            at = (x, y)
        case Polygon(points):
            cv2.polylines(shown, [np.array(points, np.int32)], isClosed=True, color=_MARK, thickness=1)
            at = points[0]
    cv2.putText(shown, text, (at[0] + 3, max(10, at[1] - 3)), cv2.FONT_HERSHEY_SIMPLEX, 0.35, _MARK, 1, cv2.LINE_AA)


def _in_kelvin(value: float | None, unit: TemperatureUnit) -> float | None:
    return None if value is None else to_kelvin(value, unit)
