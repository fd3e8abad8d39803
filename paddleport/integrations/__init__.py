"""The ``Predictor`` inside other engines: Ray's actors and Ray Data."""
