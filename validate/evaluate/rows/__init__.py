"""Backends that answer one pass: a process each, with the pictures in memory that all share."""
