"""Paddle programs, parameters and configuration files on disk."""
