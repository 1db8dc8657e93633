"""What amp costs: requests, memory, decisions, the client. `python -m benchmarks` prints it all."""
