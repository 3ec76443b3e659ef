"""The one judge of both sides: answers to the test images, whoever gave them, against the labels."""

from collections.abc import Callable, Sequence

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.types import Answer, Prediction
from inspector.data.samples import Sample
from inspector.imaging.files import read_image
from inspector.imaging.preprocessing import whole
from inspector.tasks.base import Metrics, card_threshold, task_of


def judged(card: Card, samples: Sequence[Sample], answer_to: Callable[[int], Answer | None]) -> Metrics:
    """Return the metrics of answers to labelled images.

    `answer_to(index)`: the answer to `samples[index]`, in the pixels of the whole image. An image that either the judge or the
    side cannot read counts for neither; call with the same set of answered images for both.
    """
    metrics = task_of(card.task).metrics(card)
    for index, sample in enumerate(samples):
        answer = answer_to(index)
        if answer is None:
            continue
        try:
            pixels = read_image(sample.path).pixels
            truth = sample.annotation(pixels.shape[0], pixels.shape[1])
        except ConfigError:
            continue
        prediction = Prediction(
            bundle=card.name,
            task=card.task,
            camera="data",
            classes=card.classes,
            region=sample.region or whole(pixels),
            answer=answer,
            threshold=card_threshold(card),
        )
        metrics.update(prediction, truth, group=sample.group)
    return metrics
