"""The jobs of this package's worker processes: train and export.

Importing this module is cheap: torch is imported by the job itself, after everything that can be checked at once.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from inspector.bundles.bundle import Bundle
from inspector.bundles.variants import VariantMade
from inspector.core.errors import InspectorError, JobError, StorageError
from inspector.core.sentence import sentence
from inspector.core.types import Precision
from inspector.ml.channel import Cancelled, Channel, Journal
from inspector.ml.worker import diagnose, hello
from inspector.runs.folder import (
    LOCK,
    REPORT,
    RUN,
    RunRecord,
    create_run,
    read_run,
    run_path,
    started,
    tidy,
    unwritable,
    write_run,
)
from inspector.runs.report import NOTHING_LEARNT, read_report
from inspector.runs.settings import train_settings
from inspector.workers.jobs import (
    Attempt,
    GraphJob,
    GraphWritten,
    RankJob,
    Trained,
    TrainJob,
    VariantJob,
    VariantsJob,
    VariantsTried,
)
from inspector.workers.messages import Progress, Report, WorkerMessage

if TYPE_CHECKING:
    from inspector.ml.export.variants import Exporter


def train(job: TrainJob, channel: Channel) -> Trained:
    """Train in a run folder, which is created if missing."""
    settings = train_settings(job.settings)
    folder = run_path(settings)
    if not (folder / RUN).is_file():
        folder = create_run(settings)
    with take_run(folder) as record:
        channel.keep(Journal(folder))
        channel.send(hello())
        from inspector.ml.train.trainer import train as train_network

        def alone(error: InspectorError) -> None:
            channel.send(diagnose(error).packet())

        def others(message: WorkerMessage) -> None:
            with suppress(Cancelled, InspectorError):  # which the training's own thread meets too
                channel.send(message)

        settings = settings.model_copy(update={"run": folder})
        bundle = train_network(settings, channel, resume=record.resume, alone=alone, others=others)
        return Trained(
            bundle=bundle.folder,
            warnings=read_report(folder / REPORT).warnings,
            learnt_nothing=bool(bundle.card.training.get(NOTHING_LEARNT)),
        )


def rank(job: RankJob, channel: Channel) -> None:
    """Run one of the other processes of a distributed training."""
    os.environ.update(job.environment)
    from inspector.ml.train.trainer import train_beside

    train_beside(train_settings(job.settings), channel)


@contextmanager
def take_run(folder: Path) -> Iterator[RunRecord]:
    """Hold the run exclusively until it ends. Raises JobError if another process holds it, StorageError."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
        tidy(folder)
        record = read_run(folder).model_copy(update={"pid": os.getpid(), "pid_started": started(os.getpid()), "queued": None})
        write_run(folder, record)
    except Timeout:
        raise JobError("The training in {folder} is still going on.", remedy="Wait, or stop it first.", folder=folder) from None
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield record
    finally:
        lock.release()


def graph(job: GraphJob, channel: Channel) -> GraphWritten:
    """Write the ONNX graph anew from the weights."""
    source = Bundle.open(job.bundle)  # report a wrong folder before torch is imported, which takes seconds
    from inspector.ml.export.network import DIFFERENCE, export_bundle

    bundle = export_bundle(source, job.out or source.folder)
    channel.artifact(bundle.folder)
    return GraphWritten(bundle=bundle.folder, difference=float(str(bundle.card.training[DIFFERENCE])))


def variant(job: VariantJob, channel: Channel) -> VariantMade:
    """Make one variant. Raises an error if it cannot be made."""
    source = Bundle.open(job.bundle)
    from inspector.ml.export.variants import Exporter, Order
    from inspector.tasks.parity import MAX_DROP

    exporter = Exporter(source, channel, out=job.out)
    order = Order(
        job.engine,
        job.precision,
        max_drop=MAX_DROP if job.max_drop is None else job.max_drop,
        calibration=job.calibration,
        check=job.check,
        threads=job.threads,
    )
    made = exporter.make(order)
    channel.artifact(exporter.bundle.folder)
    return VariantMade(bundle=exporter.bundle.folder, variant=made)


def variants(job: VariantsJob, channel: Channel) -> VariantsTried:
    """Make several variants and report which could not be made."""
    source = Bundle.open(job.bundle)
    from inspector.ml.export.variants import Exporter

    exporter = Exporter(source, channel)
    made = tuple(_attempt(exporter, channel, engine, precision) for engine, precision in job.variants)
    return VariantsTried(bundle=source.folder, made=made)


def _attempt(exporter: "Exporter", report: Report, engine: str, precision: Precision) -> Attempt:
    from inspector.ml.export.variants import Order, ensure_possible

    report.progress(Progress(phase="variant", what=f"{engine} {precision}"))
    here = False
    try:
        ensure_possible(engine, precision)
        here = True
        exporter.make(Order(engine, precision))
    except StorageError:
        raise  # the other variants would not fit either
    except InspectorError as error:
        return Attempt(engine=engine, precision=precision, here=here, problem=sentence(error.problem))
    return Attempt(engine=engine, precision=precision, here=True)
