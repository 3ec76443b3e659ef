"""The input size of a network, from what must be seen in the images (rules 2 and 3 of `training.recommend`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from inspector.core.message import Message, message
from inspector.core.registry import TASKS
from inspector.core.types import Region
from inspector.data.sizes import ObjectSizes
from inspector.data.survey import Survey, TaskSurvey
from inspector.imaging.tiling import Tiling
from inspector.tasks.base import Sizing, task_of
from inspector.training.costs import Hardware, part_ms

SIDES = (64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024)
SMALLEST = 96
LARGEST = SIDES[-1]
USUAL_LARGEST = 640  # with a processor; a larger input must be worth its time
MANY = 1000  # images
SHARE_OF_TAKT = 0.5  # camera, reading, decoding and the line need the rest
_LARGEST_UNASKED = 384  # px, for classes whose defects have no known size
_HARD = 0.3  # part of the span wanted for an object below which few are found
_VANISHING = 1.5  # pixels: thinner lines are lost
_TILE = 512  # side of the input of a tile: of smaller ones more is spent on overlaps
_ENOUGH = 0.9  # of the resolution wanted; with less, tiles are recommended
_LEAST_OVERLAP = 0.125  # of a tile
_WHOLE = 1.25  # overlap over the size of large objects
_WORTH = 1.5  # pixels of the input over those of a piece, from which pieces are learnt
_IN_A_PIECE = 0.5  # of a piece's side, which large objects may fill
_GRID = 32  # the networks halve the input five times
_SAME_SHAPE = 1.03
_ALMOST_SQUARE = 1.25


@dataclass(frozen=True, slots=True)
class Input:
    """The input of a network in pixels, and how images of another shape are fitted into it."""

    width: int
    height: int
    fit: str = "stretch"

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.width, self.height)

    def shrunk(self, side: int) -> "Input":
        """Return the same aspect ratio with this longer side."""
        width, height = (max(_GRID, round(size * side / self.side / _GRID) * _GRID) for size in (self.width, self.height))
        return Input(width, height, self.fit)


def ladder(pixels: float) -> int:
    """Return the smallest usual side of at least `pixels`."""
    return next((side for side in SIDES if side >= pixels), SIDES[-1])


def choose_input(
    survey: Survey,
    offered: TaskSurvey,
    hardware: Hardware,
    reasons: list[Message],
    *,
    stretch: bool,
    affordable: Callable[[Input], bool],
    quick: Callable[[Input], bool],
    freely: bool,
) -> Input:
    """Return the input for these sizes of images and objects (rule 2).

    `stretch`: the images' aspect ratios may be ignored. `affordable`: whether enough epochs with an input take no longer than
    allowed; it limits inputs larger than USUAL_LARGEST, and unless `freely` all that are larger than usual. `quick`: whether
    all epochs with an input take only a few minutes.
    """
    sizing = task_of(offered.task).sizing
    widest = round(_longer_side(survey) or sizing.usual)
    most = max(SMALLEST, min(ladder(sizing.enlarged * widest), USUAL_LARGEST), ladder(widest))
    usual = min((sizing.usual_of_many or sizing.usual) if offered.total >= MANY else sizing.usual, most)
    sizes = list(survey.sizes)
    objects = next((one.sizes for one in (offered, *survey.tasks.values()) if one.sizes), None)
    if objects is None:
        usual = _unknown(usual, most, sizes, stretch=stretch, quick=quick) if TASKS[offered.task].labels == "label" else usual
        reasons.append(message("An input of {side} px suits images of {widest} px.", side=usual, widest=widest))
        return _shape(sizes, usual, stretch=stretch)
    # A larger grid finds small objects better, but an enlarged image shows no thinner lines.
    thin = known_width(survey, objects)
    by_width = min(sizing.thin_px / thin, widest) if thin else 0.0
    every = TASKS[offered.task].labels != "label"  # any of its objects tells the class of an image
    span = objects.span if every else objects.usual
    needed = max(sizing.object_px / max(span, 1e-6), by_width)
    side = min(max(usual, ladder(needed)), most)
    if TASKS[offered.task].labels == "boxes" and not freely:
        wanted = side
        side = _less_enlarged(side, ladder(max(widest, min(needed, most))), sizes, stretch=stretch, affordable=affordable)
        if side < wanted:
            reasons.append(message("The images are enlarged less than usual, so that more epochs fit into the time."))
    free = side if hardware.gpu else min(side, USUAL_LARGEST if freely else usual)
    smaller = (one for one in reversed(SIDES) if free < one <= side)
    side = next((one for one in smaller if affordable(_shape(sizes, one, stretch=stretch))), free)
    reasons.append(_seen(span, sizing, side, widest, small=every))
    reasons += _thin(thin, sizing, side, widest)
    return _shape(sizes, side, stretch=stretch)


def _unknown(usual: int, most: int, sizes: Sequence[tuple[int, int]], *, stretch: bool, quick: Callable[[Input], bool]) -> int:
    """Return the side for defects of unknown size: they may be small, so it is larger than usual where that costs little."""
    larger = (side for side in reversed(SIDES) if usual < side <= min(most, _LARGEST_UNASKED))
    return next((side for side in larger if quick(_shape(sizes, side, stretch=stretch))), usual)


def known_width(survey: Survey, objects: ObjectSizes) -> float | None:
    """Return how wide thin objects are: boxes around masks say nothing about it, but the masks do. None if unknown."""
    others = (one.sizes.width for one in survey.tasks.values() if one.sizes is not None and one.sizes.width)
    return objects.width or next(others, None)


def _less_enlarged(
    side: int, least: int, sizes: Sequence[tuple[int, int]], *, stretch: bool, affordable: Callable[[Input], bool]
) -> int:
    """Return the largest side up to `side` with which enough epochs fit into the time; at least `least`, and then `side`."""
    enlarged = (one for one in reversed(SIDES) if least < one <= side)
    return next((one for one in enlarged if affordable(_shape(sizes, one, stretch=stretch))), min(least, side))


def _longer_side(survey: Survey) -> float:
    """Return the median of the images' longer sides; 0 if no image was read."""
    return median([max(size) for size, count in survey.sizes.items() for _ in range(count)] or [0])


