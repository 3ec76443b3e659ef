"""The demo line: parts of a plausible process line with exact ground truth, each a pure function of seed and index.

Every part is seen by a visible camera (a metal plate on a belt, and the observation window of a vessel) and by a thermal
camera (the pump set beside it). About half the parts are good: a clean plate, a quiet vessel, no hot spot.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from inspector.cameras.demo import plate as demo_plate
from inspector.cameras.demo import thermal as demo_thermal
from inspector.cameras.demo import window as demo_window
from inspector.cameras.demo.noise import Bytes, blurred, cloud, disc
from inspector.core.types import Annotation, Boxes, Floats, Region

WIDTH, HEIGHT = 800, 600
PLATE = Region(24, 76, demo_plate.SIZE, demo_plate.SIZE)
WINDOW = Region(528, 76, demo_window.SIZE, demo_window.SIZE)
MM_PER_PX = 0.5
PLATE_CLASSES = demo_plate.CLASSES
WINDOW_CLASSES = demo_window.CLASSES
_BELT = 496  # width of the belt; the machine stands to its right
_NOISE = 2.2  # grey levels


@dataclass(frozen=True, slots=True)
class Plan:
    """The state of a part: most defects on its plate, state of the vessel (index of WINDOW_CLASSES), hot spots."""

    defects: int
    window: int
    hot_spots: int

    @property
    def good(self) -> bool:
        return self.defects == 0 and self.window == 0 and self.hot_spots == 0


@dataclass(frozen=True, slots=True, eq=False)
class DemoPart:
    """One part: `visible` RGB uint8 [600, 800, 3] and `thermal` float32 kelvin [120, 160], with the truth of each.

    `truth_visible` has the label of the window, and boxes and mask of the plate in pixels of the whole frame;
    `truth_thermal` the temperatures of the whole frame.
    """

    visible: Bytes
    thermal: Floats
    truth_visible: Annotation
    truth_thermal: Annotation


class DemoLine:
    """Random access to the parts of a line. Thread-safe."""

    def __init__(self, seed: int = 0, *, good: float = 0.5) -> None:
        """`seed`: 0 or more. `good`: the share of good parts."""
        self.seed = seed
        self.good = good

    def plan(self, index: int) -> Plan:
        """Return the state of part `index`."""
        rng = self._rng(index, 0)
        if rng.random() < self.good:
            return Plan(0, 0, 0)
        plate, window, thermal = rng.random(3) < (0.75, 0.5, 0.4)
        if not (plate or window or thermal):
            plate = True
        return Plan(
            int(rng.choice((1, 2, 3), p=(0.45, 0.35, 0.2))) if plate else 0,
            int(rng.integers(1, 3)) if window else 0,
            int(rng.integers(1, 4)) if thermal else 0,
        )

    def part(self, index: int) -> DemoPart:
        """Return both frames of a part."""
        visible, truth_visible = self.visible(index)
        thermal, truth_thermal = self.thermal(index)
        return DemoPart(visible, thermal, truth_visible, truth_thermal)

    def visible(self, index: int) -> tuple[Bytes, Annotation]:
        """Return the visible frame of a part and its truth."""
        plan, rng = self.plan(index), self._rng(index, 1)
        gain = float(rng.uniform(0.92, 1.07))
        frame = _scenery().copy()
        offset = int(rng.integers(_belt().shape[0] - HEIGHT))
        frame[:, :_BELT] = _belt()[offset : offset + HEIGHT]
        rows, columns = slice(PLATE.y, PLATE.bottom), slice(PLATE.x, PLATE.right)
        plate = demo_plate.render(rng, frame[rows, columns], plan.defects, gain)
        hole = (slice(WINDOW.y, WINDOW.bottom), slice(WINDOW.x, WINDOW.right))
        window = demo_window.render(rng, frame[hole], plan.window, gain)
        frame = np.asarray(cv2.convertScaleAbs(frame, alpha=gain), np.uint8)
        frame[rows, columns] = plate.pixels
        frame[hole] = window
        top, left = rng.integers(0, 100, 2).tolist()
        noise = _grain()[top : top + HEIGHT, left : left + WIDTH]
        frame = np.asarray(cv2.addWeighted(frame, 1.0, noise, 1.0, -128.0), np.uint8)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[rows, columns] = plate.mask
        count = len(plate.classes)
        shift = np.array([PLATE.x, PLATE.y, PLATE.x, PLATE.y], np.float32)
        boxes = Boxes(plate.boxes + shift, np.ones(count, np.float32), np.asarray(plate.classes, np.int64))
        return frame, Annotation(label=plan.window, boxes=boxes, mask=mask)

    def thermal(self, index: int) -> tuple[Floats, Annotation]:
        """Return the thermal frame of a part and its truth."""
        scene = demo_thermal.render(self._rng(index, 2), self.plan(index).hot_spots)
        temperatures = (float(scene.max()), float(scene.mean(dtype=np.float64)), float(scene.min()))
        return scene, Annotation(temperatures=temperatures)

    def _rng(self, index: int, stream: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, index, stream))


@lru_cache(maxsize=1)
def _grain() -> Bytes:
    """Return sensor noise around 128, larger than a frame so that each part gets a different section."""
    rng = np.random.default_rng(20_41)
    noise = rng.standard_normal((HEIGHT + 100, WIDTH + 100, 3), np.float32) * np.float32(_NOISE)
    return np.asarray(np.clip(np.rint(noise + 128.0), 0, 255), np.uint8)


@lru_cache(maxsize=1)
def _belt() -> Bytes:
    """Return a long piece of rubber belt between steel rails, RGB uint8 [1400, 496, 3]."""
    rng = np.random.default_rng(20_42)
    length = 1400
    grey = 52.0 + 3.0 * cloud(rng, length, _BELT, 3.0) + 3.0 * cloud(rng, length, _BELT, 60.0)
    grey += 4.0 * np.sin(np.arange(length, dtype=np.float32) * (2.0 * np.pi / 14.0))[:, None]  # cross ribs
    column = np.arange(_BELT, dtype=np.float32)
    edge = np.minimum(column, _BELT - 1 - column)
    rail = np.clip((12.0 - edge) / 2.0, 0.0, 1.0)[None, :]
    grey = grey * (1.0 - rail) + rail * (128.0 + 40.0 * np.cos(edge / 12.0 * np.pi)[None, :])
    return np.asarray(np.clip(cv2.merge([grey * 0.97, grey, grey * 1.04]), 0, 255), np.uint8)


@lru_cache(maxsize=1)
def _scenery() -> Bytes:
    """Return the static scenery beside the belt: the vessel's shell, a pipe and a gauge. RGB uint8 [600, 800, 3]."""
    rng = np.random.default_rng(20_43)
    x = np.linspace(-1.0, 1.0, WIDTH - _BELT, dtype=np.float32)[None, :]
    shell = 112.0 - 34.0 * x * x + 5.0 * cloud(rng, HEIGHT, WIDTH - _BELT, 3.0) + 6.0 * cloud(rng, HEIGHT, WIDTH - _BELT, 70.0)
    for row in (44, 352):  # weld seams
        shell[row - 2 : row + 3] += np.array([14.0, 22.0, -4.0, -20.0, -10.0], np.float32)[:, None]
    scene = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    scene[:, _BELT:] = cv2.merge([shell * 0.97, shell, shell * 1.04])
    _pipe(scene)
    _gauge(scene, (702.0, 450.0), 58.0)
    return np.asarray(np.clip(scene, 0, 255), np.uint8)


