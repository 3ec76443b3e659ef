"""Whether a bundle may be run with an engine in a precision, and if not, why. Used by lists, exports and tunings alike."""

from dataclasses import dataclass
from typing import Literal

from inspector.bundles.bundle import Bundle
from inspector.bundles.variants import PROCESSOR, software_for, why_not
from inspector.core.errors import BundleError
from inspector.core.message import Message, message
from inspector.core.registry import ENGINES
from inspector.core.types import Precision

State = Literal["own", "passed", "missing", "failed", "refused", "changed", "damaged", "later"]


@dataclass(frozen=True, slots=True)
class Standing:
    """The status of a variant, and the sentence why it may not be used, if so.

    `own`: the graph that was compared with the trained network when it was written. `passed`: accepted by the gate. `missing`:
    never made. `failed`: making it failed. `refused`: rejected by the gate. `changed`: checked with other files. `damaged`: its
    files changed since it was made. `later`: understood only by a newer version of this program.
    """

    state: State
    reason: Message | None = None

    @property
    def usable(self) -> bool:
        return self.reason is None


def is_own(bundle: Bundle, engine: str, precision: Precision) -> bool:
    """Return whether this is the bundle's own graph, which was compared with the trained network when it was written."""
    return (
        precision == "fp32"
        and not _needs_weights(bundle, engine)
        and not ENGINES[engine].gated
        and not any(one.kind == (engine, precision) for one in bundle.card.variants)
    )


def barred(bundle: Bundle, engine: str, precision: Precision) -> Message | None:
    """Return why the variant must not judge parts, according to the bundle's lists; None if it may. No file is read."""
    if is_own(bundle, engine, precision):
        return None
    if _needs_weights(bundle, engine):
        return message(
            "The bundle {bundle} was imported as a graph: it has no weights for {engine}.",
            bundle=bundle.name,
            engine=ENGINES[engine].label,
        )
    if bundle.later_variant(engine, precision) is not None:
        return _of_later(bundle, engine, precision)
    variant = bundle.variant(engine, precision)
    return why_not(variant, bundle.card.files, bundle=bundle.name, engine=engine, precision=precision)


def _needs_weights(bundle: Bundle, engine: str) -> bool:
    """Return whether the engine runs a network's weights, and the bundle is a graph from elsewhere."""
    return bool(bundle.card.family) and ENGINES[engine].weights


def _of_later(bundle: Bundle, engine: str, precision: str) -> Message:
    return message(
        "The {precision} variant of {bundle} for {engine} was made by a newer version of this program.",
        precision=precision,
        bundle=bundle.name,
        engine=engine,
    )


def standings(bundle: Bundle) -> dict[tuple[str, Precision], Standing]:
    """Return the status of every existing variant, usable or not, in the order of the registry."""
    kinds = ((engine, precision) for engine, entry in ENGINES.items() for precision in entry.precisions)
    found = {kind: standing(bundle, *kind) for kind in kinds}
    return {kind: known for kind, known in found.items() if known.state != "missing"}


def strangers(bundle: Bundle) -> dict[tuple[str, str], Standing]:
    """Return the variants whose engine or precision this version does not support."""
    kinds = [variant.kind for variant in bundle.card.variants]
    return {
        (engine, precision): Standing("later", _of_later(bundle, engine, precision))
        for engine, precision in kinds
        if engine not in ENGINES or precision not in ENGINES[engine].precisions
    }


def standing(bundle: Bundle, engine: str, precision: Precision) -> Standing:
    """Return the status of a variant, reading its files. Whether this machine can run the variant is not checked."""
    if is_own(bundle, engine, precision):
        return Standing("own")
    if bundle.later_variant(engine, precision) is not None:
        return Standing("later", barred(bundle, engine, precision))
    variant = bundle.variant(engine, precision)
    reason = barred(bundle, engine, precision)
    if _needs_weights(bundle, engine):
        return Standing("missing", reason)
    if variant is not None and reason is None:
        try:
            bundle.verify_variant(variant)
        except BundleError as error:
            return Standing("damaged", error.problem)
        return Standing("passed")
    if variant is None or (variant.parity is None and variant.failed is None):
        return Standing("missing", reason)
    if variant.parity is None:
        return Standing("failed", reason)
    return Standing("changed" if variant.parity.accepted else "refused", reason)


def worth_making(bundle: Bundle, engine: str, precision: Precision) -> bool:
    """Return whether an export could add or improve this variant.

    False for a variant that was refused or failed with the current software versions, and for a variant made by a newer program
    version.
    """
    if _needs_weights(bundle, engine):
        return False
    state, variant = standing(bundle, engine, precision).state, bundle.variant(engine, precision)
    if variant is None or state in ("missing", "changed", "damaged"):
        return state not in ("own", "later")
    before = {name: text for name, text in variant.software.items() if name != PROCESSOR}
    return state in ("refused", "failed") and before != software_for(engine, precision)
