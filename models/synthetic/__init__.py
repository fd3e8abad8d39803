"""Pictures drawn here, the same bits on every machine."""
