"""Latency: equal threads, interleaved rounds, and what the machine can do at best.

``timing`` and ``warm_load`` are what a validation calls. ``interleaved_rounds`` measures each
``timed_backend``; ``latency`` is what a configuration's rounds come to, with its interval from
``bootstrap``; ``machine`` waits until other processes are at rest and finds the peak.
"""
