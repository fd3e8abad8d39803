"""Which configuration is fastest on this machine, among those that are still the same model."""
