"""Where a point of a thermal picture lies in the visible picture beside it: a homography measured on points seen by both.

A homography is exact for a plane, so it holds for points on the plane of the target it was measured with. It is fitted by the
normalised direct linear transform with least squares (R. Hartley and A. Zisserman, "Multiple View Geometry", 2003, 4.4). Its
error is measured by leaving each point out of the fit in turn, since four points always fit.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator

from inspector.core.config import FiniteModel, describe_validation
from inspector.core.errors import ConfigError
from inspector.core.types import Floats, Frame
from inspector.core.untrusted import read_bounded
from inspector.imaging.visible import visible

Points = NDArray[np.float64]  # [N, 2], x and y
Side = Annotated[int, Field(ge=1, le=65535)]
Size = tuple[Side, Side]  # width, height

LEAST: Final = 4
_FLAT: Final = 0.02  # spread of points across their line, over that along it, below which they lie in a line
_DEGENERATE: Final = 1e-3  # of the smallest to the largest singular value of the fit
_STEADY: Final = 1e12  # condition of a matrix, from which its inverse has no digits left
_OFF: Final = 0.3  # of the pitch of a grid that a spot may lie beside its place
_TIMES: Final = 2.0  # the measured error from which a calibration is stale,
_STALE_PX: Final = 3.0  # but never less than so many pixels


class Registration(FiniteModel):
    """A measured homography from a thermal to a visible picture, row by row, and how far it can be trusted.

    `error_px`: root mean square over left-out points in pixels of the visible picture, None with four points; `error_mm`: the
    same on the part, if the size of a pixel is known. `worst_px`: of the point that fits worst.
    """

    matrix: tuple[float, ...] = Field(min_length=9, max_length=9)
    visible_size: Size
    thermal_size: Size
    points: int = Field(ge=LEAST, le=1_000_000)
    error_px: float | None = Field(None, ge=0)
    error_mm: float | None = Field(None, ge=0)
    worst_px: float | None = Field(None, ge=0)
    mm_per_px: float | None = Field(None, gt=0)
    created: datetime

    @field_validator("matrix")
    @classmethod
    def _maps_both_ways(cls, matrix: tuple[float, ...]) -> tuple[float, ...]:
        with np.errstate(all="ignore"):
            steady = float(np.linalg.cond(np.array(matrix).reshape(3, 3)))
        if not steady < _STEADY:
            raise ValueError("the matrix is no map between two pictures")
        return matrix

    def to_visible(self, points: Points) -> Points:
        """Return where points of the thermal picture lie in the visible one."""
        return _mapped(np.array(self.matrix).reshape(3, 3), points)

    def to_thermal(self, points: Points) -> Points:
        """Return where points of the visible picture lie in the thermal one."""
        return _mapped(np.linalg.inv(np.array(self.matrix).reshape(3, 3)), points)

    def warp(self, kelvin: Floats) -> Floats:
        """Return a thermal picture float32 [H, W] in the pixels of the visible one; NaN where it does not reach.

        Raises ConfigError if its size is another one.
        """
        self.check_sizes(self.visible_size, (kelvin.shape[1], kelvin.shape[0]))
        matrix = np.array(self.matrix).reshape(3, 3)
        known = np.isfinite(kelvin)
        filled = np.where(known, kelvin, np.float32(0)).astype(np.float32)
        warped = np.asarray(cv2.warpPerspective(filled, matrix, self.visible_size, flags=cv2.INTER_LINEAR), np.float32)
        share = cv2.warpPerspective(known.astype(np.float32), matrix, self.visible_size, flags=cv2.INTER_LINEAR)
        return np.where(np.asarray(share) > 0.999, warped, np.float32(np.nan)).astype(np.float32)

    def check_sizes(self, visible_size: Size, thermal_size: Size) -> None:
        """Raise ConfigError if pictures have other sizes than when it was measured."""
        for name, now, then in (("visible", visible_size, self.visible_size), ("thermal", thermal_size, self.thermal_size)):
            if now != then:
                raise ConfigError(
                    "The registration was measured with {name} pictures of {width} x {height} pixels; this one has {w} x {h}.",
                    remedy="Measure it again.",
                    name=name,
                    width=then[0],
                    height=then[1],
                    w=now[0],
                    h=now[1],
                )

    def limit_px(self) -> float:
        """Return the error in pixels from which the registration no longer holds."""
        return max(_STALE_PX, _TIMES * (self.worst_px or 0.0))

    def deviation(self, thermal: Points, seen: Points) -> float:
        """Return the largest distance in visible pixels between points and where the registration expects them."""
        return float(np.linalg.norm(self.to_visible(thermal) - seen, axis=1).max())


def register(
    thermal: Points, seen: Points, *, thermal_size: Size, visible_size: Size, mm_per_px: float | None = None
) -> Registration:
    """Measure the homography from points of the thermal picture to the same points in the visible one, each [N, 2].

    Raises ConfigError for fewer than four points, or points that lie in a line or otherwise leave it open.
    """
    if len(thermal) != len(seen) or len(thermal) < LEAST:
        raise ConfigError(
            "A registration needs at least {least} points in both pictures; there are {count}.",
            remedy="Mark more points.",
            least=LEAST,
            count=min(len(thermal), len(seen)),
        )
    matrix = _fitted(thermal, seen)
    distances = []
    for n in range(len(thermal)) if len(thermal) > LEAST else ():
        rest = np.arange(len(thermal)) != n
        try:
            without = _fitted(thermal[rest], seen[rest])
        except ConfigError:
            continue  # the others alone leave it open
        distances.append(float(np.linalg.norm(_mapped(without, thermal[n : n + 1]) - seen[n])))
    error = float(np.sqrt(np.mean(np.square(distances)))) if distances else None
    return Registration(
        matrix=tuple(float(number) for number in matrix.ravel()),
        visible_size=visible_size,
        thermal_size=thermal_size,
        points=len(thermal),
        error_px=error,
        error_mm=None if error is None or mm_per_px is None else error * mm_per_px,
        worst_px=max(distances, default=None),
        mm_per_px=mm_per_px,
        created=datetime.now(UTC),
    )


def read_registration(file: Path) -> Registration:
    """Return the registration that was kept in a file. Raises ConfigError."""
    try:
        return Registration.model_validate_json(read_bounded(file))
    except (OSError, ValueError) as error:
        detail = describe_validation(error) if isinstance(error, ValidationError) else error
        raise ConfigError("{file} is not a registration ({detail}).", file=file, detail=detail) from error


def find_grid(frame: Frame, columns: int, rows: int, *, name: str) -> Points:
    """Return the centres of a grid of round spots, row by row from the upper left: a heated target, brighter or darker than its
    plate. Raises ConfigError if the picture does not show all of them.
    """
    grey = cv2.cvtColor(visible(frame), cv2.COLOR_RGB2GRAY)
    if frame.unit == "kelvin":
        pixels = frame.pixels[np.isfinite(frame.pixels)]
        low, high = (float(end) for end in np.percentile(pixels, (1, 99))) if pixels.size else (0.0, 1.0)
        scaled = (np.nan_to_num(frame.pixels, nan=low) - low) * (255.0 / max(high - low, 1e-6))
        grey = np.clip(scaled, 0, 255).astype(np.uint8)
    factor = max(1, round(480 / max(grey.shape)))
    large = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    for picture in (large, 255 - large):
        spots = _detector().detect(picture)
        centres = (np.array([spot.pt for spot in spots], np.float64).reshape(-1, 2) + 0.5) / factor - 0.5
        points = _in_rows(centres, columns, rows)
        if points is not None:
            return points
    raise ConfigError(
        "{file} does not show the target of {columns} x {rows} spots.",
        remedy="Heat the target, show all of it, or give the points by hand.",
        file=name,
        columns=columns,
        rows=rows,
    )


def _detector() -> cv2.SimpleBlobDetector:
    """Return a detector of dark round spots of any size."""
    wanted = cv2.SimpleBlobDetector.Params()
    wanted.minArea, wanted.maxArea = 25.0, 1e6
    return cv2.SimpleBlobDetector.create(wanted)


def _in_rows(centres: Points, columns: int, rows: int) -> Points | None:
    """Return the centres of a whole grid row by row, turned by less than 45 degrees; None if they are no such grid."""
    if len(centres) != columns * rows:
        return None
    sums, differences = centres.sum(axis=1), centres[:, 0] - centres[:, 1]
    corners = centres[[sums.argmin(), differences.argmax(), sums.argmax(), differences.argmin()]]
    if len(np.unique(corners, axis=0)) < LEAST:
        return None
    ends = as_points([(0, 0), (columns - 1, 0), (columns - 1, rows - 1), (0, rows - 1)])
    try:
        places = _mapped(_fitted(corners, ends), centres)
    except ConfigError:
        return None
    at = np.rint(places).astype(int)
    order = at[:, 1] * columns + at[:, 0]
    if np.abs(places - at).max() > _OFF or sorted(order.tolist()) != list(range(columns * rows)):
        return None
    return centres[np.argsort(order)]


def _fitted(source: Points, target: Points) -> NDArray[np.float64]:
    """Return the homography [3, 3] that maps source to target best. Raises ConfigError if the points leave it open."""
    for points in (source, target):
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if not spread[0] > 0 or spread[1] < _FLAT * spread[0]:
            raise _open("they lie in a line")
    first, last = _normalising(source), _normalising(target)
    rows = []
    for (x, y), (u, v) in zip(_mapped(first, source), _mapped(last, target), strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    _, values, vectors = np.linalg.svd(np.array(rows))
    if values[7] < _DEGENERATE * values[0]:
        raise _open("three of them lie in a line")
    matrix = np.linalg.inv(last) @ vectors[-1].reshape(3, 3) @ first
    if abs(matrix[2, 2]) < 1e-12 or not np.isfinite(matrix).all():
        raise _open("the pictures contradict each other")
    return np.asarray(matrix / matrix[2, 2], np.float64)


def _open(why: str) -> ConfigError:
    return ConfigError(
        "These points do not fix how the pictures lie to each other ({why}).",
        remedy="Spread the points over the picture, for example to its corners.",
        why=why,
    )


def _normalising(points: Points) -> NDArray[np.float64]:
    """Return the map that moves the points to the origin at a mean distance of the square root of 2."""
    middle = points.mean(axis=0)
    scale = np.sqrt(2) / np.linalg.norm(points - middle, axis=1).mean()
    return np.array([[scale, 0, -scale * middle[0]], [0, scale, -scale * middle[1]], [0, 0, 1]])


def _mapped(matrix: NDArray[np.float64], points: Points) -> Points:
    ends = np.hstack([points, np.ones((len(points), 1))]) @ matrix.T
    return np.asarray(ends[:, :2] / ends[:, 2:], np.float64)


def as_points(pairs: Sequence[tuple[float, float]]) -> Points:
    return np.array(pairs, np.float64).reshape(-1, 2)