def _pipe(scene: Floats) -> None:
    columns = np.arange(38, dtype=np.float32)
    profile = 150.0 - 78.0 * ((columns - 12.0) / 26.0) ** 2
    scene[380:, 540:578] = profile[None, :, None] * np.array([0.98, 1.0, 1.03], np.float32)
    for row in (372, 470, 560):  # flanges
        collar = 168.0 - 90.0 * ((np.arange(58, dtype=np.float32) - 18.0) / 40.0) ** 2
        scene[row : row + 20, 530:588] = collar[None, :, None]
        scene[row + 17 : row + 20, 530:588] *= 0.6


def _gauge(scene: Floats, centre: tuple[float, float], radius: float) -> None:
    body = disc(HEIGHT, WIDTH, centre, radius)
    soft = blurred(body, 5.0) / 255.0
    scene *= 1.0 - 0.4 * np.clip(np.roll(soft, (6, 6), (0, 1)), 0.0, 1.0)[..., None]
    for size, grey in ((radius, 150.0), (radius - 6.0, 70.0), (radius - 9.0, 226.0)):
        cover = disc(HEIGHT, WIDTH, centre, size).astype(np.float32)[..., None] / 255.0
        scene += cover * (grey - scene)
    for k in range(11):
        turn = np.radians(135.0 + 27.0 * k)
        way = np.array([np.cos(turn), np.sin(turn)])
        inner, outer = np.array(centre) + way * (radius - 20.0), np.array(centre) + way * (radius - 13.0)
        cv2.line(scene, _pixel(inner), _pixel(outer), (40.0, 40.0, 44.0), 2, cv2.LINE_AA)
    turn = np.radians(238.0)
    tip = np.array(centre) + np.array([np.cos(turn), np.sin(turn)]) * (radius - 22.0)
    cv2.line(scene, _pixel(np.array(centre)), _pixel(tip), (170.0, 40.0, 36.0), 3, cv2.LINE_AA)
    cv2.circle(scene, _pixel(np.array(centre)), 5, (50.0, 50.0, 54.0), -1, cv2.LINE_AA)


def _pixel(point: np.typing.NDArray[np.float64]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
