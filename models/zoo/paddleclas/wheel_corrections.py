"""What the sources in PaddleClas's wheel 2.6.0 have wrong, and what stands there instead.

``swin_transformer_v2.py`` was published in the middle of a change to sizes that windows do not
divide: it uses names that nothing sets, and no SwinTransformerV2 runs. It is put back to what it
was before, which PaddleClas's checkpoints fit: sizes from the constructor, and the mask of
shifted windows as a buffer.
"""

_SIZES_FROM_OUTSIDE = """\
    def forward(self, x, input_dimensions):
        H, W = input_dimensions
        for blk in self.blocks:
            x = blk(x, input_dimensions)
        if self.downsample is not None:
            H, W = (H + 1) // 2, (W + 1) // 2
            x = self.downsample(x, input_dimensions)

        return x, (H, W)
"""
_OWN_SIZES = """\
    def forward(self, x):
        for blk in self.blocks:
            x = blk(x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x
"""
_PADDED_WINDOWS = """\
        shifted_x = window_reverse(attn_windows, self.window_size, height_pad,
                                   width_pad)  # B H' W' C
"""
_WINDOWS = """\
        shifted_x = window_reverse(attn_windows, self.window_size, H, W)
"""
_PADDING_REMOVED = """\
        was_padded = pad_values[3] > 0 or pad_values[5] > 0
        if was_padded:
            x = x[:, :H, :W, :]

"""
_MASK_AWAY = '''\
        """
        if self.shift_size > 0:
            # calculate attention mask for SW-MSA
'''
_MASK = """\
        if self.shift_size > 0:
            # calculate attention mask for SW-MSA
"""
_NO_MASK = '''\
        else:
        """
        H, W = self.input_resolution
        attn_mask = paddle.zeros([1, H, W, 1])
'''
_MASK_WHERE_SHIFTED = """\
        else:
            attn_mask = None
"""

CORRECTIONS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "model_zoo/swin_transformer_v2.py",
        (
            ("        return x, output_dimensions\n", "        return x\n"),
            ("x, output_dimensions = self.patch_embed(x)", "x = self.patch_embed(x)"),
            ("x, output_dimensions = layer(x, input_dimensions=output_dimensions)", "x = layer(x)"),
            (_SIZES_FROM_OUTSIDE, _OWN_SIZES),
            ("        H, W = input_dimensions\n", "        H, W = self.input_resolution\n"),
            (_MASK_AWAY, _MASK),
            (_NO_MASK, _MASK_WHERE_SHIFTED),
            (
                "attn_mask = self.get_attn_mask(height_pad, width_pad, x.dtype)",
                "attn_mask = self.attn_mask",
            ),
            (_PADDED_WINDOWS, _WINDOWS),
            (_PADDING_REMOVED, ""),
        ),
    ),
)
"""A file below the networks' folder, and each text in it that is wrong with the right one."""
