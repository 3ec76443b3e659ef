"""Texts about a variant."""

from PySide6.QtCore import QCoreApplication

from inspector.bundles.variants import PROCESSOR, Parity, Variant
from inspector.core.message import fill
from inspector.core.sentence import Sentence
from inspector.tuning.variant_list import Listed
from inspector.ui.shell.strings import time_text, translate
from inspector.ui.training.results.labels import measure_word, unit_of, value_text

_ERRORS = {"minus_mae_kelvin": "mae_kelvin"}  # what training maximises: what a person sees


def state_word(listed: Listed) -> str:
    """Return the state in a word or two."""
    words = {
        "own": QCoreApplication.translate("variants", "its own graph"),
        "passed": QCoreApplication.translate("variants", "passed"),
        "failed": QCoreApplication.translate("variants", "could not be made"),
        "refused": QCoreApplication.translate("variants", "refused"),
        "changed": QCoreApplication.translate("variants", "of other files"),
        "damaged": QCoreApplication.translate("variants", "damaged"),
        "later": QCoreApplication.translate("variants", "of a newer version"),
    }
    word = words.get(listed.standing.state, listed.standing.state)
    return QCoreApplication.translate("variants", "{state}, judges now").format(state=word) if listed.active else word


def metric_texts(parity: Parity) -> tuple[str, str, str]:
    """Return the metric's name, its value for the trained network, and its value for the variant."""
    name = _ERRORS.get(parity.metric, parity.metric)
    sign = -1.0 if parity.metric in _ERRORS else 1.0
    before, after = (value_text(sign * value, unit_of(name)) for value in (parity.before, parity.after))
    return measure_word(name), before, after


def details(listed: Listed) -> str:
    """Return all known details, a line each: why the variant may not be used, the parity result, how it was made."""
    lines = [_reason(listed)]
    if listed.standing.state == "own":
        words = QCoreApplication.translate(
            "variants", "The bundle's own graph: it was compared with the trained network when the bundle was written."
        )
        lines.append(words)
    variant = listed.variant
    if variant is not None:
        lines += [] if variant.parity is None else _found(variant.parity)
        lines += _made(variant)
    return "\n".join(line for line in lines if line)


def _reason(listed: Listed) -> str:
    variant = listed.variant
    if listed.standing.reason is None:
        return ""
    if variant is not None and variant.failed is not None:
        return QCoreApplication.translate("variants", "It could not be made: {reason}").format(reason=_sentence(variant.failed))
    if listed.standing.state == "refused" and variant is not None and variant.parity is not None and variant.parity.refused:
        words = QCoreApplication.translate("variants", "It is refused: {reason}")
        return words.format(reason=_sentence(variant.parity.refused))
    return translate(listed.standing.reason)


def _sentence(told: Sentence) -> str:
    return translate(told.message)


def _found(parity: Parity) -> list[str]:
    flips = QCoreApplication.translate(
        "variants", "Other verdicts than the trained network's: {flips} of {images} reference images (limit {limit})."
    )
    scores = QCoreApplication.translate("variants", "Scores differ by {mean} on average (limit {limit}), by {most} at most.")
    kelvin = QCoreApplication.translate(
        "variants", "Temperatures differ by {mean} K on average (limit {limit} K), by {most} K at most."
    )
    metric = QCoreApplication.translate(
        "variants", "{metric}: {before} of the trained network, {after} of the variant (largest accepted drop {limit})."
    )
    name, before, after = metric_texts(parity)
    apart = (kelvin if parity.unit == "kelvin" else scores).format(
        mean=f"{parity.mean_difference:.4f}", limit=f"{parity.max_mean:.3g}", most=f"{parity.max_difference:.3f}"
    )
    return [
        flips.format(flips=parity.flips, images=parity.images, limit=parity.max_flips),
        apart,
        metric.format(metric=name, before=before, after=after, limit=f"{parity.max_drop:.3g}"),
    ]


def _made(variant: Variant) -> list[str]:
    lines: list[str] = []
    if variant.calibration:
        words = QCoreApplication.translate("variants", "Calibrated with {count} {count:|image|images}.")
        lines.append(fill(words, count=variant.calibration))
    if variant.full_precision:
        words = QCoreApplication.translate("variants", "Layers that stayed in floating point: {count}.")
        lines.append(words.format(count=len(variant.full_precision)))
    versions = ", ".join(f"{name} {text}" for name, text in variant.software.items() if name != PROCESSOR)
    if variant.failed is None:
        words = QCoreApplication.translate("variants", "Made on {when} with {versions}; judged on {processor}.")
    else:
        words = QCoreApplication.translate("variants", "Tried on {when} with {versions}, on {processor}.")
    lines.append(
        words.format(when=time_text(variant.created), versions=versions, processor=variant.software.get(PROCESSOR, "–"))
    )
    return lines
