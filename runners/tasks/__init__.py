"""What a model's answer means."""
