"""What is installed here, whether it fits together, and the command that mends what does not."""

from paddleport.doctor.examination import examine
from paddleport.doctor.findings import Diagnosis, Finding, Problem

__all__ = ["Diagnosis", "Finding", "Problem", "examine"]
