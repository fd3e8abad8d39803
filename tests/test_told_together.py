"""What is the same of several rows is said once."""

from paddleport.validate.reports.told_together import told_together


def test_one_reason_of_several_is_one_line_in_the_order_of_the_first() -> None:
    said = [("a", "no driver"), ("b", ""), ("c", "slow"), ("d", "no driver")]
    assert told_together(said) == [(("a", "d"), "no driver"), (("c",), "slow")]
