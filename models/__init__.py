"""What we know about models: cards, files on disk, weights."""
