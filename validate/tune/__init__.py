"""Which configuration is fastest on this machine, among those that are still the same model.

``tuner`` puts every ``candidate`` to the accuracy gate and times those that pass by
``successive_halving``, in the processes of ``candidate_timing``; ``tuning`` is the result, which
``tuning_report`` and ``tuning_chart`` show.
"""
