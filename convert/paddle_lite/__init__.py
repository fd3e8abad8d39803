"""What Paddle Lite's optimiser is given: a .pdmodel, whichever Paddle saved it, in its own form."""
