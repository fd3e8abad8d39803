"""The evaluation's report, put together by ``report_assembly``, and each form it is written in."""
