"""`inspector scales`: what the grey values of a thermal source are in degrees, by the scales of common cameras."""

from pathlib import Path

import click
import numpy as np

from inspector.cameras.sequence import open_sequence
from inspector.cli.main import stop_with
from inspector.cli.support.lines import say, say_json
from inspector.cli.support.tools import Numbers
from inspector.core.errors import ConfigError
from inspector.core.types import KELVIN_AT_0_C, Floats, Frame
from inspector.imaging.image import Reading
from inspector.imaging.known_scales import KNOWN_SCALES, KnownScale, known_scale, scaled_frame
from inspector.imaging.thermography import Spot
from inspector.recipes.adopt import open_recipe_file, write_changed


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--spot", type=Numbers("X,Y", 2, Spot), help="A point whose temperature you know.  [default: the middle]")
@click.option("--use", "key", type=click.Choice([one.key for one in KNOWN_SCALES]), help="Write this scale into a recipe.")
@click.option("--recipe", type=click.Path(path_type=Path), help="The recipe to write.")
@click.option("--camera", help="The camera in it that gives these values.  [default: the only one]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object and nothing else.")
def scales(
    file: Path | None, spot: Spot | None, key: str | None, recipe: Path | None, camera: str | None, as_json: bool
) -> int:
    """List the scales of common thermal cameras; for a FILE of grey values, with the temperatures that each would mean.

    Pixels do not tell which is right: compare a point with a thermometer. With --use the scale is written into a camera of a
    recipe, as its next revision.
    """
    if (key is None) != (recipe is None):
        raise click.UsageError("--use and --recipe belong together.")
    frame, own = (None, None) if file is None else (_grey(file), _as_it_says(file))
    at = spot if spot is not None or frame is None else Spot(frame.width // 2, frame.height // 2)
    if frame is not None and at is not None and not (at.x < frame.width and at.y < frame.height and min(at.x, at.y) >= 0):
        stop_with(f"{at.x},{at.y} lies beside the image of {frame.width} x {frame.height} pixels.", 2)
    rows = [_row(one, frame, at) for one in KNOWN_SCALES]
    value = None if frame is None or at is None else int(frame.pixels[at.y, at.x])
    written = None if recipe is None or key is None else _write(recipe, camera, known_scale(key))
    if as_json:
        place = None if frame is None or at is None else {"x": at.x, "y": at.y, "value": value}
        say_json(
            {
                "file": None if file is None else str(file),
                "point": place,
                "says_its_own_scale": own is not None,
                "scales": rows,
                "written": written,
            }
        )
        return 0
    if frame is not None and at is not None:
        low, high = int(frame.pixels.min()), int(frame.pixels.max())
        say(f"{file}: values from {low} to {high}, {value} at {at.x},{at.y}")
        if own is not None:
            point, least, most = (kelvin - KELVIN_AT_0_C for kelvin in (own[at.y, at.x], own.min(), own.max()))
            say(f"The file says its own scale: the point is {point:.1f} °C, all {least:.1f} to {most:.1f} °C")
    for row in rows:
        _tell(row)
    say("Hikvision and HIKMICRO: the camera sends scale and offset with each picture (jpegPicWithAppendData).")
    if written is not None:
        say(f"written to {written}")
    return 0


def _grey(file: Path) -> Frame:
    """Return the first frame as grey values, whatever its file says of them. Raises ConfigError."""
    sequence = open_sequence(file, how=Reading(unit="intensity"))
    try:
        frame = sequence.frame(0)
    finally:
        sequence.close()
    if frame.pixels.ndim != 2 or frame.unit == "kelvin" or frame.pixels.dtype != np.uint16:
        raise ConfigError(
            "{file} holds no grey values of 16 bits, so it needs no scale.",
            remedy="Look at it with inspector thermal.",
            file=file,
        )
    return frame


def _as_it_says(file: Path) -> Floats | None:
    """Return the temperatures of the first frame in kelvin, if the file itself says what its values are (GDAL's tags)."""
    sequence = open_sequence(file)
    try:
        frame = sequence.frame(0)
    except ConfigError:
        return None
    finally:
        sequence.close()
    return np.asarray(frame.pixels, np.float32) if frame.unit == "kelvin" else None


def _row(one: KnownScale, frame: Frame | None, at: Spot | None) -> dict[str, object]:
    row: dict[str, object] = {
        "key": one.key,
        "name": str(one.name),
        "formula": one.formula,
        "values": one.unit,
        "scale": one.scale,
        "offset": one.offset,
        "document": one.document or None,
    }
    if frame is not None and at is not None:
        seen = scaled_frame(frame.pixels, one.reading(), x=at.x, y=at.y)
        numbers = {"point": seen.point, "minimum": seen.minimum, "mean": seen.mean, "maximum": seen.maximum}
        row |= {f"{name}_celsius": round(kelvin - KELVIN_AT_0_C, 3) for name, kelvin in numbers.items()}
        row["plausible"] = seen.plausible
    return row


def _tell(row: dict[str, object]) -> None:
    say(f"{row['key']}: {row['formula']}")
    say(f"  {row['name']}")
    say(f"  {row['document'] or 'found by users of these cameras, not published by their makers: check it'}")
    if "point_celsius" in row:
        doubt = "" if row["plausible"] else ", which are no temperatures of a scene"
        say(f"  point {row['point_celsius']} °C; all {row['minimum_celsius']} to {row['maximum_celsius']} °C{doubt}")
    say(f"  --values {row['values']} --scale {row['scale']} --offset {row['offset']}")


def _write(path: Path, camera: str | None, scale: KnownScale | None) -> str:
    """Write the scale into a camera of a recipe. Raises ConfigError."""
    file = open_recipe_file(path)
    names = list(file.recipe.cameras)
    name = names[0] if camera is None and len(names) == 1 else camera
    if name not in file.recipe.cameras or scale is None:
        raise ConfigError(
            "The recipe {file} has no camera called {camera}; its cameras: {names}.",
            remedy="Give one of them with --camera.",
            file=path,
            camera=name or "-",
            names=", ".join(names),
        )
    model = file.recipe.cameras[name]
    options = {**model.options, "unit": scale.unit, "scale": scale.scale, "offset": scale.offset}
    cameras = {**file.recipe.cameras, name: model.model_copy(update={"options": options})}
    changed = file.recipe.model_copy(update={"cameras": cameras, "revision": file.recipe.revision + 1})
    return str(write_changed(file, changed, path).path)
