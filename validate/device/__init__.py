"""What ran on a phone or board: the folder that it is given, and the answers that come back.

``manifest`` says what a folder holds and ``folder`` reads one; ``returned_answers`` reads what
came back, ``answer_mistakes`` knows what programs on devices get wrong, and ``answer_check`` holds
the answers against native Paddle's as those of any backend. ``native_answers`` is the Paddle model
itself, where it is at hand.
"""
