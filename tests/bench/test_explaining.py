"""What a heat map takes, and what it costs a line to have parts explained."""

import pytest

from inspector.workers.priority import LOWEST_PRIORITY

pytest.importorskip("torch")

from inspector.bench.cams import measure_map
from inspector.bench.line.explaining import Explaining, bench_explaining
from inspector.core.errors import ConfigError


@pytest.mark.parametrize(("network", "about"), [("simple_cnn", "class"), ("simple_yolo", "box")])
def test_a_map_is_measured_and_is_that_of_the_peer(network: str, about: str) -> None:
    cost = measure_map(network, size=64, rounds=1, threads=1)
    assert cost.about == about
    assert cost.ms > 0
    assert cost.difference is None or cost.difference <= 1e-4  # None where grad-cam is not installed


def test_no_more_parts_than_wait_to_be_explained() -> None:
    with pytest.raises(ConfigError, match="At most 256 parts"):
        bench_explaining(parts=257)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_explaining_leaves_the_line_its_rate() -> None:
    results: list[Explaining] = []
    for _attempt in range(3):  # another program on the machine may spoil one
        results.append(bench_explaining())
        found = results[-1]
        assert found.maps_made >= found.parts
        assert found.niceness == LOWEST_PRIORITY
        assert found.group_niceness in (LOWEST_PRIORITY, None)
        if max(found.maps_lost, found.report_lost) <= 0.05:
            return
    pytest.fail(f"below the bar three times: {results}")
