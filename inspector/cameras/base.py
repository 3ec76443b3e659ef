"""The interface of a camera: a generator of frames, named by a source string."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from inspector.cameras.ledger import Ledger
from inspector.core.addresses import hide_secrets
from inspector.core.config import FiniteModel, FormField, Option, describe_validation
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import Message
from inspector.core.registry import CAMERAS
from inspector.core.types import KELVIN_AT_0_C, Annotation, Frame, Origin, Pixels, Unit
from inspector.imaging.image import AS_IT_SAYS, Reading, Scene
from inspector.imaging.temperature import declared, declares


class CameraOptions(FiniteModel):
    """The settings of a camera driver; each driver derives its own class."""

    model_config = ConfigDict(extra="forbid")

    bits: Annotated[int | None, FormField("Bits used")] = Field(
        None, ge=8, le=16, description="how many of 16 bits are used, for example 12; as the source says"
    )


class GreyOptions(CameraOptions):
    """What the grey values of a source are, where it does not say so itself."""

    unit: Literal["", "intensity", "kelvin", "celsius", "fahrenheit"] = Field(
        "", description="the values are temperatures in this unit, or (intensity) are not; as the file says if left out"
    )
    scale: float | None = Field(None, gt=0, allow_inf_nan=False, description="temperature = value * scale + offset")
    offset: float | None = Field(None, allow_inf_nan=False, description="temperature = value * scale + offset")

    def reading(self) -> Reading:
        """Return these options for the reader of the source."""
        return Reading(self.bits, self.unit, self.scale, self.offset)


class FileOptions(GreyOptions):
    """The properties of picture files that the files themselves do not state."""

    emissivity: float | None = Field(None, ge=0.01, le=1, description="of the part, in FLIR's files; as stored if left out")
    reflected: Annotated[float | None, FormField("Reflected temperature", unit="°C")] = Field(
        None, gt=-273, le=4000, description="what the part reflects, in FLIR's files; as stored if left out"
    )
    distance: Annotated[float | None, FormField("Distance", unit="m")] = Field(
        None, ge=0, le=10_000, description="from the camera to the part, in FLIR's files; as stored if left out"
    )
    air: Annotated[float | None, FormField("Air temperature", unit="°C")] = Field(
        None, gt=-273, le=4000, description="between camera and part, in FLIR's files; as stored if left out"
    )
    humidity: Annotated[float | None, FormField("Humidity", unit="%")] = Field(
        None, ge=0, le=100, description="of the air, in FLIR's files; as stored if left out"
    )

    def reading(self) -> Reading:
        """Return these options for the reader of a file, with the scene."""
        scene = Scene(
            emissivity=self.emissivity,
            reflected=None if self.reflected is None else self.reflected + KELVIN_AT_0_C,
            distance=self.distance,
            air=None if self.air is None else self.air + KELVIN_AT_0_C,
            humidity=None if self.humidity is None else self.humidity / 100,
        )
        return replace(super().reading(), scene=scene)


AnyOptions = TypeVar("AnyOptions", bound=CameraOptions)


SILENCE_S = 2.0


class Camera(ABC):
    """One source of frames.

    `live`: the scene changes whether or not frames are read (USB, RTSP), so a slow consumer loses frames and a trigger takes
    the next frame. Not live (folder, video, demo line): frames wait, and a trigger requests one.
    """

    live: ClassVar[bool] = True
    simulated: ClassVar[bool] = False  # renders its frames
    options_model: ClassVar[type[CameraOptions]] = CameraOptions
    """The settings that the driver takes; forms are built from its declarations."""

    on_problem: Callable[[str, InspectorError], None] | None = None
    """Called on the thread of `frames` with a part id and why that part has no frame (a broken file in a folder); the
    frames go on with the next part. Whoever sets it gives that part NOT_INSPECTED. Unset, the error is raised instead."""

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        """`name`: as in the recipe. `address`: the source string after its kind. Opens nothing.

        Raises ConfigError for an address or option that can never work.
        """
        self.name = name
        self.address = address
        self._sequence = 0
        bits = options.get("bits")  # checked by the driver together with its other options
        self._bits = bits if isinstance(bits, int) else None

    on_lost: Callable[[int], None] | None = None
    """Called on the thread of `frames` with how many frames were overwritten by newer ones before anybody took them."""

    ledger: Ledger | None = None
    """What has been judged of a source that `remembers`. Set before `frames` is called; None: forgotten at the end."""

    origin: Origin | None = None
    """The watched file of the frame or problem that is being delivered. Set on the thread of `frames`."""

    on_alive: Callable[[], None] | None = None
    """Called on the thread of `frames` while it waits for the source without hanging. Set by whoever supervises the thread."""

    def alive(self) -> None:
        """Show a sign of life, at least once a second while a source that is not live has no frame to give."""
        if self.on_alive is not None:
            self.on_alive()

    how: Reading = AS_IT_SAYS
    """What the grey values of a stream or video are; a driver whose options say so sets it."""

    @property
    def remembers(self) -> Path | None:
        """The folder whose judged files should be kept in a ledger; None for any other source."""
        return None

    @property
    def resumes(self) -> bool:
        """Whether `frames` goes on where it was when it is called again after a failure."""
        return self.live

    @property
    def patience_s(self) -> float | None:
        """Longest time in seconds until `frames` yields or raises, including opening; None if a source may wait forever.

        A live camera that takes longer hangs: its thread is abandoned and the camera is opened again.
        """
        return SILENCE_S if self.live else None

    @abstractmethod
    def frames(self, stop: Event) -> Iterator[Frame]:
        """Open the source and yield frames until it ends, fails, or `stop` is set; close it in `finally`.

        Raises CameraError. The station reports the error and, if it is retryable, calls `frames` again after a pause.
        Implementations must notice `stop` within a second, and a silent source within its time-out.
        """

    def frame(
        self,
        pixels: Pixels,
        *,
        unit: Unit = "intensity",
        part: str = "",
        source: str = "",
        truth: Annotation | None = None,
        grabbed: float | None = None,
        began: float | None = None,
        bits: int | None = None,
        notes: tuple[Message, ...] = (),
    ) -> Frame:
        """Return a frame of these pixels with this camera's name, the next sequence number and the time.

        `grabbed`: time of the grab in seconds of `time.monotonic()`; now if omitted. `began`: time when work on the frame began
        (opening its file, start of its transfer); `grabbed` if omitted. `bits`, `notes`: as in `Frame`. Raises ConfigError if
        the source is declared to give temperatures, and these are none.
        """
        source = source or self.address
        if unit == "intensity" and declares(self.how):
            pixels, notes = declared(Path(source), pixels, self.how)
            unit = "kelvin"
        sequence = self._sequence
        self._sequence += 1
        began = grabbed if began is None else began
        bits = self._bits if bits is None and pixels.dtype.itemsize == 2 else bits
        return stamp(
            pixels,
            self.name,
            sequence,
            unit=unit,
            part=part,
            source=source,
            truth=truth,
            grabbed=grabbed,
            began=began,
            bits=bits,
            notes=notes,
            is_simulated=self.simulated,
        )

    def skip(self, part: str, error: InspectorError) -> None:
        """Report a part without a frame to `on_problem`, or raise the error if there is no listener."""
        if self.on_problem is None:
            raise error
        self.on_problem(part, error)

    def lose(self, count: int) -> None:
        """Report overwritten frames to `on_lost`."""
        if count and self.on_lost is not None:
            self.on_lost(count)


def stamp(
    pixels: Pixels,
    camera: str,
    sequence: int,
    *,
    unit: Unit = "intensity",
    part: str = "",
    source: str = "",
    truth: Annotation | None = None,
    grabbed: float | None = None,
    began: float | None = None,
    bits: int | None = None,
    notes: tuple[Message, ...] = (),
    is_simulated: bool = False,
) -> Frame:
    """Return a Frame with the time `grabbed`, in seconds of `time.monotonic()`; now if omitted.

    `began`: time when work on it began, the start of `grab_ms`; without it `grab_ms` is not measured.
    """
    now = time.monotonic()
    grabbed = now if grabbed is None else grabbed
    utc = datetime.now(UTC) - timedelta(seconds=now - grabbed)
    took = None if began is None else (now - began) * 1000
    return Frame(pixels, camera, sequence, grabbed, utc, unit, part, source, truth, took, bits, notes, is_simulated)


class Pace:
    """Spaces frames evenly: `rate` per second, or without waiting if 0. `alive` is called while it waits."""

    def __init__(self, rate: float, alive: Callable[[], None] = lambda: None) -> None:
        self._period = 1.0 / rate if rate > 0 else 0.0
        self._due = time.monotonic()
        self._alive = alive

    def wait(self, stop: Event) -> bool:
        """Wait until the next frame is due; return False if `stop` was set. A consumer that fell behind gets no burst."""
        now = time.monotonic()
        self._due = max(self._due, now - self._period)
        while (left := self._due - time.monotonic()) > 0 and not stop.wait(min(left, 1.0)):
            self._alive()
        self._due += self._period
        return not stop.is_set()


def parse_options(model: type[AnyOptions], name: str, options: Mapping[str, Option]) -> AnyOptions:
    """Return a camera's validated options. Raises ConfigError naming the camera and the option."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        raise ConfigError(
            "The options of the camera {camera} are not valid: {detail}.",
            remedy="Options of this kind of camera: {names}.",
            camera=name,
            detail=describe_validation(error),
            names=", ".join(model.model_fields) or "-",
        ) from error


