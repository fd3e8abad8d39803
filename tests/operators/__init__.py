"""Small networks, one per operator and setting that image models use."""
