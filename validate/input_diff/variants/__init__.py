"""Inputs as a wrong preprocessing would have made them."""
