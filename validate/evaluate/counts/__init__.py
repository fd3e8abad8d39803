"""The answers to labelled pictures, counted in constant memory: ``tally`` holds all of it.

A row's batch is scored by ``scored_batch`` and counted by ``row_tally``, in ``confusion_counts``,
``calibration`` and ``changed_pictures``.
"""
