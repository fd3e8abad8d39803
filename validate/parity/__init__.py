"""Every backend against native Paddle.

``validation`` follows a ``validation_plan`` and gives a ``parity_report``: ``backend_comparison``
compares the ``backend_sessions`` with a
``reference_backend`` and a ``float64_reference``; ``divergence_search`` names the nodes;
``describe`` says what was run where.
"""
