"""A file's name that would act on a terminal, and how it is to be printed."""

NAME = "a\x1b[31m\n\u202e\x9b\x7f[b].png"
SHOWN = "a\\x1b[31m\\n\\u202e\\x9b\\x7f[b].png"
