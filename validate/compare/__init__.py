"""One output against another: measure, tolerance, verdict, sensitivity."""
