"""Predictors inside others' engines; each module imports its engine, and is imported by name."""
