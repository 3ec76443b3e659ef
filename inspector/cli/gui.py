"""`inspector gui`: opens the window."""

import gc
import json
import os
import re
import sys
from pathlib import Path
from typing import Literal

import click

from inspector.cli.main import stop_with
from inspector.cli.support.signals import stop_requests

_PAGES = ("inspect", "review", "archive", "train", "recipes", "settings")


class _Size(click.ParamType[tuple[int, int]]):
    name = "WxH"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{3,5})x(\d{3,5})", str(value))
        if match is None:
            self.fail(f"{value!r} is not a size like 1920x1080", param, ctx)
        return int(match[1]), int(match[2])


@click.command()
@click.option("--recipe", type=click.Path(path_type=Path), help="Recipe to open; the demo line if left out.")
@click.option("--source", default="", help="Frames from here instead: simulated, folder:PATH, video:PATH, usb:N, rtsp://...")
@click.option("--model", "models", type=click.Path(path_type=Path), multiple=True, help="Bundle to use without a recipe.")
@click.option("--start", is_flag=True, help="Start inspecting at once.")
@click.option("--open", "path", type=click.Path(path_type=Path), help="Image, folder or video to review.")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="Language of this run.")
@click.option("--theme", type=click.Choice(["light", "dark", "system"]), help="Colours of this run.")
@click.option("--screenshot", type=click.Path(path_type=Path), help="Save a picture of the window and end.")
@click.option("--page", type=click.Choice(_PAGES), default="inspect", show_default=True, help="Page that is shown first.")
@click.option(
    "--tab", default="live", show_default=True, help="Of the inspect page: live, detection, segmentation, thermal or gradcam."
)
@click.option("--size", type=_Size(), default=(1920, 1080), help="Size of the picture, for example 1366x768.")
@click.option("--hold", default="", metavar="PART", help="Picture: pick this NG part from the filmstrip first.")
@click.option("--takt", is_flag=True, help="Picture: with the takt meter unfolded.")
@click.option("--settings", type=click.Path(path_type=Path), help="The window's settings in this file instead of the user's.")
@click.option("--timed", is_flag=True, hidden=True, help="End when --open was judged; print when what was shown, as JSON.")
@click.option("--parts", type=click.IntRange(min=0), default=20, show_default=True, help="Parts to wait for; 0: no start.")
def gui(
    recipe: Path | None = None,
    source: str = "",
    models: tuple[Path, ...] = (),
    start: bool = False,
    path: Path | None = None,
    lang: Literal["en", "ja"] | None = None,
    theme: Literal["light", "dark", "system"] | None = None,
    screenshot: Path | None = None,
    page: str = "inspect",
    tab: str = "live",
    size: tuple[int, int] = (1920, 1080),
    hold: str = "",
    takt: bool = False,
    settings: Path | None = None,
    timed: bool = False,
    parts: int = 20,
) -> int:
    """Open the window."""
    if recipe is not None and models:
        raise click.UsageError("Give either --recipe or --model.")
    if timed and path is None:
        raise click.UsageError("--timed needs --open.")
    if no_display():
        if screenshot is None:
            stop_with("There is no display here. Use `inspector run`, or start this in a desktop session.")
        os.environ["QT_QPA_PLATFORM"] = "offscreen"  # a picture of the window needs no screen
    gc.disable()  # objects loaded at the start are no garbage; `launch` enables collection afterwards
    from inspector.ui.shell.app import Options, Shot, launch

    shot = None if screenshot is None else Shot(screenshot, page=page, tab=tab, size=size, parts=parts, hold=hold, takt=takt)
    options = Options(
        recipe=recipe,
        source=source,
        bundles=models,
        start=start,
        open=path,
        language=lang or "",
        theme=theme,
        shot=shot,
        settings=settings,
    )
    if not timed:
        return launch(options, stop_at=stop_requests())
    moments: dict[str, float] = {}
    code = launch(options, moments=moments)
    click.echo(json.dumps({**moments, "torch": "torch" in sys.modules}))
    return code


def no_display() -> bool:
    """Return whether Qt would find no screen. Without a screen, Qt itself ends the process with SIGABRT."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return False
    if os.environ.get("WAYLAND_DISPLAY"):
        return False
    display = os.environ.get("DISPLAY", "")
    local = re.fullmatch(r":(\d+)(\.\d+)?", display)
    return not display or (local is not None and not Path(f"/tmp/.X11-unix/X{local[1]}").exists())
