"""A station that is killed at any instant: what it told the line is in the archive, once."""

from pathlib import Path

from inspector.bench.archiving.kill import bench_kills


def test_after_kills_every_told_part_is_there_once_and_the_chain_is_whole(tmp_path: Path) -> None:
    found = bench_kills(tmp_path / "archive", kills=4)
    assert found.told > 4
    assert found.feeders == 1
    assert (found.missing, found.doubled, found.broken) == (0, 0, 0)
    assert found.interrupted > 0
