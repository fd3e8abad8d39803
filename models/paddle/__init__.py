"""Paddle programs, parameters and configuration files on disk.

``source`` finds a model's files, ``foreign_files`` says what is none; ``paddle_program`` and
``params`` read them, ``parameter_check`` holds them against each other, ``separate_params``
combines those in one file each, ``pir`` rewrites new programs for old readers; ``inference_yml``
and ``transforms`` read how pictures are fed; ``checkpoint`` reads a .pdparams, and
``model_builder`` makes an inference model of its state; ``import_paddle`` is what a worker begins
with.
"""
