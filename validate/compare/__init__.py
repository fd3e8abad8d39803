"""One output against another.

``comparison`` gives the verdict over all feeds, by a ``tolerance`` and in an ``error_scale``;
``metrics`` are the further figures, ``sensitivity`` is the proof that it could have failed.
"""