@dataclass(frozen=True, slots=True)
class Tiled:
    """Inspection in tiles: how images are divided, the input of a tile, and the tiles of a usual image."""

    tiling: Tiling
    input: Input
    count: int


def choose_tiles(survey: Survey, offered: TaskSurvey, chosen: Input) -> Tiled | None:
    """Return tiles if an input shows too little of small or thin objects which the images themselves show (rule 2)."""
    task, objects = task_of(offered.task), offered.sizes
    if not task.tiled or objects is None or not survey.sizes:
        return None
    usual, sizing = _longer_side(survey), task.sizing
    thin = sizing.thin_px / (objects.width * usual) if objects.width else 0.0
    scale = min(max(sizing.object_px / (objects.span * usual), thin), 1.0)
    size = round(_TILE / scale)
    if chosen.side / usual >= _ENOUGH * scale or size > min(min(one) for one in survey.sizes):
        return None
    boxes = TASKS[offered.task].labels == "boxes"
    if boxes and objects.largest * usual > size:
        return None  # a box cannot be put together of pieces that look like nothing
    # Boxes should be whole in a tile. Masks are joined pixel by pixel, and need some surroundings only.
    overlap = int(min(max(_WHOLE * objects.largest * usual if boxes else 0.0, _LEAST_OVERLAP * size), size / 2))
    tiling, (width, height) = Tiling(size=size, overlap=overlap), max(survey.sizes, key=lambda one: survey.sizes[one])
    return Tiled(tiling, Input(_TILE, _TILE), len(tiling.tiles(Region(0, 0, width, height))))


def choose_piece(offered: TaskSurvey, chosen: Input) -> int:
    """Return the side of the pieces of the input that are learnt; 0: the whole input (rule 2).

    A piece must be much smaller than the input, and boxes must be whole in one; of masks, pieces are enough.
    """
    piece, objects = task_of(offered.task).sizing.piece, offered.sizes
    if not piece or objects is None or chosen.width * chosen.height < _WORTH * piece**2:
        return 0
    if TASKS[offered.task].labels == "boxes" and objects.largest * chosen.side > _IN_A_PIECE * piece:
        return 0
    return piece


def survives(factor: float, survey: Survey, offered: TaskSurvey, chosen: Input) -> bool:
    """Return whether small and thin objects are still as large as wanted in an input that is shrunk to `factor`.

    True for classes of whole images.
    """
    sizing, objects = task_of(offered.task).sizing, offered.sizes
    if objects is None or TASKS[offered.task].labels == "label":
        return True
    width = known_width(survey, objects)
    thin = width is None or factor * width * chosen.side >= sizing.thin_px
    return thin and factor * objects.span * chosen.side >= sizing.object_px


