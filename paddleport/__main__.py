"""``python -m paddleport``."""

from paddleport.cli import main

main()
