"""MNN: the runner, and the two ways in which MNN runs a file."""
