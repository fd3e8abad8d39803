"""Which preprocessing explains a tensor that somebody made, or an answer that a backend gave.

A tensor (``paddleport explain-input``), from the entry to the tools:
    explain: the steps and the verdict. explanation: the result. explanation_wording: in words.
    placement_search: which candidates are tried, in which order. picture_location: the sizes,
    offsets and parts of the picture that are likely. placement: one candidate; trying and scoring.
    pixel_match: how well pixels match. normalisation_fit: scale, mean and std of those that do.
    tensor_axes: row of a batch, layout, turns.

An answer (the cause ``preprocessing``):
    input_variants: inputs as wrong preprocessing makes them, the likeliest first.
    tensor_changes, picture_changes: the mistakes, on a tensor and on the picture.

Both, what people do to pictures:
    resampling: interpolations. resize_and_crop: sizes and crops. known_normalisations: scales,
    means and stds.
"""
