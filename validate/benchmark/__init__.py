"""The measuring rig: equal threads, rounds in turn, and what a machine can do at best."""
