"""How accurate a model is on labelled pictures, and whether a runtime's answers are less so.

``evaluation_pass`` gives the pictures of ``validate.labelled`` to the backends: ``picture_chunks``
decodes them, ``rows`` holds the backends' processes, ``counts`` counts the answers, ``accuracy``
says what they prove, and ``report`` is what is written of it. An interrupted pass goes on from
``evaluation_state``.
"""