def is_live(source: str) -> bool:
    """Return whether the frames of a source do not wait. Raises ConfigError for an unknown kind."""
    camera: type[Camera] = CAMERAS[kind_of(source)[0]].load()
    return camera.live


def kind_of(source: str) -> tuple[str, str]:
    """Split a source string into camera kind and address.

    "simulated", "simulated:thermal", "folder:PATH", "video:PATH", "usb:0", "rtsp://host/path", "http://host/path". Raises
    ConfigError for an unknown kind.
    """
    kind, _, address = source.partition(":")
    kind = kind.lower() if "://" in source else kind
    if kind in ("rtsp", "rtsps", "http", "https"):
        return "rtsp", source
    if kind in CAMERAS and "://" not in address:
        return kind, address
    path = Path(source)
    if path.is_dir():
        return "folder", source
    raise ConfigError(
        "{source!r} is not a source.",
        remedy="Use simulated, folder:PATH, video:PATH, usb:N, rtsp://... or http://...",
        source=hide_secrets(source),
    )


def reading_of(name: str, options: Mapping[str, Option]) -> Reading:
    """Return how to read files in place of a camera, from the camera's options. Raises ConfigError."""
    said = {key: value for key, value in options.items() if key in FileOptions.model_fields}
    return parse_options(FileOptions, name, said).reading()


def options_model(kind: str) -> type[CameraOptions]:
    """Return the settings that cameras of a kind take; a form can be built from them."""
    camera: type[Camera] = CAMERAS[kind].load()
    return camera.options_model


def open_camera(name: str, source: str, options: Mapping[str, Option] | None = None) -> Camera:
    """Return the camera named by a source string, not yet opened. Raises ConfigError."""
    kind, address = kind_of(source)
    camera: Camera = CAMERAS[kind].load()(name, address, options or {})
    return camera
