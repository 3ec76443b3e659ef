"""`inspector register`: how a thermal and a visible camera lie to each other, measured on points that both see."""

from pathlib import Path

import click
import cv2
import numpy as np

from inspector.cameras.sequence import open_sequence
from inspector.cli.main import stop_with
from inspector.cli.support.lines import say, say_json
from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError
from inspector.core.types import Frame
from inspector.imaging.registration import Points, Registration, as_points, find_grid, read_registration, register
from inspector.results.overlays import warm_picture

_STALE = 3  # exit code


class _Pair(click.ParamType[tuple[tuple[float, float], tuple[float, float]]]):
    """A point of the thermal picture and the same point of the visible one."""

    name = "X,Y=X,Y"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        try:
            one, other = str(value).split("=")
            (x, y), (u, v) = (map(float, side.split(",")) for side in (one, other))
        except ValueError:
            self.fail(f"{value!r} is not a point of the thermal picture, =, and the same point of the visible one.", param, ctx)
        return (x, y), (u, v)


class _Grid(click.ParamType[tuple[int, int]]):
    name = "COLUMNSxROWS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        words = str(value).lower().split("x")
        if len(words) != 2 or not all(word.isdecimal() and int(word) > 1 for word in words):
            self.fail(f"{value!r} is not a number of columns and rows like 4x3.", param, ctx)
        return int(words[0]), int(words[1])


@click.command("register")
@click.option("--thermal", "thermal_file", required=True, type=click.Path(path_type=Path), help="A thermal picture.")
@click.option("--visible", "visible_file", required=True, type=click.Path(path_type=Path), help="The visible one of the same.")
@click.option(
    "--point", "points", multiple=True, type=_Pair(), help="A point in both pictures; at least four, a fifth for the error."
)
@click.option("--grid", type=_Grid(), help="Find the spots of a heated target instead.")
@click.option("--mm-per-px", type=click.FloatRange(0, min_open=True), help="Size of a visible pixel on the part.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to keep the registration in.")
@click.option("--check", "known", type=click.Path(path_type=Path), help="A kept registration: whether it still holds.")
@click.option("--overlay", type=click.Path(path_type=Path), help="PNG of the visible picture with the temperatures over it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(
    thermal_file: Path,
    visible_file: Path,
    points: tuple[tuple[tuple[float, float], tuple[float, float]], ...],
    grid: tuple[int, int] | None,
    mm_per_px: float | None,
    out: Path | None,
    known: Path | None,
    overlay: Path | None,
    as_json: bool,
) -> int:
    """Measure where the points of a thermal picture lie in a visible one, with its error in pixels and mm.

    With --check a kept registration is compared with the points. Exit code 3: it no longer holds.
    """
    if (out is None) == (known is None):
        raise click.UsageError("Give --out to measure a registration, or --check to compare one.")
    if bool(points) == (grid is not None):
        raise click.UsageError("Give either --point several times, or --grid.")
    if overlay is not None and known is not None:
        raise click.UsageError("--overlay shows a registration that is measured, so it goes with --out.")
    kept = None if known is None else read_registration(known)
    warm, seen = _frame(thermal_file), _frame(visible_file)
    if overlay is not None and (warm.unit != "kelvin" or overlay.suffix.lower() != ".png"):
        stop_with("--overlay writes a .png, and needs a thermal picture that holds temperatures.", 2)
    sizes = {"thermal_size": (warm.width, warm.height), "visible_size": (seen.width, seen.height)}
    there, here = _points(points, grid, warm, seen)
    if kept is not None and known is not None:
        kept.check_sizes(sizes["visible_size"], sizes["thermal_size"])
        return _tell_check(kept, kept.deviation(there, here), known, as_json=as_json)
    found = register(there, here, mm_per_px=mm_per_px, **sizes)
    if out is not None:
        write_atomically(out, found.model_dump_json(indent=1).encode())
    if overlay is not None:
        shown = warm_picture(seen, found.warp(np.asarray(warm.pixels, np.float32)))
        _, data = cv2.imencode(".png", shown[:, :, ::-1])
        write_atomically(overlay, data.tobytes())
    _tell(found, out, as_json=as_json)
    return 0


def _frame(file: Path) -> Frame:
    sequence = open_sequence(file)
    try:
        return sequence.frame(0)
    finally:
        sequence.close()


def _points(
    pairs: tuple[tuple[tuple[float, float], tuple[float, float]], ...],
    grid: tuple[int, int] | None,
    warm: Frame,
    seen: Frame,
) -> tuple[Points, Points]:
    """Return the points of the thermal and of the visible picture. Raises ConfigError for one beside its picture."""
    if grid is not None:
        return find_grid(warm, *grid, name=warm.source), find_grid(seen, *grid, name=seen.source)
    found = as_points([pair[0] for pair in pairs]), as_points([pair[1] for pair in pairs])
    for points, frame in zip(found, (warm, seen), strict=True):
        for x, y in points:
            if not (0 <= x < frame.width and 0 <= y < frame.height):
                raise ConfigError(
                    "The point {x:g},{y:g} lies beside {file}, which has {width} x {height} pixels.",
                    x=float(x),
                    y=float(y),
                    file=frame.source,
                    width=frame.width,
                    height=frame.height,
                )
    return found


def _tell(found: Registration, out: Path | None, *, as_json: bool) -> None:
    if as_json:
        say_json(found.model_dump(mode="json"))
        return
    say(f"{found.points} points -> {out}")
    if found.error_px is None:
        say("Four points always fit: give a fifth to measure the error.")
        return
    mm = "" if found.error_mm is None else f" ({found.error_mm:.2f} mm)"
    say(f"Error {found.error_px:.2f} px{mm}, at worst {found.worst_px:.2f} px.")


def _tell_check(kept: Registration, deviation: float, file: Path, *, as_json: bool) -> int:
    stale = deviation > kept.limit_px()
    if as_json:
        say_json({"stale": stale, "deviation_px": deviation, "limit_px": kept.limit_px()})
    else:
        verdict = "no longer holds: a camera was moved. Measure it again" if stale else "holds"
        say(f"{file} {verdict}: points lie up to {deviation:.1f} px from where it expects them (limit {kept.limit_px():.1f}).")
    return _STALE if stale else 0
