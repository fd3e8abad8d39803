import pytest

from paddleport.progress import part_of


@pytest.mark.parametrize(("share", "of_the_whole"), [(0.0, 0.2), (0.5, 0.4), (1.0, 0.6)])
def test_a_parts_shares_are_of_the_whole(share: float, of_the_whole: float) -> None:
    reported: list[tuple[str, float | None]] = []
    part_of(lambda *at: reported.append(at), 0.2, 0.6)("step", share)
    ((step, found),) = reported
    assert step == "step"
    assert found == pytest.approx(of_the_whole)


def test_a_part_without_a_known_end_has_none_in_the_whole() -> None:
    reported: list[tuple[str, float | None]] = []
    part_of(lambda *at: reported.append(at), 0.2, 0.6)("step", None)
    assert reported == [("step", None)]
