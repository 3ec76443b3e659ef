"""The line protocol survives every way a pipe can cut it, and everything that is no message is one typed error."""

import json
import math
import traceback
from pathlib import Path

import pytest

from inspector.core.errors import JobError
from inspector.core.message import ClassName, message
from inspector.workers.jobs import FeedJob, Job, TrainJob, VariantJob, read_job
from inspector.workers.messages import (
    Command,
    Done,
    EpochDone,
    Failed,
    Log,
    ParentMessage,
    Progress,
    WorkerMessage,
    parent_message,
    worker_message,
)
from inspector.workers.outcome import Cause, End, Outcome, read_outcome
from inspector.workers.protocol import LONGEST_LINE, LineDecoder


def decoder() -> LineDecoder[WorkerMessage]:
    return LineDecoder(worker_message)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_survive_any_cut_even_inside_a_character(size: int) -> None:
    sent: list[WorkerMessage] = [
        Log(text="傷 3.2 mm²"),
        Progress(phase="train", epoch=3, loss=0.25),
        Done(status="ok", bundle="a"),
    ]
    data = b"".join(message.line() for message in sent)
    receiver = decoder()
    got = [message for start in range(0, len(data), size) for message in receiver.feed(data[start : start + size])]
    assert got == sent


NOISE = [
    b"hello",
    b"[1]",
    b'{"no": "type"}',
    b'{"type": "gossip"}',
    b"\xff\xfe",
    b"null",
    b"[" * 200_000,
    b'{"type": "done", "a": ' + b'{"a": ' * 100_000,
    b'{"type": "progress", "phase": "train", "step": ' + b"9" * 10_000 + b"}",
    b'{"type": "progress", "phase": "train", "step": 1e999}',
    b'{"type": "progress", "phase": "train", "step": -1}',
    b'{"type": "progress", "phase": "train", "step": 99999999999}',
    b'{"type": "progress", "phase": ["train"]}',
    b'{"type": "ready", "shape": [NaN]}',
    b'{"type": "failed", "problem": "{file} is empty."}',
    b'{"type": "failed", "problem": "{size:.2f} mm", "values": {"size": null}}',
]


@pytest.mark.parametrize("line", NOISE, ids=lambda line: line[:50].decode("utf-8", "replace"))
def test_what_is_no_message_is_named_and_what_follows_is_read(line: bytes) -> None:
    receiver = decoder()
    with pytest.raises(JobError, match="not a message"):
        list(receiver.feed(line + b"\n"))
    assert list(receiver.feed(Log(text="next").line())) == [Log(text="next")]


def test_an_endless_line_is_refused_instead_of_filling_memory() -> None:
    receiver = decoder()
    with pytest.raises(JobError, match="more than"):
        list(receiver.feed(b"x" * (LONGEST_LINE + 1)))
    assert list(receiver.feed(Log(text="next").line())) == [Log(text="next")]


def test_a_number_that_is_none_travels_as_null() -> None:
    sent = EpochDone(epoch=1, loss=math.nan, val_loss=0.5, val={"f1": math.inf, "recall": 0.25})
    assert json.loads(sent.line()) == {
        "type": "metric",
        "epoch": 1,
        "loss": None,
        "val_loss": 0.5,
        "val": {"f1": None, "recall": 0.25},
    }
    assert worker_message(sent.line()) == sent
    assert json.loads(Done(status="ok", difference=math.nan).line())["difference"] is None


def test_messages_of_a_later_version_with_more_fields_are_read() -> None:
    line = b'{"type": "progress", "phase": "train", "step": 2, "temperature": 71}'
    assert worker_message(line) == Progress(phase="train", step=2)


def test_the_parents_words_are_others_than_the_workers() -> None:
    sent: ParentMessage = Command(type="cancel")
    assert parent_message(sent.line()) == sent
    with pytest.raises(JobError):
        parent_message(Log(text="hello").line())
    with pytest.raises(JobError):
        worker_message(sent.line())


def test_a_failure_arrives_with_its_kind_and_values() -> None:
    sent = Failed(kind="ConfigError", cause="data", problem="{file} is empty.", values={"file": "a.png"})
    outcome = read_outcome(sent, exit_code=1)
    assert (outcome.end, outcome.cause, str(outcome.error())) == (End.FAILED, Cause.DATA, "a.png is empty.")


def test_a_sentence_with_a_number_that_is_none_arrives_as_it_reads() -> None:
    error = JobError("The loss is {loss:.3f} in {what}.", loss=math.nan, what="{epoch}")
    packet = Outcome(End.FAILED, problem=error.problem).packet()
    assert isinstance(packet, Failed)
    told = worker_message(packet.line())
    assert isinstance(told, Failed)
    assert str(read_outcome(told).problem) == "The loss is nan in {epoch}."


JOBS: list[Job] = [
    TrainJob(settings={"task": "classification", "lr": 0.1}, low_priority=True),
    VariantJob(bundle=Path("a"), engine="openvino", precision="int8", max_drop=0.01),
    VariantJob(bundle=Path("not utf-8: \udc80"), engine="onnxruntime", precision="fp32"),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.kind)
def test_a_job_arrives_as_it_was_sent(job: Job) -> None:
    assert read_job(job.line()) == job


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"kind": "cook"}',
        b'{"kind": "train"}',
        b'{"kind": "tune", "recipe": {}, "takt_ms": NaN}',
        b'{"kind": "variant", "bundle": "a", "engine": "openvino", "precision": "int3"}',
        b'{"kind": "train", "settings": ' + b"[" * 100_000,
    ],
    ids=lambda line: line[:50].decode(),
)
def test_what_is_no_job_is_refused(line: bytes) -> None:
    with pytest.raises(JobError):
        read_job(line)


def test_the_password_of_a_server_is_told_to_its_worker_alone() -> None:
    job = FeedJob(archive=Path("a"), url="postgresql://ann:secret@server/a", first_keep_s=1, keep_s=1)
    assert "secret" not in repr(job)
    with pytest.raises(JobError) as refused:  # by a program of another version
        read_job(job.line().replace(b'"keep_s"', b'"other"'))
    assert "secret" not in "".join(traceback.format_exception(refused.value))


def test_a_class_in_the_sentence_of_a_failure_is_still_one_in_the_window() -> None:
    problem = message("There is no class {name!r} in {folder}.", name=ClassName("scratch"), folder="dent")
    packet = Outcome(End.FAILED, problem=problem).packet()
    assert isinstance(packet, Failed)
    read = read_outcome(Failed.model_validate_json(packet.model_dump_json())).problem
    assert read is not None
    assert isinstance(read.values["name"], ClassName)
    assert not isinstance(read.values["folder"], ClassName)
    assert read.text == problem.text
