"""Real child processes, well-behaved and not."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import BaseModel

from inspector.core.errors import ConfigError, JobError
from inspector.workers import process
from inspector.workers.jobs import GraphJob, Job, VariantsTried
from inspector.workers.messages import Log, WorkerMessage
from inspector.workers.outcome import Cause, crash_in, end_of_process, last_words
from inspector.workers.process import End, Outcome, WorkerProcess, worker_command

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
LIMIT_S = 30.0
_LATE_S = 5.0  # of a thread on a crowded machine
IGNORE = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"

JOB = GraphJob(bundle=Path("none"))

# A worker of this program whose only work is the test's: `work(job, report)`, called a graph job.
WORK = """
import os, sys, time, signal
from pydantic import BaseModel
from inspector.core import registry
from inspector.core.errors import ConfigError
from inspector.ml import channel as channel_module, worker
from inspector.ml.channel import Cancelled
from inspector.workers.messages import EpochDone, Progress
class Made(BaseModel):
    size: float = 0
    bundle: str = "out"
def work(job, report):
{body}
worker.WORK = {{"graph": registry.Entry("__main__:work", "Test")}}
{setup}
sys.exit(worker.run())
"""


class Made(BaseModel):
    size: float
    bundle: str


class Child:
    """Starts scripts in place of `inspector worker` and keeps what they send."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.grace = 5.0
        self.messages: list[WorkerMessage] = []
        self.outcomes: list[Outcome] = []
        self.heard = threading.Event()

    def script(self, text: str, *, job: Job = JOB) -> WorkerProcess:
        self._monkeypatch.setattr(process, "worker_command", lambda kind: [sys.executable, "-c", text])
        return WorkerProcess(job, listener=self._take, ended=self.outcomes.append, grace=self.grace)

    def work(self, body: str, *, setup: str = "", job: Job = JOB) -> WorkerProcess:
        return self.script(WORK.format(body=textwrap.indent(textwrap.dedent(body), "    "), setup=setup), job=job)

    def _take(self, message: WorkerMessage) -> None:
        self.messages.append(message)
        if isinstance(message, Log):
            self.heard.set()

    def wait_for_log(self) -> None:
        assert self.heard.wait(LIMIT_S)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [dict(message.fields()) for message in self.messages if message.type == kind]


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Child:
    return Child(monkeypatch)


def end(worker: WorkerProcess) -> Outcome:
    outcome = worker.wait(LIMIT_S)
    if outcome is None:
        worker.close()
    assert outcome is not None, "still running"
    return outcome


def test_messages_arrive_in_order_and_the_result_last(child: Child) -> None:
    worker = child.work(
        """
        report.log("工程: 検査を始める")
        for epoch in range(3):
            report.progress(Progress(phase="train", epoch=epoch, epochs=3))
        report.metric(EpochDone(epoch=2, loss=float("nan"), val_loss=0.5))
        return Made(size=3)
        """
    )
    outcome = end(worker)
    assert (outcome.end, dict(outcome.result), outcome.exit_code) == (End.SUCCEEDED, {"size": 3.0, "bundle": "out"}, 0)
    assert worker.result(Made) == Made(size=3, bundle="out")
    assert [message.type for message in child.messages] == ["hello", "log", "progress", "progress", "progress", "metric"]
    assert child.of("log") == [{"text": "工程: 検査を始める"}]
    assert [fields["epoch"] for fields in child.of("progress")] == [0, 1, 2]
    assert child.of("metric") == [{"epoch": 2, "loss": None, "val_loss": 0.5}]
    assert child.outcomes == [outcome]


def test_what_libraries_print_does_not_get_between_the_messages(child: Child) -> None:
    worker = child.work(
        """
        print("a library says hello", flush=True)
        os.write(1, b"{native code too")
        os.system("echo and a child process")
        return None
        """
    )
    assert end(worker).end is End.SUCCEEDED
    assert [message.type for message in child.messages] == ["hello"]


def test_an_error_for_a_person_arrives_as_it_was_raised(child: Child) -> None:
    worker = child.work('raise ConfigError("{file} is empty.", remedy="Copy {file} again.", file="a.png")')
    outcome = end(worker)
    assert outcome.end is End.FAILED
    error = outcome.error()
    assert isinstance(error, ConfigError)
    assert (error.problem.template, str(error)) == ("{file} is empty.", "a.png is empty. Copy a.png again.")
    assert outcome.details == ""


