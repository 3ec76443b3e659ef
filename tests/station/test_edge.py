"""The hand-off between threads: order, overflow, waiting, closing."""

import threading
import time

import pytest

from inspector.station.edge import Edge


def test_a_full_edge_that_drops_the_oldest_keeps_the_newest_and_counts() -> None:
    edge: Edge[int] = Edge(2, drop="oldest")
    lost = [item for number in range(5) for item in edge.put(number)]
    assert lost == [0, 1, 2]
    assert edge.drops == 3
    assert edge.take(10, timeout=0) == [3, 4]


def test_a_full_edge_that_never_drops_gives_the_item_back() -> None:
    edge: Edge[int] = Edge(1, drop="never")
    assert edge.put(1) == ()
    assert edge.put(2, timeout=0) == (2,)
    assert edge.drops == 1
    assert edge.take(10, timeout=0) == [1]


def test_putting_waits_for_room() -> None:
    edge: Edge[int] = Edge(1, drop="never")
    edge.put(1)
    taken: list[int] = []
    taker = threading.Timer(0.1, lambda: taken.extend(edge.take()))
    taker.start()
    started = time.monotonic()
    assert edge.put(2, timeout=5) == ()
    assert 0.05 < time.monotonic() - started < 4
    taker.join()
    assert taken == [1]
    assert edge.take(timeout=0) == [2]


def test_items_put_together_arrive_together_and_in_order() -> None:
    edge: Edge[int] = Edge(8, drop="never")
    taken: list[list[int]] = []
    taker = threading.Thread(target=lambda: taken.append(edge.take(8)))
    taker.start()
    edge.put_all([1, 2, 3])
    taker.join(5)
    assert taken == [[1, 2, 3]]


def test_more_items_than_there_is_room_for_are_taken_while_they_are_put() -> None:
    edge: Edge[int] = Edge(2, drop="never")
    taken: list[int] = []

    def take() -> None:
        while items := edge.take(8):
            taken.extend(items)

    taker = threading.Thread(target=take)
    taker.start()
    edge.put_all(range(20))
    edge.close()
    taker.join(5)
    assert taken == list(range(20))
    full: Edge[int] = Edge(2, drop="never")
    full.put_all([1, 2, 3, 4], over=True)
    assert full.take(8) == [1, 2, 3, 4]
    newest: Edge[int] = Edge(2, drop="oldest")
    newest.put_all([1, 2, 3, 4])
    assert (newest.take(8), newest.drops) == ([3, 4], 2)


def test_items_together_wait_no_longer_for_room_than_one() -> None:
    full: Edge[int] = Edge(1, drop="never")
    full.put(0)
    started = time.monotonic()
    full.put_all(range(8), timeout=0.2)
    assert 0.15 < time.monotonic() - started < 0.8
    assert full.drops == 8


def test_taking_lingers_for_company_but_not_longer_than_asked() -> None:
    edge: Edge[int] = Edge(8, drop="never")
    edge.put(1)
    later = threading.Timer(0.05, edge.put, (2,))
    later.start()
    started = time.monotonic()
    assert edge.take(8, timeout=1, linger=0.3) == [1, 2]
    assert 0.25 < time.monotonic() - started < 1.5
    later.join()
    edge.put(3)
    edge.put(4)
    started = time.monotonic()
    assert edge.take(2, timeout=1, linger=10) == [3, 4]
    assert time.monotonic() - started < 1


def test_taking_from_an_empty_edge_ends_in_time() -> None:
    started = time.monotonic()
    assert Edge[int](1, drop="never").take(timeout=0.05) == []
    assert 0.04 < time.monotonic() - started < 2


def test_closing_wakes_everyone_and_leaves_what_is_there() -> None:
    edge: Edge[int] = Edge(1, drop="never")
    edge.put(1)
    refused: list[tuple[int, ...]] = []
    putter = threading.Thread(target=lambda: refused.append(edge.put(2)))
    putter.start()
    time.sleep(0.05)
    edge.close()
    putter.join(2)
    assert refused == [(2,)]
    assert edge.take(5) == [1]
    assert edge.take(5) == []
    assert edge.put(3) == (3,)
    assert edge.drops == 0


def test_weight_is_limited_but_one_item_always_fits() -> None:
    edge: Edge[int] = Edge(10, drop="oldest", capacity=10, weigh=lambda item: item)
    assert edge.put(100) == ()
    assert edge.put(4) == (100,)
    assert edge.put(6) == ()
    assert edge.put(1) == (4,)
    assert edge.take(10, timeout=0) == [6, 1]
    assert edge.put(10) == ()


def test_many_threads_lose_and_double_nothing() -> None:
    edge: Edge[int] = Edge(3, drop="never")
    putters = [
        threading.Thread(target=lambda start=start: [edge.put(n) for n in range(start, start + 200)])
        for start in (0, 1000, 2000)
    ]
    for putter in putters:
        putter.start()
    taken: list[int] = []
    while len(taken) < 600:
        items = edge.take(4, timeout=5)
        assert items
        taken.extend(items)
    for putter in putters:
        putter.join()
    for start in (0, 1000, 2000):
        assert [n for n in taken if start <= n < start + 1000] == list(range(start, start + 200))


def test_an_edge_holds_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Edge(0, drop="never")
