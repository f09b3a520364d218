"""The one place where state changes: requests wait here, and together they form a batch (DESIGN 2)."""
