"""Labelled pictures in the forms that people have them in, a module a form."""
