"""How accurate a model is on labelled pictures, and whether a runtime's answers are less so.

``labelled_data`` reads the pictures, ``evaluation_pass`` gives them to the backends: there
``picture_chunks`` decodes, ``picture_slots`` is the memory that the backends' processes share with
it, ``row_process`` is such a process and ``hosted_row`` what runs in it, ``evaluation_state`` is
what an interrupted pass goes on from. ``tally`` counts the answers, ``evaluation_report`` is what
comes of them, with the verdicts.
"""
