"""The protocol over HTTP, the page's routes, and what protects them."""