def test_a_defect_arrives_as_one_sentence_with_its_traceback_for_a_report(child: Child) -> None:
    outcome = end(child.work('raise KeyError("weights")'))
    assert outcome.end is End.FAILED
    error = outcome.error()
    assert isinstance(error, JobError)
    assert "KeyError" in str(error)
    assert "\n" not in str(error)
    assert "Traceback" in outcome.details


def test_want_of_memory_says_what_to_change(child: Child) -> None:
    error = end(child.work("raise MemoryError()")).error()
    assert error.remedy is not None
    assert "smaller" in error.remedy.text


@POSIX
def test_a_crash_is_told_at_once_with_its_signal_and_last_words(child: Child) -> None:
    worker = child.work(
        """
        report.log("ready")
        print("about to crash", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(60)
        """
    )
    child.wait_for_log()
    began = time.monotonic()
    outcome = end(worker)
    assert time.monotonic() - began < 5
    assert (outcome.end, outcome.signal) == (End.CRASHED, "SIGSEGV")
    assert "SIGSEGV" in str(outcome.error())
    assert "about to crash" in str(outcome.error())


def test_an_end_without_a_last_message_is_a_crash(child: Child) -> None:
    outcome = end(child.script("import sys; print('no room', file=sys.stderr); sys.exit(7)"))
    assert (outcome.end, outcome.exit_code, outcome.signal) == (End.CRASHED, 7, "")
    assert "exit code 7" in str(outcome.error())
    assert "no room" in str(outcome.error())


@pytest.mark.parametrize(
    "line",
    [
        "this is not JSON",
        '{"no": "type"}',
        "[]",
        r"\xff\xfe",
        '{"type": "progress", "phase": "train", "step": "many"}',
        pytest.param("[" * 100_000, id="nested too deeply"),
    ],
)
def test_a_line_that_is_not_a_message_ends_the_worker(child: Child, line: str) -> None:
    outcome = end(child.script(f"import time; print({line!r}, flush=True); time.sleep(60)"))
    assert outcome.end is End.CRASHED
    assert "not a message" in str(outcome.error())


def test_a_message_after_the_last_one_is_a_crash(child: Child) -> None:
    text = """import time; print('{"type": "done"}'); print('{"type": "progress", "phase": "x"}', flush=True); time.sleep(60)"""
    outcome = end(child.script(text))
    assert outcome.end is End.CRASHED
    assert "progress" in str(outcome.error())


