"""A survey of a folder before training: what it can teach, how much data there is, and what is wrong with it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.core.message import ClassName, Message, message
from inspector.core.registry import TASKS
from inspector.core.types import IGNORE, LabelKind, TaskName
from inspector.data.annotations import Candidate, candidates, dataset_of, read_listing, seen_files, wants_masks
from inspector.data.collector import no_collection
from inspector.data.duplicates import Look, find_duplicates, look_at, never, without_duplicates
from inspector.data.formats.layouts import thermal
from inspector.data.formats.names import spread
from inspector.data.formats.record import NO_DEFECT, Listing
from inspector.data.formats.scan import Folder
from inspector.data.good_classes import guess_good_classes
from inspector.data.pose import Pose, pose_of
from inspector.data.samples import Dataset, DrawnMask, Sample
from inspector.data.sizes import HEADERS, ObjectSizes, header, object_sizes
from inspector.data.split import split_samples
from inspector.runs.settings import TrainSettings

_THUMBNAILS = 24
# Labels that others can be made of come first.
_FULLEST: tuple[LabelKind, ...] = ("temperatures", "mask", "boxes", "label")
_FEW = 10  # minimum images of a class for useful training
_IMBALANCE = 10


@dataclass(frozen=True, slots=True)
class TaskSurvey:
    """The usefulness of a folder for one task.

    `images`: usable images per class. An image with several classes counts for each of them, an image without any for
    NO_DEFECT. `repeats`: number of such extra counts. `objects`: labelled objects per class. `parts`: images per part of the
    data's own split; empty if there is none. `sizes`: of the labelled objects; None if unknown. `problems`: a sentence for
    everything that is left out or doubtful for this task. `blocked`: why nothing can be trained for it, or None.
    """

    task: TaskName
    classes: tuple[str, ...]
    images: Mapping[str, int]
    objects: Mapping[str, int] = field(default_factory=dict)
    groups: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)
    sizes: ObjectSizes | None = None
    problems: tuple[Message, ...] = ()
    blocked: Message | None = None
    repeats: int = 0

    @property
    def total(self) -> int:
        """Number of usable images."""
        return sum(self.images.values()) - self.repeats

    @property
    def imbalance(self) -> float:
        """Images of the most frequent class over images of the rarest; 1 if there is only one class."""
        counts = [count for count in self.images.values() if count]
        return max(counts) / min(counts) if counts else 1.0


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An image to show in a preview, and its class."""

    path: Path
    label: str


