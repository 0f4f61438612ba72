"""What the end-to-end tests and the benchmarks run with: real processes, real servers, small media."""