@pytest.mark.parametrize("body", ["return Made(size=3)", "raise ConfigError('The size is wrong.')"], ids=["done", "failed"])
def test_one_that_hangs_in_its_own_clean_up_is_ended_and_its_result_counts(
    child: Child, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_ENDING_S", 0.5)
    worker = child.work(body, setup="import atexit; atexit.register(time.sleep, 100)")
    outcome = end(worker)
    assert outcome.end is (End.SUCCEEDED if "size" in body and "wrong" not in body else End.FAILED)
    assert not psutil.pid_exists(worker.pid)


def test_messages_cut_anywhere_are_put_together(child: Child) -> None:
    text = """
import sys, time
line = '{"type": "log", "text": "検査"}\\n{"type": "done", "status": "ok"}\\n'.encode()
for byte in line:
    sys.stdout.buffer.write(bytes([byte])); sys.stdout.flush(); time.sleep(0.002)
"""
    assert end(child.script(text)).end is End.SUCCEEDED
    assert child.of("log") == [{"text": "検査"}]


def test_a_listener_that_fails_ends_the_worker_and_not_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """import time; print('{"type": "log"}', flush=True); time.sleep(60)"""
    monkeypatch.setattr(process, "worker_command", lambda kind: [sys.executable, "-c", text])

    def listener(message: WorkerMessage) -> None:
        raise ValueError("the listener is broken")

    outcome = end(WorkerProcess(JOB, listener=listener))
    assert outcome.end is End.CRASHED
    assert "the listener is broken" in str(outcome.error())


def test_cancel_ends_work_that_listens(child: Child) -> None:
    worker = child.work(
        """
        report.log("ready")
        while not report.cancelled():
            time.sleep(0.01)
        raise Cancelled
        """
    )
    child.wait_for_log()
    began = time.monotonic()
    worker.cancel()
    assert end(worker).end is End.CANCELLED
    assert time.monotonic() - began < 5


@POSIX
def test_terminate_cancels_too(child: Child) -> None:
    worker = child.work(
        """
        report.log("ready")
        while not report.cancelled():
            time.sleep(0.01)
        raise Cancelled
        """
    )
    child.wait_for_log()
    os.kill(worker.pid, signal.SIGTERM)
    assert end(worker).end is End.CANCELLED


@POSIX
@pytest.mark.parametrize(("ignored", "expected"), [("", "SIGTERM"), (IGNORE, "SIGKILL")])
def test_work_that_does_not_listen_is_terminated_then_killed(child: Child, ignored: str, expected: str) -> None:
    text = f"""import signal, time; {ignored or "pass"}; print('{{"type": "log"}}', flush=True); time.sleep(60)"""
    child.grace = 0.5
    worker = child.script(text)
    child.wait_for_log()
    began = time.monotonic()
    outcome = worker.close()
    assert (outcome.end, outcome.signal) == (End.CANCELLED, expected)
    assert time.monotonic() - began < 10
    assert not psutil.pid_exists(worker.pid)


def test_stopping_what_has_ended_gives_its_outcome(child: Child) -> None:
    worker = child.work("return None")
    outcome = end(worker)
    assert worker.close() is outcome
    worker.pause()  # nobody is there: no error


def _orphan(body: str, setup: str = "") -> tuple["subprocess.Popen[bytes]", Callable[[], None]]:
    """A worker whose parent goes away when the returned function is called."""
    text = WORK.format(body=textwrap.indent(textwrap.dedent(body), "    "), setup=setup)
    running = subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write(JOB.line())
    running.stdin.flush()
    assert b"hello" in running.stdout.readline()

    def leave() -> None:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.close()
        running.stdout.close()

    return running, leave


def test_the_death_of_the_parent_cancels_the_work() -> None:
    running, leave = _orphan(
        """
        while not report.cancelled():
            time.sleep(0.01)
        raise Cancelled
        """
    )
    leave()
    assert running.wait(LIMIT_S) == 1


def test_work_that_does_not_notice_the_death_of_the_parent_is_ended() -> None:
    running, leave = _orphan("time.sleep(300)", setup="channel_module.ORPHAN_GRACE_S = 0.3")
    leave()
    assert running.wait(LIMIT_S) == 1


def test_a_broken_pipe_stops_work_that_reports() -> None:
    running, leave = _orphan(
        """
        while True:
            report.progress(Progress(phase="train"))
            time.sleep(0.01)
        """,
        setup="channel_module.ORPHAN_GRACE_S = 60",
    )
    leave()
    assert running.wait(LIMIT_S) == 1


@POSIX
def test_low_priority_lowers_the_priority(child: Child) -> None:
    before = os.nice(0)
    worker = child.work("return Made(size=os.nice(0))", job=GraphJob(bundle=Path("none"), low_priority=True))
    end(worker)
    assert worker.result(Made).size == max(before, 10)


def test_the_command_is_this_program_again() -> None:
    assert worker_command("train") == [sys.executable, "-P", "-m", "inspector", "worker", "train"]


def test_a_job_larger_than_a_pipe_arrives_whole_and_no_file_of_it_is_left(
    child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    long = Path("x" * 300_000)
    worker = child.work("return Made(size=len(str(job.bundle)))", job=GraphJob(bundle=long))
    end(worker)
    assert worker.result(Made).size == 300_000
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_is_another_than_asked_for_is_one_error(child: Child) -> None:
    worker = child.work("return Made(size=3)")
    end(worker)
    with pytest.raises(JobError, match=r"not what was asked for.*made: Field required"):
        worker.result(VariantsTried)


def test_a_package_that_is_missing_in_the_work_says_what_to_install(child: Child) -> None:
    outcome = end(child.work("import package_that_nobody_has"))
    assert outcome.end is End.FAILED
    assert str(outcome.error()) == (
        "Test needs the Python package package_that_nobody_has, which is not installed. Install package_that_nobody_has."
    )


def test_a_parent_that_speaks_nonsense_is_taken_for_gone() -> None:
    running, leave = _orphan(
        """
        while not report.cancelled():
            time.sleep(0.01)
        raise Cancelled
        """
    )
    assert running.stdin is not None
    running.stdin.write(b"[" * 100_000 + b"\n")
    running.stdin.flush()
    assert running.wait(LIMIT_S) == 1
    leave()


def test_files_in_the_folder_one_stands_in_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "numpy", "inspector"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger was imported')\n")
    monkeypatch.chdir(tmp_path)
    outcome = end(WorkerProcess(GraphJob(bundle=tmp_path / "none")))
    assert outcome.end is End.FAILED
    assert isinstance(outcome.error(), ConfigError)
    assert "none" in str(outcome.error())


def test_a_program_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(JobError, match="cannot be started"):
        WorkerProcess(JOB)


@pytest.mark.parametrize(
    ("code", "words", "asked", "oom", "cause", "how"),
    [
        (-9, "", False, False, Cause.KILLED, "SIGKILL"),
        (-9, "", False, True, Cause.MEMORY, "SIGKILL"),
        (-15, "", False, False, Cause.KILLED, "SIGTERM"),
        (-11, "", False, False, Cause.CRASH, "SIGSEGV"),
        (-6, "terminate called after throwing an instance of 'std::bad_alloc'", False, False, Cause.MEMORY, "SIGABRT"),
        (3221225477, "", False, False, Cause.CRASH, "access violation"),
        (-1073740791, "", False, False, Cause.CRASH, "abort"),
        (1, "RuntimeError: can't start new thread", False, False, Cause.MEMORY, "exit code 1"),
        (3, "", False, False, Cause.INTERNAL, "exit code 3"),
    ],
)
def test_the_end_of_a_silent_process_has_a_cause(code: int, words: str, asked: bool, oom: bool, cause: Cause, how: str) -> None:
    """The codes of Linux and of Windows, as `subprocess` gives them."""
    assert end_of_process(code, words=words, asked=asked, oom=oom) == (cause, how)


def test_last_words_are_those_before_the_traceback_of_a_crash() -> None:
    dump = ["Fatal Python error: Segmentation fault", "Current thread 0x01 (most recent call first):", '  File "a.py", line 1']
    assert last_words(["weights are loaded", "", *dump]) == "weights are loaded"
    assert last_words(dump) == "Fatal Python error: Segmentation fault"
    assert last_words(["one", "two"]) == "two"
    assert last_words([]) == ""
    crash = crash_in(["cannot allocate memory", *dump])
    assert crash is not None
    assert crash.cause is Cause.MEMORY
    assert crash_in(["a warning of cudnn"]) is None


@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_of_a_worker_wait_without_spinning_unless_a_person_says_otherwise(
    child: Child, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], policy: str
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    worker = child.work(
        """
        from pydantic import BaseModel
        class Seen(BaseModel):
            policy: str
            block: str
        return Seen(policy=os.environ["OMP_WAIT_POLICY"], block=os.environ["KMP_BLOCKTIME"])
        """
    )
    assert dict(end(worker).result) == {"policy": policy, "block": "0"}


@POSIX
def test_a_frozen_worker_is_ended_and_one_that_works_without_a_word_is_not(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "SILENT_S", 2.0)
    beats = "channel_module.BEAT_S = 0.1"
    silent = child.work("time.sleep(4)\nreturn None", setup=beats)
    frozen = child.work('report.log("here")\ntime.sleep(60)', setup=beats)
    child.wait_for_log()
    os.kill(frozen.pid, signal.SIGSTOP)
    outcome = end(frozen)
    assert (outcome.end, outcome.cause) == (End.CRASHED, Cause.FROZEN)
    assert outcome.problem is not None
    assert "showed no sign of life for" in outcome.problem.text
    assert not psutil.pid_exists(frozen.pid)
    assert end(silent).end is End.SUCCEEDED
    assert not child.of("alive")


@POSIX
def test_a_suspended_worker_is_named_soon_and_goes_on_when_it_is_let(child: Child) -> None:
    worker = child.work('report.log("here")\ntime.sleep(1)\nreturn None')
    child.wait_for_log()
    began = time.monotonic()
    os.kill(worker.pid, signal.SIGSTOP)
    _until(lambda: child.of("suspended") == [{"pid": worker.pid}])
    assert time.monotonic() - began < 5 + _LATE_S
    assert not child.of("continued")
    os.kill(worker.pid, signal.SIGCONT)
    _until(lambda: child.of("continued") == [{}] or worker.outcome is not None)  # it has little left to do
    assert end(worker).end is End.SUCCEEDED
    assert len(child.of("suspended")) == 1


@POSIX
def test_cancelling_a_suspended_worker_does_not_wait_for_it(child: Child) -> None:
    child.grace = 60.0
    worker = child.work('report.log("here")\ntime.sleep(600)')
    child.wait_for_log()
    os.kill(worker.pid, signal.SIGSTOP)
    began = time.monotonic()
    assert worker.close().end is End.CANCELLED
    assert time.monotonic() - began < child.grace / 2
    assert not psutil.pid_exists(worker.pid)


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
