"""What is installed here, whether it fits together, and the command that repairs what does not."""

from paddleport.doctor.findings import Finding, InstallationReport, Problem
from paddleport.doctor.installation_check import check_installation

__all__ = ["Finding", "InstallationReport", "Problem", "check_installation"]
