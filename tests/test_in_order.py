"""Bounded, ordered, and nothing left behind."""

import itertools
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from paddleport.runners.in_order import Done, in_order


def test_results_come_in_order_and_no_item_is_taken_too_early() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            taken.append(item)
            yield item

    def slowly(item: int) -> int:
        time.sleep(random.Random(item).uniform(0, 0.004))
        return item

    with ThreadPoolExecutor(4) as pool:
        for place, found in enumerate(in_order(lambda item: pool.submit(slowly, item), items(), 6)):
            assert found == place
            assert len(taken) <= place + 6
    assert len(taken) == 50


def test_an_endless_source_is_cancelled_when_its_consumer_leaves() -> None:
    cancelled: list[int] = []

    class Noted(Done[int]):
        def cancel(self) -> None:
            cancelled.append(self.result())

    answers = in_order(Noted, itertools.count(), 3)
    assert next(answers) == 0
    answers.close()
    assert cancelled == [1, 2]


def test_what_the_source_raises_comes_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("the end")

    answers = in_order(Done, items(), 9)
    assert [next(answers), next(answers)] == [1, 2]
    with pytest.raises(ValueError, match="the end"):
        next(answers)


def test_what_an_item_raises_comes_in_its_place() -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = in_order(lambda item: pool.submit(lambda: 6 // item), [3, 2, 0, 1], 4)
        assert [next(answers), next(answers)] == [2, 3]
        with pytest.raises(ZeroDivisionError):
            next(answers)
        assert list(answers) == []


def test_an_interrupt_does_not_wait_for_results() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    answers = in_order(Done, items(), 4)
    with pytest.raises(KeyboardInterrupt):
        next(answers)
