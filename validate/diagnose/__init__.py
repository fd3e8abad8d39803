"""Who made a backend differ.

``validation_outputs`` holds what everyone answered; ``evidence`` is gathered from it, with
``output_patterns`` (what the outputs show by themselves) and ``imitation`` (whether they are the
reference's to another input); ``causes`` names the cause that the evidence points to, and
``amplified_rounding`` says whether the model itself is one. ``difference`` asks them for every
output that differs, and gives the verdict.
"""
