"""Labelled pictures in the forms that people have them in, a module a form.

``labelled_data`` opens any of them, and ``mapping_checks`` refuses labels that cannot be right.
"""
