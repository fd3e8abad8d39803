"""How accurate a model is on labelled pictures, and whether a runtime's answers are less so.

``evaluation_pass`` is the pass: ``picture_chunks`` decodes, ``picture_slots`` is the memory that
the backends' processes share with it, ``row_process`` is such a process and ``hosted_row`` what
runs in it, ``evaluation_state`` is what an interrupted pass goes on from.
"""