@dataclass(frozen=True, slots=True)
class Survey:
    """The result of surveying a folder.

    `layout`: how the labels are stored, in words. `layouts`: the layouts that the folder may be in, with the evidence; the
    layout in use comes first. `tasks`: the tasks it can serve, the most informative first. `images`: image files that have or
    could have a label. `sizes`: number of images by (width, height), and `depths`: number of images by "8-bit grey", "16-bit
    colour", ...; both of the `looked_at` images whose headers were read. `duplicates`: groups of images that show the same,
    exactly or nearly. `pose`: how uniformly the images are oriented; None if unknown. `complete`: False for the first, quick
    survey, before images are decoded.
    """

    folder: Path
    layout: Message
    tasks: Mapping[TaskName, TaskSurvey]
    images: int
    sizes: Mapping[tuple[int, int], int]
    depths: Mapping[str, int]
    looked_at: int
    problems: tuple[Message, ...] = ()
    duplicates: tuple[tuple[str, ...], ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()
    pose: Pose | None = None
    layouts: tuple[Candidate, ...] = ()
    complete: bool = True


class UnlabelledError(ConfigError):
    """A folder has images, and nothing says what they show."""


class _GivenUp(Exception):
    """The survey was cancelled."""


def survey(
    folder: Path,
    *,
    group: str = "",
    layout: str = "",
    backgrounds: bool = False,
    cancelled: Callable[[], bool] = never,
    progress: Callable[[int, int], None] | None = None,
    preview: Callable[[Survey], None] | None = None,
) -> Survey:
    """Survey a folder.

    `layout` and `backgrounds`: as for `read_dataset`. `preview` gets the first survey as soon as it is ready, before any image
    is decoded. Then every image is decoded, to find damaged images and duplicates. `progress(done, total)` counts images of
    this second pass. Both are called on the calling thread. Once `cancelled()` returns True, the survey so far is returned with
    `complete=False`; it is empty if not even the labels were read. Raises ConfigError if the folder cannot be read or holds
    nothing labelled.
    """
    with no_collection():
        first = _first_look(folder, _Wanted(group, layout, backgrounds), cancelled)
    if first is None:
        return Survey(folder, message("Not looked at"), {}, 0, {}, {}, 0, complete=False)
    found, datasets, samples = first
    if preview is not None:
        preview(found)
    return _second_look(found, datasets, samples, cancelled, progress)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How to read the labels."""

    group: str
    layout: str
    backgrounds: bool


def _first_look(
    folder: Path, wanted: _Wanted, cancelled: Callable[[], bool]
) -> tuple[Survey, dict[TaskName, Dataset], list[Sample]] | None:
    """Return the survey from names, labels and headers; the data sets; and the samples of all data sets by name.

    None if cancelled.
    """
    place = Folder(folder, cancelled=cancelled)

    def tick() -> None:
        if cancelled():
            raise _GivenUp

    try:
        tick()
        layouts = candidates(place, wanted.layout)
        drawn = [one for one in layouts if wanted.layout or one.name != "thermal"]
        listing = read_listing(place, drawn, tick, backgrounds=wanted.backgrounds)
        datasets, refusals = _datasets(place, listing, layouts, wanted, tick)
    except _GivenUp:
        return None
    if not datasets:
        raise _nothing_labelled(place, listing, refusals, layouts)
    records = {sample.name: sample for dataset in reversed(datasets.values()) for sample in dataset.samples}
    samples = [records[name] for name in sorted(records)]
    sizes, depths, looked_at = _headers([sample.path for sample in samples], cancelled)
    found = Survey(
        folder,
        thermal.TITLE if listing is None or any(map(_measured, datasets)) else listing.layout,
        {task: _task_survey(dataset, decode=False, cancelled=cancelled) for task, dataset in datasets.items()},
        len(samples),
        sizes,
        depths,
        looked_at,
        tuple(_size_problems(sizes)),
        thumbnails=_thumbnails(next(iter(datasets.values()))),
        layouts=tuple(layouts),
        complete=False,
    )
    return found, datasets, samples


def _second_look(
    first: Survey,
    datasets: Mapping[TaskName, Dataset],
    samples: Sequence[Sample],
    cancelled: Callable[[], bool],
    progress: Callable[[int, int], None] | None,
) -> Survey:
    """Decode every image; damaged images and duplicates no longer count for the tasks."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(samples))

    looks, errors = look_at([sample.path for sample in samples], tick=tick, cancelled=cancelled, spare=1)
    with no_collection():
        return _without_what_is_wrong(first, datasets, samples, (looks, errors), cancelled)


def _without_what_is_wrong(
    first: Survey,
    datasets: Mapping[TaskName, Dataset],
    samples: Sequence[Sample],
    seen: tuple[Sequence[Look | None], Sequence[ConfigError]],
    cancelled: Callable[[], bool],
) -> Survey:
    """Return the survey without images that `look_at` could not read, and without copies."""
    looks, errors = seen
    duplicates = find_duplicates(looks, cancelled=cancelled)
    if cancelled():
        return first
    by_name = {sample.name: one for sample, one in zip(samples, looks, strict=True)}
    tasks: dict[TaskName, TaskSurvey] = {}
    for task, dataset in datasets.items():
        own = [by_name[sample.name] for sample in dataset.samples]
        # Comparing takes minutes where there are many; what all samples came to is right for a task that uses them all.
        same = duplicates if len(own) == len(looks) else find_duplicates(own, cancelled=cancelled)
        try:
            clean = without_duplicates(dataset, own, same, errors)
        except ConfigError as error:
            tasks[task] = replace(first.tasks[task], blocked=error.problem)
        else:
            tasks[task] = _task_survey(clean, decode=True, cancelled=cancelled)
    groups = sorted({*duplicates.exact, *duplicates.near})
    named = tuple(tuple(samples[index].name for index in group) for group in groups)
    problems = (*first.problems, *_depth_problems(looks))
    return replace(first, tasks=tasks, problems=problems, duplicates=named, pose=pose_of(looks), complete=True)


def _depth_problems(looks: Sequence[Look | None]) -> Iterable[Message]:
    """Yield problems with images whose grey levels differ in meaning: to a network, images of fewer bits would look dark."""
    counts = Counter(one.bits for one in looks if one is not None)
    if len(counts) > 1:
        yield message(
            "The images use values of different depths ({depths}). Train with those of one depth, unless one camera took all.",
            depths=", ".join(f"{count} x {f'{bits} bits' if bits else 'K'}" for bits, count in sorted(counts.items())),
        )


def _datasets(
    place: Folder, listing: Listing | None, layouts: Sequence[Candidate], wanted: _Wanted, tick: Callable[[], None]
) -> tuple[dict[TaskName, Dataset], list[ConfigError]]:
    """Return the data set of each task.

    A task whose labels are derived from another task's is included only if there is nothing better.
    """
    found: dict[TaskName, Dataset] = {}
    refusals = []
    for task in sorted(TASKS, key=lambda name: _FULLEST.index(TASKS[name].labels)):
        try:
            if TASKS[task].labels == "mask" and not wanted.layout and wants_masks(listing, layouts):
                masked = read_listing(
                    place, [one for one in layouts if one.name == "masks"], tick, backgrounds=wanted.backgrounds
                )
                found[task] = dataset_of(masked, place, task, group=wanted.group, tick=tick)
            elif not _measured(task):
                found[task] = dataset_of(listing, place, task, group=wanted.group, tick=tick)
            elif measures := [one for one in layouts if one.name == "thermal"]:
                measured = read_listing(place, measures, tick)
                found[task] = dataset_of(measured, place, task, group=wanted.group, tick=tick)
        except ConfigError as error:
            refusals.append(error)
    return found, refusals


def _measured(task: TaskName) -> bool:
    """Return whether a task learns from temperatures, which have a layout and no classes of their own."""
    return TASKS[task].labels == "temperatures"


def _nothing_labelled(
    place: Folder, listing: Listing | None, refusals: Sequence[ConfigError], layouts: Sequence[Candidate]
) -> ConfigError:
    """Return why this folder suits no task."""
    if not place.images and (seen := seen_files(place)):
        return ConfigError(
            "There are no images that can be read in {folder}, but {files} {files:|file|files}.",
            remedy="Unpack archives, and save pictures as PNG, TIFF or JPEG.",
            folder=place.root,
            files=seen,
        )
    if not place.images:
        return ConfigError(
            "There are no images in {folder}.",
            remedy="Choose the folder that holds the images and their labels.",
            folder=place.root,
        )
    why = next((values["why"] for values in (error.problem.values for error in refusals) if values.get("why")), None)
    if listing is not None and layouts and why is not None:
        others = ", ".join(one.name for one in layouts[1:])
        return ConfigError(
            "Nothing in {folder} can be used ({layout}): {why}",
            remedy="Correct the labels, and look at the folder again."
            if not others
            else "Correct the labels, or read the folder as {others} (--layout).",
            folder=place.root,
            layout=listing.layout,
            why=why,
            others=others,
        )
    tables = [name for name in place.files if "/" not in name and name.lower().endswith(".csv")]
    if tables:
        return ConfigError(
            "{file} is not understood as a table of labels.",
            remedy="Its first line must name the columns path and label; save it as UTF-8.",
            file=place.files[min(tables)],
        )
    seen = seen_files(place)
    remedy = "Sort them into classes in the window, put those of each class into a folder of their own, or add label files."
    if not seen:
        return UnlabelledError(
            "{folder} has {count} {count:|image|images}, but nothing says what they show.",
            remedy=remedy,
            folder=place.root,
            count=len(place.images),
        )
    return ConfigError(
        "{folder} has {count} {count:|image|images}, but its {files} {files:|file is|files are} in no layout that is "
        "understood.",
        remedy=remedy,
        folder=place.root,
        count=len(place.images),
        files=seen,
    )


def _task_survey(dataset: Dataset, *, decode: bool, cancelled: Callable[[], bool]) -> TaskSurvey:
    """Return what a data set offers. `decode`: pixels and masks may be read, to measure the objects."""
    counts = dataset.counts()
    objects: Counter[str] = Counter()
    for sample in dataset.samples:
        if sample.truth.boxes is not None:
            objects.update(dataset.classes[index] for index in sample.truth.boxes.classes.tolist())
        elif isinstance(sample.mask, DrawnMask):
            objects.update(dataset.classes[value - 1] for _, value in sample.mask.outlines if value != IGNORE)
    parts = Counter(sample.part for sample in dataset.samples if sample.part is not None)
    problems = [*dataset.problems, *_class_problems(dataset, counts)]
    blocked = None
    labels = TASKS[dataset.task].labels
    if labels in ("boxes", "mask") and not set(counts) - {NO_DEFECT}:
        blocked = message("No image has anything labelled in it: there is nothing to learn to find.")
    elif labels == "label" and len(dataset.classes) < 2:
        blocked = message(
            "There is only the class {name}: nothing can be told apart.", name=ClassName(", ".join(dataset.classes))
        )
    else:
        try:
            shares = {name: float(TrainSettings.model_fields[name].default) for name in ("val", "test")}
            split = split_samples(dataset.samples, seed=0, **shares)
            problems += _never_trained(dataset, split.train)
        except ConfigError as error:
            blocked = error.problem
    return TaskSurvey(
        dataset.task,
        dataset.classes,
        counts,
        dict(objects),
        len({sample.group for sample in dataset.samples}),
        {str(part): count for part, count in parts.items()},
        object_sizes(dataset.samples, decode=decode, cancelled=cancelled),
        tuple(problems),
        blocked,
        sum(counts.values()) - len(dataset.samples),
    )


def _class_problems(dataset: Dataset, counts: Mapping[str, int]) -> Iterable[Message]:
    """Yield problems of learning the classes. `counts`: number of images that show each class."""
    if _measured(dataset.task):
        return
    rare = [name for name in dataset.classes if counts.get(name, 0) < _FEW]
    for name in rare:
        yield message(
            "{name} has {count} {count:|image|images}: too few to learn it well.", name=name, count=counts.get(name, 0)
        )
    whole = TASKS[dataset.task].labels == "label"
    used = {name: count for name, count in counts.items() if count and (whole or name in dataset.classes)}
    if len(used) < 2 or max(used.values()) < _IMBALANCE * min(used.values()):
        return
    most, least = max(used, key=lambda key: used[key]), min(used, key=lambda key: used[key])
    values = {"most": most, "least": least, "times": used[most] / used[least]}
    yield (
        message("{most} has {times:.0f} times as many images as {least}; rare classes are given more weight.", **values)
        if whole
        else message(
            "{most} is in {times:.0f} times as many images as {least}, which will be found less surely: add images of it.",
            **values,
        )
    )


def _never_trained(dataset: Dataset, trained: Sequence[Sample]) -> Iterable[Message]:
    """Yield problems with classes that the data's own split keeps out of training."""
    shown = {kind for sample in trained for kind in sample.kinds}
    good = guess_good_classes(dataset.classes)  # images without any object
    for name in sorted({kind for sample in dataset.samples for kind in sample.kinds} - shown):
        if dataset.by_most and name not in good:
            yield message(
                "{name} is never what most objects of a training image are: detection can learn it, classification cannot.",
                name=name,
            )
        else:
            yield message("{name} is in no training image of the data's own split, so it cannot be learnt.", name=name)


def _headers(paths: Sequence[Path], cancelled: Callable[[], bool]) -> tuple[dict[tuple[int, int], int], dict[str, int], int]:
    sizes: Counter[tuple[int, int]] = Counter()
    depths: Counter[str] = Counter()
    for path in spread(paths, HEADERS):
        if cancelled():
            break
        seen = header(path)
        if seen is not None:
            sizes[seen[:2]] += 1
            depths[seen[2]] += 1
    return dict(sizes.most_common()), dict(depths.most_common()), sum(sizes.values())


def _size_problems(sizes: Mapping[tuple[int, int], int]) -> Iterable[Message]:
    if len(sizes) > 1:
        widths, heights = [size[0] for size in sizes], [size[1] for size in sizes]
        yield message(
            "The images have {count} sizes, from {width} x {height} to {widest} x {highest} px; all are fitted to the input.",
            count=len(sizes),
            width=min(widths),
            height=min(heights),
            widest=max(widths),
            highest=max(heights),
        )


def _thumbnails(dataset: Dataset) -> tuple[Thumbnail, ...]:
    """Return some images of every class in turn."""
    by_class: dict[str, list[Sample]] = {}
    for sample in dataset.samples:
        by_class.setdefault(sample.stratum, []).append(sample)
    each = max(1, _THUMBNAILS // max(1, len(by_class)))
    picked = [sample for samples in by_class.values() for sample in spread(samples, each)]
    return tuple(Thumbnail(sample.path, sample.stratum) for sample in picked[:_THUMBNAILS])
