"""The benchmark: `make bench-quick`, `make bench`, `make bench-full`. docs/performance.md says how to read it."""
