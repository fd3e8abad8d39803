import pytest

from paddleport.errors import UsageError
from paddleport.runners.runner_options import ranges_for
from paddleport.tensors import ShapeRange, TensorSpec

IMAGE = TensorSpec("x", "float32", (None, 3, 224, 224))
LINE = TensorSpec("x", "float32", (None, 3, 48, None))


def test_a_free_batch_has_a_default() -> None:
    sizes = (3, 224, 224)
    wanted = ShapeRange((1, *sizes), (1, *sizes), (8, *sizes))
    assert ranges_for([IMAGE], {}, "tensorrt") == {"x": wanted}


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 8, 8)])
def test_a_fixed_shape_is_its_own_range(shape: tuple[int, ...]) -> None:
    spec = TensorSpec("im_shape", "float32", shape)
    assert ranges_for([spec], {}, "tensorrt") == {"im_shape": ShapeRange(shape, shape, shape)}


def test_other_free_dimensions_need_a_range() -> None:
    with pytest.raises(UsageError) as caught:
        ranges_for([LINE], {}, "tensorrt")
    assert "--shape x=1,3,48,32:1,3,48,224:8,3,48,640" in str(caught.value)


def test_what_is_given_is_taken() -> None:
    given = ShapeRange((1, 3, 48, 32), (1, 3, 48, 320), (4, 3, 48, 640))
    assert ranges_for([LINE], {"x": given}, "tensorrt") == {"x": given}


@pytest.mark.parametrize("high", [(4, 3, 50, 640), (4, 3, 48), (4, 3, 48, 640, 1)])
def test_a_range_that_the_model_does_not_take(high: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        ranges_for([LINE], {"x": ShapeRange((1, 3, 48, 32), (1, 3, 48, 320), high)}, "tensorrt")


def test_an_input_that_is_not_there() -> None:
    given = ShapeRange((1,), (1,), (1,))
    with pytest.raises(UsageError, match="Did you mean 'x'"):
        ranges_for([IMAGE], {"X": given}, "tensorrt")


@pytest.mark.parametrize("shapes", [((2,), (1,), (3,)), ((1,), (4,), (3,)), ((-1,), (1,), (1,))])
def test_sizes_out_of_order(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(UsageError, match="min <= opt <= max"):
        ShapeRange(*shapes)


def test_the_range_that_covers_what_is_fed() -> None:
    found = ShapeRange.covering([(1, 3, 48, 320), (8, 3, 48, 96), (1, 3, 48, 640)])
    assert found == ShapeRange((1, 3, 48, 96), (1, 3, 48, 320), (8, 3, 48, 640))
