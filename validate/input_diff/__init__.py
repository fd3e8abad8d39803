"""Which preprocessing explains a tensor that somebody made, or an answer that a backend gave.

A tensor (``paddleport explain-input``): candidates are placed in the picture, scored, named.
    explain                the steps and the verdict
    explanation            the result
    explanation_wording    the result in words
    tensor_axes            the tensor as a picture: row of a batch, layout, turn
    placement_search       candidates: what is tried, in which order
    picture_location       candidates: likely sizes, offsets and parts, by correlation
    placement              one candidate; trying, scoring, keeping the best
    pixel_match            scores: correlation, and what each channel leaves unexplained
    normalisation_fit      scale, mean and std of the best candidates

An answer (the cause ``preprocessing``, from ``validate/diagnose/imitation.py``).
    input_variants         candidates: wrongly prepared inputs, the likeliest first
    tensor_changes         mistakes on a tensor: values, channels, layout, turn
    picture_changes        mistakes on the picture: interpolation, size, crop

What people do to pictures, for both.
    resampling             interpolations of OpenCV, Pillow and frameworks
    resize_and_crop        sizes, crops and padding
    known_normalisations   scales, means and standard deviations
"""
