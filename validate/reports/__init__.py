"""The parity report for readers: Markdown, HTML, JUnit, and the schema of its JSON."""