def _seen(span: float, sizing: Sizing, side: int, widest: int, *, small: bool) -> Message:
    """Return a sentence about what the input shows of objects of this span: of the small ones, or else of the usual ones."""
    spans = span * side
    found = spans >= _HARD * sizing.object_px
    values = {"object": span * widest, "widest": widest, "side": side, "spans": spans}
    if small and found:
        return message(
            "Small objects are {object:.3g} px large in images of {widest} px, and {spans:.3g} px in an input of {side} px.",
            **values,
        )
    if small:
        return message(
            "Small objects are {object:.3g} px large in images of {widest} px, and only {spans:.3g} px in an input of {side} "
            "px, where they are hard to find: cut the images into pieces, or let the camera look closer.",
            **values,
        )
    if found:
        return message(
            "Objects are usually {object:.3g} px large in images of {widest} px, and {spans:.3g} px in an input of {side} px.",
            **values,
        )
    return message(
        "Objects are usually {object:.3g} px large in images of {widest} px, and only {spans:.3g} px in an input of {side} px, "
        "where they are hard to find: cut the images into pieces, or let the camera look closer.",
        **values,
    )


def _thin(width: float | None, sizing: Sizing, side: int, widest: int) -> list[Message]:
    """Return a sentence about what the input shows of thin objects, if they ask for a larger input than usual.

    `width`: theirs over the longer side of the image; None: unknown.
    """
    if width is None or sizing.thin_px / width <= sizing.usual:
        return []
    thin = width * side
    values = {"width": width * widest, "side": side, "thin": thin}
    return [
        message(
            "Thin objects are about {width:.2g} px wide, and {thin:.2g} px in an input of {side} px.",
            **values,
        )
        if thin >= _VANISHING
        else message(
            "Thin objects are about {width:.2g} px wide, and only {thin:.2g} px in an input of {side} px, where they are hard "
            "to see: cut the images into pieces, or let the camera look closer.",
            **values,
        )
    ]


def _shape(sizes: Sequence[tuple[int, int]], side: int, *, stretch: bool) -> Input:
    """Return the input's two sides: in the images' common aspect ratio if there is one, else square."""
    aspects = [width / height for width, height in sizes] or [1.0]
    if max(aspects) / min(aspects) <= _SAME_SHAPE:
        width, height = sizes[0] if sizes else (1, 1)
        return Input(width, height).shrunk(side)
    wide = max(max(aspects), 1 / min(aspects)) > _ALMOST_SQUARE
    return Input(side, side, "letterbox" if wide and not stretch else "stretch")


def within_takt(
    networks: Sequence[str],
    wanted: Input,
    takt_s: float,
    hardware: Hardware,
    reasons: list[Message],
    problems: list[Message],
) -> tuple[str, Input]:
    """Return a network and input that need at most half of the takt (rule 3).

    This is the largest input up to the wanted one for which a network is fast enough, and the first such network.
    """
    first, budget = networks[0], 1000 * takt_s * SHARE_OF_TAKT
    candidates = [wanted, *(wanted.shrunk(side) for side in reversed(SIDES) if SMALLEST <= side < wanted.side)]
    for size in candidates:
        for network in networks:
            ms = part_ms(network, size.width, size.height, hardware)
            if ms <= budget:
                values = {"ms": ms, "takt": 1000 * takt_s}
                reasons.append(
                    message("It computes about {ms:.0f} ms a part here, and the takt is {takt:.0f} ms.", **values)
                    if (network, size) == (first, wanted)
                    else message(
                        "The takt of {takt:.0f} ms allows {width} x {height} px with this network, which computes about "
                        "{ms:.0f} ms a part here; small defects are told worse.",
                        width=size.width,
                        height=size.height,
                        **values,
                    )
                )
                return network, size
    fastest = min(networks, key=lambda name: part_ms(name, candidates[-1].width, candidates[-1].height, hardware))
    problems.append(
        message(
            "No network is fast enough here for a takt of {takt:.0f} ms: the smallest input computes {ms:.0f} ms, and half of "
            "the takt is needed for the rest. Use a faster computer or a longer takt.",
            takt=1000 * takt_s,
            ms=part_ms(fastest, candidates[-1].width, candidates[-1].height, hardware),
        )
    )
    return fastest, candidates[-1]
