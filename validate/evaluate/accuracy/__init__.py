"""What the counts say: shares and intervals, verdicts, and whether the labels can be right."""
