"""The parity report for readers: Markdown, HTML, JUnit, and the schema of its JSON.

``figures`` writes numbers as texts; ``summary`` answers in sentences; ``tables``,
``latency_tables`` and ``float64_distances`` are the tables; ``markdown``, ``html`` and ``junit``
put them together. ``error_chart`` (with ``error_coordinates``) and ``latency_chart`` are drawn
through ``svg``; ``thumbnails`` makes the small pictures of feeds.
"""
